package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"net/smtp"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"spoor/cmd/spoor/control"
	"spoor/flowwatch/netflow/netflowtest"
	"spoor/internal/message"
	"spoor/internal/peers"
)

// The hosts of the whole path, each behind a next hop of its own.
const (
	pathHost   = "198.51.100.5"   // its administrator answers
	pathGone   = "198.51.100.70"  // its contact no longer exists
	pathAbsent = "198.51.100.130" // its contact is on holiday
)

const pathConfig = `[site]
name     = "Example Regional Network"
hosts    = ["example.net"]
networks = ["198.51.100.0/24"]
desk     = "desk@example.net"
[store]
dir      = %[1]q
min_free = "1MB"
[abusebox]
smtp       = ["127.0.0.1:%[2]d"]
hostname   = "mx.example.net"
recipients = ["abuse@example.net"]
[report]
authenticate = false
[flowwatch]
listen    = ["127.0.0.1:%[3]d"]
exporters = ["127.0.0.1"]
interval  = "10s"
[registry]
contacts = ["contacts.toml"]
[[registry.router]]
name           = "gw1"
address        = "127.0.0.1"
port           = %[4]d
community_file = "community"
[notify]
from      = "abuse@example.net"
smarthost = %[5]q
starttls  = "never"
zone      = "Asia/Taipei"
send      = true
`

const pathContacts = `[[contact]]
nexthop       = "192.0.2.10"
Org-Name      = "Example University"
Abuse-Contact = "noc@university.example"
[[contact]]
nexthop       = "192.0.2.11"
Org-Name      = "Example Library"
Abuse-Contact = "gone@library.example"
[[contact]]
nexthop       = "192.0.2.12"
Org-Name      = "Example School"
Abuse-Contact = "away@school.example"
`

// TestWholePath takes everything that is real at once: routes pulled from a Debian snmpd, NetFlow datagrams, complaints
// and answers through a Postfix, and one `spoor serve` in the middle.
func TestWholePath(t *testing.T) {
	w := newWholePath(t)
	w.daemon.until("the routes of snmpd lead to the customer", func() bool {
		out, err := w.daemon.spoor(nil, "lookup", "--json", pathHost)
		return err == nil && strings.Contains(out, "Example University")
	})
	w.exportFlows()
	for _, host := range []string{pathHost, pathGone, pathAbsent} {
		w.complain(host)
	}
	notice := w.mailTo("university.example", "noc", 1)
	w.checkNotice(notice)
	w.checkBounce()
	w.answer(notice)
	w.answerAutomatically(w.mailTo("school.example", "away", 1))
	if out, err := w.daemon.spoor(nil, "incidents", "verify"); err != nil {
		t.Errorf("the history: %v %s", err, out)
	}
	if n := w.daemon.metric("spoor_desk_mails_total", ""); n != 6 {
		t.Errorf("%v mails were decided, want three complaints, a bounce, an answer and an automatic one", n)
	}
	if err := w.daemon.stop(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
}

// A wholePath is the daemon among its real peers.
type wholePath struct {
	t       *testing.T
	daemon  *process
	postfix *peers.Postfix
	flows   uint16 // the port flows are sent to
	mail    string // the Maildirs of the contacts
}

func newWholePath(t *testing.T) *wholePath {
	agent := peers.NewSNMPD(t, 10, 5)
	agent.Batch(t, "route add 198.51.100.0/26 via 192.0.2.10\nroute add 198.51.100.64/26 via 192.0.2.11\nroute add 198.51.100.128/26 via 192.0.2.12\n")
	w := &wholePath{t: t, flows: peers.FreePort(t), mail: peers.TempDir(t, "mailboxes")}
	intake := peers.FreePort(t)
	if err := os.Chmod(w.mail, 0o777); err != nil { // Postfix delivers as somebody else
		t.Fatal(err)
	}
	w.postfix = peers.NewPostfix(t, peers.PostfixOptions{Main: map[string]string{
		"virtual_mailbox_domains":         "university.example, school.example",
		"virtual_mailbox_base":            w.mail,
		"virtual_mailbox_maps":            "inline:{ noc@university.example=noc/, away@school.example=away/ }",
		"virtual_uid_maps":                "static:65534",
		"virtual_gid_maps":                "static:65534",
		"smtpd_reject_unlisted_recipient": "no", // so that who is gone is found out in the queue, and a delivery report comes
		"transport_maps": fmt.Sprintf("inline:{ {example.net = smtp:[127.0.0.1]:%d}, {desk@example.net = discard:}, "+
			"{gone@library.example = error:5.1.1 no such user} }", intake),
	}})
	dir := t.TempDir()
	for name, text := range map[string]string{
		"spoor.toml":    fmt.Sprintf(pathConfig, filepath.Join(dir, "store"), intake, w.flows, relaySNMP(t, agent), w.postfix.Addr.String()),
		"contacts.toml": pathContacts,
		"community":     "public\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.daemon = startServe(t, dir)
	return w
}

// relaySNMP brings datagrams to the agent in its namespace, and its answers back: a socket there for each client here.
func relaySNMP(t *testing.T, agent *peers.SNMPD) (port uint16) {
	t.Helper()
	const most = 16
	var sockets []net.Conn
	agent.Do(t, func() {
		for range most {
			conn, err := net.Dial("udp", peers.Loopback(peers.SNMPDPort).String())
			if err != nil {
				t.Fatal(err)
			}
			sockets = append(sockets, conn)
		}
	})
	here, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(peers.Loopback(0)))
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	clients := map[netip.AddrPort]net.Conn{}
	group.Go(func() {
		buf := make([]byte, 64<<10)
		for {
			n, from, err := here.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			there, known := clients[from]
			if !known {
				there = sockets[len(clients)%most]
				clients[from] = there
				group.Go(func() { relayBack(here, there, from) })
			}
			_, _ = there.Write(buf[:n])
		}
	})
	t.Cleanup(func() {
		_ = here.Close()
		for _, s := range sockets {
			_ = s.Close()
		}
		group.Wait()
	})
	return here.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

func relayBack(here *net.UDPConn, there net.Conn, to netip.AddrPort) {
	for buf := make([]byte, 64<<10); ; {
		n, err := there.Read(buf)
		if err != nil {
			return
		}
		_, _ = here.WriteToUDPAddrPort(buf[:n], to)
	}
}

// exportFlows tells, as a router does, of 120 mails that the host sent within the last minute, and waits until they count.
func (w *wholePath) exportFlows() {
	w.t.Helper()
	now := time.Now().UTC()
	x := netflowtest.Exporter{Format: netflowtest.V9, Domain: 1, Boot: now.Add(-time.Hour)}
	host := netip.MustParseAddr(pathHost)
	var records []netflowtest.Record
	for n := range 120 {
		peer := netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + n)})
		there := netflowtest.Record{Src: host, Dst: peer, SrcPort: uint16(30_000 + n), DstPort: 25, Proto: 6, Flags: 0x1b,
			Packets: 14, Bytes: 6200, Start: now.Add(-40 * time.Second), End: now.Add(-30 * time.Second)}
		back := there
		back.Src, back.Dst, back.SrcPort, back.DstPort, back.Packets, back.Bytes = peer, host, 25, there.SrcPort, 12, 900
		records = append(records, there, back)
	}
	conn, err := net.Dial("udp", peers.Loopback(w.flows).String())
	if err != nil {
		w.t.Fatal(err)
	}
	defer conn.Close()
	for _, datagram := range x.Encode(records, now) {
		if _, err := conn.Write(datagram); err != nil {
			w.t.Fatal(err)
		}
	}
	closed := 0.0
	w.daemon.until("the flows are counted", func() bool {
		closed = w.daemon.metric("spoor_flowwatch_intervals_total", "")
		return w.daemon.metric("spoor_flowwatch_flows_total", "") >= float64(len(records))
	})
	w.daemon.until("their interval is closed", func() bool { return w.daemon.metric("spoor_flowwatch_intervals_total", "") > closed })
}

