package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"spoor/cmd/spoor/control"
	"spoor/internal/message"
)

// receiverPattern finds who received what a complaint is about.
var receiverPattern = regexp.MustCompile(`(?im)^(?:to|cc|delivered-to|x-original-to|original-rcpt-to|\s+for)[: ]+.*?([\w.+-]+@[\w.-]+\w)`)

// hide notes whom a mail that is handed in names as its receivers, but for ourselves.
func (s *scenario) hide(mail []byte) {
	for _, found := range receiverPattern.FindAllSubmatch(mail, -1) {
		if address := strings.ToLower(string(found[1])); !strings.HasSuffix(address, "@example.net") {
			s.never = append(s.never, address)
		}
	}
}

// checkLeaks reads every notice as its receiver would and looks for what is not theirs: who complained, to whom the
// reported mail went, the addresses of other customers, and what people of ours wrote for each other.
func (s *scenario) checkLeaks() {
	s.t.Helper()
	cases := s.cases()
	remarks, err := os.ReadFile(filepath.Join(s.folder, "never"))
	if err == nil {
		s.never = append(s.never, strings.Fields(strings.ToLower(string(remarks)))...)
	}
	files, err := s.sink.mails()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		m := message.Read(data, message.DefaultLimits())
		to := strings.ToLower(strings.Trim(m.Header.Get("X-Envelope-To"), "<>"))
		if to == "abuse-desk@example.net" || m.Header.Get("Auto-Submitted") == "auto-replied" {
			continue // people of ours, and the complainant itself
		}
		text := strings.ToLower(decoded(m))
		for _, secret := range s.never {
			if !ownedBy(secret, to) && strings.Contains(text, secret) {
				s.t.Errorf("the notice to %s tells %q:\n%s", to, secret, text)
			}
		}
		for _, i := range cases {
			if len(i.Contact) > 0 && !slices.Contains(i.Contact, to) && i.IP != "" && strings.Contains(text, i.IP+" ") {
				s.t.Errorf("the notice to %s tells of %s, which is %v's:\n%s", to, i.IP, i.Contact, text)
			}
		}
	}
}

// ownedBy reports whether a text is, or lies in, the receiver's own domain.
func ownedBy(secret, to string) bool {
	return secret[strings.LastIndexByte(secret, '@')+1:] == to[strings.LastIndexByte(to, '@')+1:]
}

// decoded is every part of a mail as a mail program shows it.
func decoded(m *message.Message) string {
	var b strings.Builder
	for _, f := range m.Header.Fields {
		if name := strings.ToLower(f.Name); name != "return-path" && name != "x-envelope-to" {
			b.WriteString(f.Text() + "\n")
		}
	}
	m.Walk(func(p *message.Part) bool {
		b.WriteString(p.Text() + "\n")
		return true
	})
	return b.String()
}

// cases are all incidents, with their contacts.
func (s *scenario) cases() (all []control.IncidentFull) {
	s.t.Helper()
	out, err := s.daemon.spoor(nil, "incidents", "list", "--json")
	if err != nil {
		s.t.Fatal(err)
	}
	for line := range strings.Lines(out) {
		var i control.IncidentFull
		if err := json.Unmarshal([]byte(line), &i.IncidentLine); err != nil {
			s.t.Fatal(err)
		}
		full, err := s.daemon.spoor(nil, "incidents", "show", i.ID, "--json")
		if err == nil {
			err = json.Unmarshal([]byte(full), &i)
		}
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, i)
	}
	return all
}

// sentTo waits until all is done and returns the first mail that was sent to an address, as it went out.
func (s *scenario) sentTo(to string) []byte {
	s.t.Helper()
	s.daemon.settle(s.mails)
	files, err := s.sink.mails()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		envelope, mail, _ := strings.Cut(string(data), "X-Envelope-To: <"+to+">\r\n")
		if strings.HasPrefix(envelope, "Return-Path:") && mail != "" {
			return []byte(mail)
		}
	}
	s.t.Fatalf("nothing was sent to %s", to)
	return nil
}
