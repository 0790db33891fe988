package main

import (
	"context"
	"fmt"

	"spoor/abusebox/report"
)

// runRedact writes each mail with people and addresses replaced. Several mails
// are written as a mbox.
func (p *parseCmd) runRedact(ctx context.Context, paths []string) error {
	n := 0
	var first []byte
	red := report.NewRedactor()
	err := p.complaintFiles(ctx, paths, func(m parsedMail) error {
		if m.err != nil {
			return fmt.Errorf("%s: %w", m.source, m.err)
		}
		out := red.Mail(m.raw)
		if n++; n == 1 {
			first = out
			return nil
		}
		if n == 2 {
			if err := p.writeMbox(first); err != nil {
				return err
			}
		}
		return p.writeMbox(out)
	})
	if err == nil && n == 1 {
		_, err = p.app.out.Write(first)
	}
	return err
}

func (p *parseCmd) writeMbox(mail []byte) error {
	_, err := fmt.Fprintf(p.app.out, "From redacted@example.com Thu Jan  1 00:00:00 1970\n%s\n\n", mail)
	return err
}