// complain sends a feedback report through Postfix, whose queue brings it to us.
func (w *wholePath) complain(host string) {
	w.t.Helper()
	now := time.Now().UTC().Format(time.RFC1123Z)
	mail := fmt.Sprintf("From: Feedback <fbl@reporter.example>\r\nTo: abuse@example.net\r\nSubject: spam from %[1]s\r\nDate: %[2]s\r\n"+
		"Message-ID: <about-%[1]s@reporter.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=\"b\"\r\n\r\n"+
		"--b\r\nContent-Type: text/plain\r\n\r\nA mail was reported as spam.\r\n\r\n--b\r\nContent-Type: message/feedback-report\r\n\r\n"+
		"Feedback-Type: abuse\r\nUser-Agent: ExampleFBL/1.0\r\nVersion: 1\r\nSource-IP: %[1]s\r\nArrival-Date: %[2]s\r\nOriginal-Rcpt-To: jane.doe@victim.example\r\n\r\n"+
		"--b\r\nContent-Type: message/rfc822\r\n\r\nReceived: from mail.customer.example (mail.customer.example [%[1]s])\r\n\tby mx.victim.example with ESMTP id 4XK2P\r\n"+
		"\tfor <jane.doe@victim.example>; %[2]s\r\nFrom: shop@sender.example\r\nTo: Jane Doe <jane.doe@victim.example>\r\nSubject: Buy now\r\n"+
		"Message-ID: <1@sender.example>\r\n\r\nDear Jane Doe\r\n--b--\r\n", host, now)
	w.submit("fbl@reporter.example", "abuse@example.net", mail)
}

func (w *wholePath) submit(from, to, mail string) {
	w.t.Helper()
	if err := smtp.SendMail(w.postfix.Addr.String(), nil, from, []string{to}, []byte(mail)); err != nil {
		w.t.Fatal(err)
	}
}

