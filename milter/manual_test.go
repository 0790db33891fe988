package milter

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spoor/internal/peers"
)

// block returns the lines of a manual's code block that holds word.
func block(t *testing.T, manual, word string) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../docs", manual))
	must(t, err)
	for i, part := range strings.Split(string(text), "```") {
		if i%2 == 1 && strings.Contains(part, word) {
			_, lines, _ := strings.Cut(part, "\n")
			return strings.Split(strings.TrimSpace(lines), "\n")
		}
	}
	t.Fatalf("%s has no block with %q", manual, word)
	return nil
}

// serveAt runs a milter on a socket of its own making.
func serveAt(t *testing.T, path, group string) {
	t.Helper()
	cfg := testConfig()
	cfg.AuthservID, cfg.SocketGroup = "", group
	cfg.Listen = []string{"", path}
	cfg.Rules = []RuleConfig{{Name: "s", Action: ActionHeader, Header: "X-Submission: yes", Direction: []Direction{DirectionSubmission}}}
	start(t, cfg, Deps{})
}

func TestPostfixManual(t *testing.T) {
	out := newSink(t)
	main := map[string]string{"default_transport": "smtp:[127.0.0.1]:" + out.port()}
	for _, line := range block(t, "postfix.md", "smtpd_milters = unix:") {
		key, value, _ := strings.Cut(line, " = ")
		main[key] = value
	}
	var master []string
	port := peers.FreePort(t)
	for _, line := range block(t, "postfix.md", "ORIGINATING") {
		line = strings.Replace(line, "submission inet", portText(port)+" inet", 1) // in a chroot, unlike port 25
		if !strings.Contains(line, "restrictions") {                               // there is nobody to log in here
			master = append(master, strings.Replace(line, "auth_enable=yes", "auth_enable=no", 1))
		}
	}
	p := peers.NewPostfix(t, peers.PostfixOptions{Main: main, Master: master})
	serveAt(t, filepath.Join(p.SpoolDir(), "spoor", "milter.sock"), "postfix")
	submissionKnown(t, out, p.Addr, peers.Loopback(port))
}

// submissionKnown sends a mail by port 25 and one by the submission service: both are marked, and only the second counts as submission.
func submissionKnown(t *testing.T, out *sink, mx, submission netip.AddrPort) {
	t.Helper()
	for service, want := range map[netip.AddrPort]int{mx: 0, submission: 1} {
		d := dialSMTP(t, service)
		d.cmd("EHLO client.example.org", "250")
		d.message("manual "+service.String(), "", nil)
		got := out.bySubject(t, "manual "+service.String())
		marked(t, got)
		if n := len(got.fields("X-Submission")); n != want {
			t.Errorf("by %s, %d fields say that it is a submission, not %d", service, n, want)
		}
	}
}

func TestSendmailManual(t *testing.T) {
	peers.Need(t, "sendmail")
	peers.NeedRoot(t)
	dir, err := os.MkdirTemp("/run", "spoor-milter-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	serveAt(t, filepath.Join(dir, "milter.sock"), "")
	port := peers.FreePort(t)
	msa := strings.Replace(block(t, "sendmail.md", "Name=MSA")[0], "Port=submission, M=Ea", "M=E, Addr=127.0.0.1, Port="+portText(port), 1)
	for _, word := range []string{"S=unix:/run/spoor/milter.sock, T=", "F=T"} {
		out := newSink(t)
		mc := block(t, "sendmail.md", word)
		for i := range mc {
			mc[i] = strings.ReplaceAll(mc[i], "/run/spoor", dir)
		}
		s := peers.NewSendmail(t, peers.SendmailOptions{MC: append(mc, msa), Sink: out.addr})
		submissionKnown(t, out, s.Addr, peers.Loopback(port))
		s.Stop()
	}
}

func TestMetricsAreInTheManual(t *testing.T) {
	manual, err := os.ReadFile("../docs/metrics.md")
	must(t, err)
	r := start(t, testConfig(), Deps{})
	c := dial(t, r)
	connect(t, c, "192.0.2.7")
	deliver(t, c, letterTo(1))
	families, err := r.metrics.Gather()
	must(t, err)
	for _, f := range families {
		if !strings.Contains(string(manual), "`"+f.GetName()+"`") {
			t.Errorf("%s is not in docs/metrics.md", f.GetName())
		}
	}
}
