package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"spoor/internal/peers"
)

const loopConfig = `[site]
name     = "Network %[1]s"
hosts    = ["%[1]s.example"]
networks = ["198.51.100.0/24"]
desk     = "abuse@%[1]s.example"
[store]
dir      = %[2]q
min_free = "1MB"
[abusebox]
smtp       = ["127.0.0.1:%[3]d"]
hostname   = "mx.%[1]s.example"
recipients = ["abuse@%[1]s.example"]
[report]
authenticate = false
[registry]
contacts = ["contacts.toml"]
[notify]
from      = "abuse@%[1]s.example"
smarthost = "127.0.0.1:%[4]d"
starttls  = "never"
send      = true
acknowledge = true
`

// TestTwoDaemonsEndTheirLoop has two daemons that are each other's contact for the same host and each other's smarthost:
// one complaint makes one notice each way, the second of which its first writer knows again, and then all is still.
func TestTwoDaemonsEndTheirLoop(t *testing.T) {
	ports := []uint16{peers.FreePort(t), peers.FreePort(t)}
	names := []string{"east", "west"}
	var daemons []*process
	for n, name := range names {
		dir, other := t.TempDir(), 1-n
		for file, text := range map[string]string{
			"spoor.toml":    fmt.Sprintf(loopConfig, name, filepath.Join(dir, "store"), ports[n], ports[other]),
			"contacts.toml": fmt.Sprintf("[[contact]]\nIP-Network = \"198.51.100.0/24\"\nOrg-Name = \"Network %[1]s\"\nAbuse-Contact = \"abuse@%[1]s.example\"\n", names[other]),
		} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		daemons = append(daemons, startServe(t, dir))
	}
	east, west := daemons[0], daemons[1]
	now := time.Now().UTC().Format(time.RFC1123Z)
	mail := fmt.Appendf(nil, "From: Feedback <fbl@reporter.example>\r\nTo: abuse@east.example\r\nSubject: spam\r\nDate: %[1]s\r\nMessage-ID: <loop@reporter.example>\r\n"+
		"MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nspam\r\n\r\n"+
		"--b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nUser-Agent: ExampleFBL/1.0\r\nVersion: 1\r\nSource-IP: 198.51.100.5\r\nArrival-Date: %[1]s\r\n\r\n"+
		"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nFrom: shop@sender.example\r\nSubject: Buy now\r\n\r\n--b--\r\n", now)
	if err := deliver(context.Background(), east.smtp(), "fbl@reporter.example", "abuse@east.example", mail); err != nil {
		t.Fatal(err)
	}
	east.until("the notice of west comes back to east", func() bool { return east.metric("spoor_desk_mails_total", `outcome="loop"`) == 1 })
	for _, d := range daemons {
		d.until("nothing waits", func() bool { return d.waiting() == 0 })
	}
	for n, want := range []float64{2, 1} { // the complaint and west's notice; east's notice
		if got := daemons[n].metric("spoor_desk_mails_total", ""); got != want {
			t.Errorf("%s decided %v mails, want %v", names[n], got, want)
		}
		if got := daemons[n].metric("spoor_desk_tasks_total", `result="sent"`); got != 1 {
			t.Errorf("%s sent %v mails, want one", names[n], got)
		}
	}
	for _, d := range []*process{east, west} {
		if err := d.stop(); err != nil {
			t.Errorf("it ended with %v", err)
		}
	}
}