// mailTo waits for the n-th mail in a contact's mailbox, and returns it as Postfix delivered it.
func (w *wholePath) mailTo(domain, user string, n int) (m *message.Message) {
	w.t.Helper()
	w.daemon.until(fmt.Sprintf("%s@%s has %d mails", user, domain, n), func() bool {
		files, err := filepath.Glob(filepath.Join(w.mail, user, "new", "*"))
		if err != nil || len(files) < n {
			return false
		}
		data, err := os.ReadFile(files[n-1])
		if err != nil {
			w.t.Fatal(err)
		}
		m = message.Read(bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n")), message.DefaultLimits())
		return true
	})
	return m
}

// checkNotice wants the proof in the mail itself: what our flows saw, both times, the way to the contact, and nobody's name.
func (w *wholePath) checkNotice(m *message.Message) {
	w.t.Helper()
	text := ""
	m.Walk(func(p *message.Part) bool {
		if text == "" && p.MediaType == "text/plain" {
			text = p.Text()
		}
		return true
	})
	for _, want := range []string{pathHost, "was reported", "120 SMTP connections to", "what our flow records count per hour", "UTC", "Asia/Taipei", "192.0.2.10"} {
		if !strings.Contains(text, want) {
			w.t.Errorf("the notice does not say %q:\n%s", want, text)
		}
	}
	for _, never := range []string{"jane", "victim.example", "reporter.example", pathGone, pathAbsent} {
		if bytes.Contains(bytes.ToLower(m.Raw), []byte(never)) {
			w.t.Errorf("the notice tells %q", never)
		}
	}
	for name, want := range map[string]string{"Auto-Submitted": "auto-generated", "From": "abuse@example.net"} {
		if got := m.Header.Get(name); !strings.Contains(got, want) {
			w.t.Errorf("%s: %q", name, got)
		}
	}
}

// checkBounce waits until Postfix's delivery report has marked the contact.
func (w *wholePath) checkBounce() {
	w.t.Helper()
	var i control.IncidentFull
	w.daemon.until("the delivery report marks the contact", func() bool {
		i = w.incident(pathGone)
		return i.State == "held"
	})
	if why := strings.Join(i.Why, "; "); !strings.Contains(why, "did not arrive") || !strings.Contains(why, "5.1.1") {
		w.t.Errorf("the bounced one is held because %q", why)
	}
	if text := fmt.Sprint(i.Evidence); !strings.Contains(text, "not visible to us") {
		w.t.Errorf("what our flows do not cover is not said: %s", text)
	}
}

// answer replies as the administrator does, and waits until the reply lands.
func (w *wholePath) answer(notice *message.Message) {
	w.t.Helper()
	to := strings.Trim(notice.Header.Get("Reply-To"), "<>")
	w.submit("noc@university.example", to, "From: Noc <noc@university.example>\r\nTo: "+to+"\r\nSubject: Re: "+notice.Header.Text("Subject")+
		"\r\nIn-Reply-To: "+notice.Header.Get("Message-ID")+"\r\n\r\nThe account was locked.\r\n")
	w.daemon.until("the answer lands on its incident", func() bool { return w.incident(pathHost).State == "acknowledged" })
	if i := w.incident(pathHost); !strings.Contains(fmt.Sprint(i.Evidence), "The account was locked.") {
		w.t.Errorf("the answer is not kept: %v", i.Evidence)
	}
}

// answerAutomatically replies to the return path with the null sender, as RFC 3834 §4 asks of a holiday's program.
func (w *wholePath) answerAutomatically(notice *message.Message) {
	w.t.Helper()
	to := strings.Trim(notice.Header.Get("Return-Path"), "<>")
	w.submit("", to, "From: away@school.example\r\nTo: "+to+"\r\nSubject: Automatic reply: "+notice.Header.Text("Subject")+
		"\r\nAuto-Submitted: auto-replied\r\nIn-Reply-To: "+notice.Header.Get("Message-ID")+"\r\n\r\nI am away until Monday.\r\n")
	w.daemon.until("the automatic answer is read", func() bool {
		return w.daemon.metric("spoor_desk_mails_total", `outcome="auto"`) == 1 && w.daemon.waiting() == 0
	})
	i := w.incident(pathAbsent)
	if i.State != "notified" || !strings.Contains(fmt.Sprint(i.Evidence), "I am away until Monday.") {
		w.t.Errorf("after an automatic answer it is %s with %v", i.State, i.Evidence)
	}
}

// incident returns the incident about an address, with everything kept about it.
func (w *wholePath) incident(ip string) (full control.IncidentFull) {
	w.t.Helper()
	out, err := w.daemon.spoor(nil, "incidents", "list", "--json", "--net", ip)
	var line control.IncidentLine
	if err != nil || json.Unmarshal([]byte(out), &line) != nil {
		return full
	}
	client, err := control.Dial(filepath.Join(w.daemon.dir, "store", "control.sock"))
	if err != nil {
		w.t.Fatal(err)
	}
	err = client.Get(context.Background(), "/incidents/"+line.ID, nil, func(data json.RawMessage) error { return json.Unmarshal(data, &full) })
	if err != nil {
		w.t.Fatal(err)
	}
	return full
}
