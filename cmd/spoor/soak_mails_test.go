package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A soakMail is one mail of the soak, with the line ends that it has on the wire.
type soakMail struct {
	kind  string
	from  string
	about netip.Addr // an address of ours of which no other mail complains; invalid for others
	text  []byte
}

// A soakMix makes mails as an abuse mailbox gets them, no two the same.
type soakMix struct {
	t         *testing.T
	complaint float64  // share of complaints about an address of their own, each of which is told
	rare      float64  // share of what a person must look at, which a contact gets 10,000 times an hour at most
	samples   [][]byte // complaints in all shapes that we know
	count     *atomic.Uint32
}

// soakCount numbers the mails of all mixes of this process.
var soakCount atomic.Uint32

func newSoakMix(t *testing.T, perSecond float64) soakMix {
	t.Helper()
	mix := soakMix{t: t, complaint: 0.15, rare: 0.01, count: &soakCount}
	if perSecond > 0 {
		mix.complaint, mix.rare = min(0.15, 100/perSecond), min(0.05, 2/perSecond)
	}
	files, err := filepath.Glob(filepath.Join(projectRoot(t), "testdata", "reports", "*", "*.eml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		mix.samples = append(mix.samples, data)
	}
	return mix
}

func (x soakMix) next() soakMail {
	n := x.count.Add(1)
	switch r := rand.Float64(); {
	case r < x.complaint:
		return complaintOf(n)
	case r < x.complaint+x.rare/2:
		return soakMail{kind: "sample", from: "abuse@reporter.example", text: numbered(n, x.samples[rand.IntN(len(x.samples))])}
	case r < x.complaint+x.rare:
		return someGarbage(n)
	case rand.IntN(2) == 0:
		return someBounce(n)
	}
	return someAutoReply(n)
}

// numbered puts a field of its own before a mail, and ends its lines as SMTP does.
func numbered(n uint32, text []byte) []byte {
	text = bytes.ReplaceAll(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")), []byte("\n"), []byte("\r\n"))
	if !bytes.HasSuffix(text, []byte("\r\n")) {
		text = append(text, "\r\n"...)
	}
	return append(fmt.Appendf(nil, "X-Soak: %d\r\n", n), text...)
}

// complaintOf complains about an address of its own, in one of several forms, and now and then at great length.
func complaintOf(n uint32) soakMail {
	ip := crashAddress(n)
	m := soakMail{kind: "arf", from: "fbl@reporter.example", about: ip, text: crashMail(ip)}
	ago := func(d time.Duration) string { return time.Now().UTC().Add(-d).Format(time.RFC1123Z) }
	switch n % 8 {
	case 0, 1:
		m.kind = "xarf"
		m.text = fmt.Appendf(nil, "From: Guard <reports@guard.example>\nTo: abuse@example.net\nSubject: abuse report about %[1]s\nDate: %[2]s\n"+
			"Message-ID: <%[4]d@guard.example>\nMIME-Version: 1.0\nX-XARF: PLAIN\nContent-Type: multipart/mixed; boundary=\"x\"\n\n"+
			"--x\nContent-Type: text/plain; charset=utf-8\n\nA host of yours tried to log in.\n\n"+
			"--x\nContent-Type: text/plain; charset=utf-8; name=\"report.txt\"\nContent-Disposition: attachment; filename=\"report.txt\"\n\n"+
			"---\nReported-From: reports@guard.example\nCategory: abuse\nReport-Type: login-attack\nService: ssh\nVersion: 0.2\nUser-Agent: guard 1.0\n"+
			"Date: %[3]s\nSource-Type: ipv6\nSource: %[1]s\nPort: 22\nReport-ID: %[4]d@guard.example\n"+
			"Schema-URL: http://www.x-arf.org/schema/abuse_login-attack_0.1.2.json\nAttachment: none\n\n--x--\n", ip, ago(time.Minute), ago(time.Hour), n)
	case 2, 3:
		m.kind, m.from = "pasted", "kim@customer.example"
		m.text = fmt.Appendf(nil, "From: Kim <kim@customer.example>\nTo: abuse@example.net\nSubject: spam from you\nDate: %[2]s\nMessage-ID: <%[4]d@customer.example>\n"+
			"Content-Type: text/plain; charset=utf-8\n\nI got this spam:\n\n> Received: from win.example (unknown [IPv6:%[1]s])\n"+
			"> \tby mail.customer.example (Postfix) with ESMTP id 399521C124\n> \tfor <kim@customer.example>; %[3]s\n> From: \"Win\" <win@win.example>\n"+
			"> To: kim@customer.example\n> Subject: Win\n> Date: %[3]s\n>\n> Win %[4]d.\n", ip, ago(time.Minute), ago(time.Hour), n)
	case 4:
		if n%64 == 4 {
			m.kind = "large"
			m.text = enlarged(m.text, 100<<10<<rand.IntN(5))
		}
	}
	m.text = numbered(n, m.text)
	return m
}

// enlarged gives the reported mail of a feedback report so many bytes more.
func enlarged(arf []byte, size int) []byte {
	var b strings.Builder
	for b.Len() < size {
		fmt.Fprintf(&b, "X-Padding: %016x%016x is one of the lines of a very long header\r\n", rand.Uint64(), rand.Uint64())
	}
	return bytes.Replace(arf, []byte("Subject: Buy now\r\n"), []byte("Subject: Buy now\r\n"+b.String()), 1)
}

// someGarbage is no mail at all, or one that says nothing.
func someGarbage(n uint32) soakMail {
	m := soakMail{kind: "garbage", from: "x@far.example"}
	if n%2 == 0 {
		m.kind = "chatter"
		m.text = numbered(n, fmt.Appendf(nil, "From: Sam <sam@far.example>\nTo: abuse@example.net\nSubject: Re: your call\n"+
			"Message-ID: <chat%d@far.example>\n\nThank you, that helped. See you at lunch.\nSam\n", n))
		return m
	}
	noise := make([]byte, rand.IntN(4<<10))
	for i := range noise {
		noise[i] = byte(rand.IntN(256))
	}
	m.text = numbered(n, append([]byte("no header here\n"), bytes.ReplaceAll(noise, []byte("\r"), nil)...))
	return m
}

// someBounce is a delivery report, of a mail that was not ours.
func someBounce(n uint32) soakMail {
	return soakMail{kind: "bounce", text: numbered(n, fmt.Appendf(nil, "From: MAILER-DAEMON@mail.far.example\nTo: abuse@example.net\n"+
		"Subject: Undelivered Mail Returned to Sender\nAuto-Submitted: auto-replied\nMessage-ID: <bounce%d@mail.far.example>\nMIME-Version: 1.0\n"+
		"Content-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n--b\nContent-Type: text/plain\n\nNot delivered.\n\n"+
		"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mail.far.example\n\nFinal-Recipient: rfc822; gone@far.example\n"+
		"Action: failed\nStatus: 5.1.1\n\n--b--\n", n))}
}

func someAutoReply(n uint32) soakMail {
	return soakMail{kind: "auto-reply", from: "sam@far.example", text: numbered(n, fmt.Appendf(nil, "From: Sam <sam@far.example>\n"+
		"To: abuse@example.net\nSubject: Out of office\nAuto-Submitted: auto-replied\nMessage-ID: <ooo%d@far.example>\n\nI am away.\n", n))}
}
