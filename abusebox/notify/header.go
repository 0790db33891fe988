package notify

import (
	"fmt"
	"strings"

	"spoor/internal/message"
)

// shown are the fields of a reported message that help its sender to find it. Everything else stays with us.
var shown = map[string]bool{"received": true, "date": true, "subject": true, "from": true, "message-id": true, "mime-version": true,
	"content-type": true, "x-mailer": true, "user-agent": true, "x-php-originating-script": true, "x-php-script": true,
	"x-authenticated-sender": true, "x-source": true, "x-source-args": true, "x-source-dir": true}

// named are the fields that name the receivers of a reported message, and so its complainant.
var named = []string{"To", "Cc", "Bcc", "Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "X-Rcpt-To", "Apparently-To",
	"Resent-To", "X-Forwarded-To", "X-Forwarded-For", "Original-Recipient", "Final-Recipient", "X-RCPT-TO", "X-Failed-Recipients"}

// SecretsOf collects from a reported message's header whatever names its receivers: their addresses and names.
func SecretsOf(header string) (secrets []string) {
	h := parseHeader(header)
	for _, name := range named {
		for _, f := range h.All(name) {
			secrets = append(secrets, addressesIn(f.Text())...)
			secrets = append(secrets, namesIn(f.Text())...)
		}
	}
	for _, f := range h.All("Received") {
		for _, clause := range forPattern.FindAllString(f.Value(), -1) {
			secrets = append(secrets, addressesIn(clause)...)
		}
	}
	return secrets
}

func parseHeader(header string) message.Header {
	h, _, _ := message.ReadHeader([]byte(strings.TrimRight(header, "\r\n")+"\r\n\r\n"), message.DefaultLimits())
	return h
}

// maxSecrets bounds what one header may make us look for.
const maxSecrets = 200

func addressesIn(s string) (found []string) {
	for _, a := range addressPattern.FindAllString(s, maxSecrets) {
		found = append(found, strings.Trim(a, " <>,;\"'"))
	}
	return found
}

// namesIn returns the words of display names ("Jane Doe" <jane@…>), each alone since greetings use the first only.
func namesIn(s string) (names []string) {
	for _, one := range strings.Split(s, ",") {
		name, _, ok := strings.Cut(one, "<")
		if !ok {
			continue
		}
		for _, word := range strings.Fields(strings.Trim(strings.TrimSpace(name), `"'`)) {
			if word = strings.Trim(word, `"'(),.`); len(word) >= minName && !common[strings.ToLower(word)] && len(names) < maxSecrets {
				names = append(names, word)
			}
		}
	}
	return names
}

// Header returns the header of a reported message as its receiver may see it.
func (r *Redactor) Header(header string) string {
	var b strings.Builder
	left := 0
	for _, f := range parseHeader(header).Fields {
		if !r.open && !shown[strings.ToLower(f.Name)] {
			left++
			continue
		}
		fmt.Fprintf(&b, "%s: %s\r\n", f.Name, r.field(f))
	}
	if left > 0 {
		fmt.Fprintf(&b, "X-Spoor-Removed: %d fields that name others or are of no use here\r\n", left)
	}
	return b.String()
}

func (r *Redactor) field(f message.Field) string {
	switch name := strings.ToLower(f.Name); {
	case r.open:
		return r.Line(f.Text())
	case name == "received":
		return r.named("Received: ", forPattern.ReplaceAllString(f.Value(), ""))
	case name == "from":
		return r.named("From: ", f.Text())
	case name == "message-id":
		return r.messageID(f.Value())
	}
	return r.Line(f.Text())
}

// named redacts the text of a field by what its name says of it.
func (r *Redactor) named(name, text string) string {
	_, text, _ = strings.Cut(r.Line(name+text), ":")
	return strings.TrimSpace(text)
}

// messageID stays, since the sender's logs are searched by it, unless it hides a receiver.
func (r *Redactor) messageID(id string) string {
	id = visible(id)
	local, _, _ := strings.Cut(strings.Trim(id, "<>"), "@")
	if len(id) > 250 || r.holds(strings.ToLower(id)) || hidesAddress(local) {
		return gone
	}
	return tokenPattern.ReplaceAllStringFunc(id, r.token)
}
