package notify

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"slices"
	"strings"
	"time"

	"spoor/abusebox/incident"
	"spoor/internal/message"
)

// The header fields by which we know our own mail again.
const (
	InstanceField = "X-Spoor-Instance"
	ViaField      = "X-Spoor-Via" // marks of the desks whose reports led to this mail
	caseField     = "X-Spoor-Case"
)

// A content is what one mail is written from.
type content struct {
	text     string
	charts   []chart
	redactor *Redactor
	view     View
	desk     bool
}

// write puts the mail together: text first; a feedback report with the one message it is about, or XARF for more.
func (c *Composer) write(n Notice, job Job, what content) ([]byte, error) {
	var body bytes.Buffer
	parts := multipart.NewWriter(&body)
	if err := parts.SetBoundary(boundary(n.MessageID, "outer")); err != nil {
		return nil, err
	}
	kind := "multipart/mixed"
	var err error
	if isSingle(job) && !what.desk {
		kind = "multipart/report; report-type=feedback-report"
		err = c.writeFeedback(parts, n, job, what)
	} else {
		err = c.writeMixed(parts, n, job, what)
	}
	if err == nil {
		err = parts.Close()
	}
	if err != nil {
		return nil, err
	}
	head := c.header(n, job)
	head = append(head, field{"Content-Type", kind + ";\r\n boundary=\"" + parts.Boundary() + "\""})
	raw := join(head, body.Bytes())
	if c.dkim != nil {
		return c.dkim.Sign(raw)
	}
	return raw, nil
}

// boundary is the same each time the same mail is written.
func boundary(id, level string) string {
	sum := sha256.Sum256([]byte(id + level))
	return "spoor-" + hex.EncodeToString(sum[:12])
}

// A field is one header field, in the order in which it is written.
type field struct{ name, value string }

func (c *Composer) header(n Notice, job Job) []field {
	from := mail.Address{Name: c.config.Name, Address: c.config.From}
	if from.Name == "" {
		from.Name = c.site
	}
	to := make([]string, len(n.To))
	for i, a := range n.To {
		to[i] = "<" + a + ">"
	}
	head := []field{
		{"From", from.String()}, {"To", strings.Join(to, ",\r\n ")}, {"Subject", mime.QEncoding.Encode("utf-8", n.Subject)},
		{"Date", n.Date.Format(time.RFC1123Z)}, {"Message-ID", n.MessageID}, {"MIME-Version", "1.0"},
		{"Precedence", "bulk"}, {"X-Auto-Response-Suppress", "All"}, {InstanceField, c.instance},
	}
	if job.Task.Kind == incident.Acknowledge {
		head = append(head, field{"Auto-Submitted", "auto-replied"})
		if id := job.Task.Reply.MessageID; isMessageID(id) {
			head = append(head, field{"In-Reply-To", id}, field{"References", id})
		}
		tag := Tag{Task: n.Task}
		if len(job.Incidents) > 0 {
			tag.Incident = job.Incidents[0].ID
		}
		return append(head, field{"Reply-To", "<" + c.signer.Address(tag) + ">"})
	}
	head = append(head, field{"Auto-Submitted", "auto-generated"})
	for _, mark := range via(job.Incidents) {
		head = append(head, field{ViaField, mark})
	}
	if len(job.Incidents) > 0 && job.Task.Kind != incident.Education && !isTraced(job) {
		first := job.Incidents[0].ID
		head = append(head,
			field{"Reply-To", "<" + c.signer.Address(Tag{Incident: first, Task: n.Task}) + ">"},
			field{"References", c.thread(first)}, field{caseField, what(job)})
	}
	return head
}

// thread is the same for every mail about one incident, so that mail programs show them together.
func (c *Composer) thread(id incident.ID) string {
	name := "case-" + id.String()
	_, domain, _ := strings.Cut(c.signer.from, "@")
	return "<spoor." + name + "." + c.signer.sum(name)[:10] + "@" + domain + ">"
}

// maxVia bounds the marks that one mail passes on.
const maxVia = 20

// via collects the marks of other desks from the evidence, so that each knows its own report again.
func via(incidents []incident.Incident) (marks []string) {
	for _, i := range incidents {
		for _, e := range i.Samples {
			for _, mark := range e.Via {
				if mark = oneLine(mark); mark != "" && len(mark) < 200 && !slices.Contains(marks, mark) && len(marks) < maxVia {
					marks = append(marks, mark)
				}
			}
		}
	}
	return marks
}

// Marks returns the marks of desks that a mail bears, its writer's first.
func Marks(h message.Header) (marks []string) {
	for _, name := range []string{InstanceField, ViaField} {
		for _, f := range h.All(name) {
			if mark := oneLine(f.Value()); mark != "" && len(marks) < maxVia {
				marks = append(marks, mark)
			}
		}
	}
	return marks
}

// maxCaseField bounds the list of cases in one header field.
const maxCaseField = 40

func what(job Job) string {
	var ids []string
	for _, i := range job.Incidents[:min(len(job.Incidents), maxCaseField)] {
		ids = append(ids, i.ID.String())
	}
	return strings.Join(ids, ",\r\n ")
}

func isMessageID(id string) bool {
	return len(id) > 2 && len(id) < 500 && id[0] == '<' && id[len(id)-1] == '>' && !strings.ContainsAny(id[1:len(id)-1], "<>\r\n \t")
}

func join(head []field, body []byte) []byte {
	var b bytes.Buffer
	for _, f := range head {
		fmt.Fprintf(&b, "%s: %s\r\n", f.name, f.value)
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// writeFeedback writes a multipart/report (RFC 6522): the text with what belongs to it, the report, the header.
func (c *Composer) writeFeedback(parts *multipart.Writer, n Notice, job Job, what content) error {
	var inner bytes.Buffer
	text := multipart.NewWriter(&inner)
	if err := text.SetBoundary(boundary(n.MessageID, "inner")); err != nil {
		return err
	}
	if err := c.writeMixed(text, n, job, what); err != nil {
		return err
	}
	if err := text.Close(); err != nil {
		return err
	}
	i := job.Incidents[0]
	return writeAll(parts,
		part{kind: "multipart/mixed; boundary=\"" + text.Boundary() + "\"", data: inner.Bytes(), encoding: "7bit"},
		part{kind: "message/feedback-report", data: []byte(feedbackReport(i)), encoding: "7bit"},
		part{kind: "text/rfc822-headers; charset=utf-8", data: []byte(what.redactor.Header(firstHeader(i))), encoding: "quoted-printable"})
}

// writeMixed writes the text, then charts, then the report for machines.
func (c *Composer) writeMixed(parts *multipart.Writer, n Notice, job Job, what content) error {
	all := []part{{kind: "text/plain; charset=utf-8", data: []byte(what.text), encoding: "quoted-printable"}}
	for k, drawn := range what.charts { // most mail readers show no SVG, but whoever prints or enlarges it wants one
		picture, err := drawn.png()
		if err != nil {
			return fmt.Errorf("chart: %w", err)
		}
		all = append(all,
			part{kind: "image/png", data: picture, encoding: "base64", disposition: fmt.Sprintf("inline; filename=\"flows-%d.png\"", k+1)},
			part{kind: "image/svg+xml", data: drawn.svg(), encoding: "base64", disposition: fmt.Sprintf("attachment; filename=\"flows-%d.svg\"", k+1)})
	}
	if job.Task.Kind != incident.Acknowledge && job.Task.Kind != incident.Education && len(job.Incidents) > 0 && !what.desk && !job.Task.Contact.NoXARF {
		docs, err := c.xarf(job, what)
		if err != nil {
			return err
		}
		for k, data := range docs {
			name := "xarf.json"
			if k > 0 {
				name = fmt.Sprintf("xarf-%d.json", k+1)
			}
			all = append(all, part{kind: "application/json; charset=utf-8", data: data, encoding: "base64", disposition: "attachment; filename=\"" + name + "\""})
		}
	}
	return writeAll(parts, all...)
}

// A part is one body part, ready to be written.
type part struct {
	kind        string
	data        []byte
	encoding    string
	disposition string
}

func writeAll(w *multipart.Writer, parts ...part) error {
	for _, p := range parts {
		head := textproto.MIMEHeader{"Content-Type": {p.kind}, "Content-Transfer-Encoding": {p.encoding}}
		if p.disposition != "" {
			head.Set("Content-Disposition", p.disposition)
		}
		out, err := w.CreatePart(head)
		if err != nil {
			return err
		}
		if err := encode(out, p); err != nil {
			return err
		}
	}
	return nil
}

func encode(w io.Writer, p part) error {
	switch p.encoding {
	case "quoted-printable":
		q := quotedprintable.NewWriter(w)
		text := strings.ReplaceAll(strings.ReplaceAll(string(p.data), "\r\n", "\n"), "\n", "\r\n")
		if _, err := io.WriteString(q, text); err != nil {
			return err
		}
		return q.Close()
	case "base64":
		return writeBase64(w, p.data)
	}
	_, err := w.Write(p.data)
	return err
}

// lineBytes is how many bytes give a base64 line of 76 characters (RFC 2045 §6.8).
const lineBytes = 57

func writeBase64(w io.Writer, data []byte) error {
	for len(data) > 0 {
		n := min(len(data), lineBytes)
		if _, err := io.WriteString(w, base64.StdEncoding.EncodeToString(data[:n])+"\r\n"); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}
