package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"spoor/flowwatch/netflow/netflowtest"
	"spoor/internal/message"
	"spoor/milter/miltertest"
	"spoor/testdata/demo"
)

// transitHost is the host of ours that the first complaint is about: its mail is seen in transit, too.
const transitHost = "140.115.17.89"

// showTransit has the flow records of a spamming host judged, passes a mail of that host through the running milter
// as an MTA would, and prints what the milter does to it.
func (t *tour) showTransit(ctx context.Context) (wrong []string, err error) {
	host := netip.MustParseAddr(transitHost)
	why, err := t.list(ctx, host)
	if err != nil {
		return nil, err
	}
	changes, reply, err := t.pass(ctx, host)
	if err != nil {
		return nil, fmt.Errorf("pass a mail through the milter: %w", err)
	}
	out := t.app.out
	fmt.Fprintln(out, "ONE MAIL IN TRANSIT, THROUGH THE MILTER")
	fmt.Fprintf(out, "Flow records list %s: %s.\nIt sends a spam through our mail server, whose milter answers %s:\n", host, orDash(why), reply)
	for _, c := range changes {
		switch c.Code {
		case 'm':
			fmt.Fprintf(out, "| takes out   %s, which was forged\n", c.Name)
		case 'i':
			fmt.Fprintf(out, "| puts on top %s:%s\n", c.Name, strings.ReplaceAll(c.Value, "\n\t", "\n|                 "))
		}
	}
	fmt.Fprintln(out)
	return checkTransit(changes), nil
}

// list tells the watcher, as a router's NetFlow, of the host's many SMTP connections of one second, and closes the
// interval at the end of that second instead of waiting for minutes.
func (t *tour) list(ctx context.Context, host netip.Addr) (why string, err error) {
	now, router := time.Now().UTC(), netip.MustParseAddr("127.0.0.1")
	if err := t.daemon.flows.CloseInterval(ctx, now); err != nil {
		return "", err
	}
	exporter := &netflowtest.Exporter{Format: netflowtest.V5, Boot: now.Add(-time.Hour)}
	for _, datagram := range exporter.Encode(spamRun(host, now), now) {
		if err := t.daemon.flows.Receive(datagram, router, now); err != nil {
			return "", err
		}
	}
	if err := t.daemon.flows.CloseInterval(ctx, now.Add(time.Second)); err != nil {
		return "", err
	}
	why, _ = t.daemon.flows.Listed(host)
	return why, nil
}

// spamRun is one host's connections to the mail servers of 400 others: of three one takes its mail, one refuses it, and one is
// not there.
func spamRun(host netip.Addr, now time.Time) (records []netflowtest.Record) {
	const tcp, opening, finished = 6, 0x02, 0x1b // SYN alone; FIN, SYN, PSH, ACK
	for i := range 400 {
		to := netip.AddrFrom4([4]byte{203, 0, 113, byte(1 + i/2)})
		if i%2 == 1 {
			to = netip.AddrFrom4([4]byte{198, 51, 100, byte(1 + i/2)})
		}
		there := netflowtest.Record{
			Src: host, Dst: to, SrcPort: uint16(20000 + i), DstPort: 25, Proto: tcp, Flags: finished,
			Packets: 12, Bytes: 9000, Start: now, End: now.Add(time.Second),
		}
		switch i % 3 {
		case 1:
			there.Packets, there.Bytes = 9, 580
		case 2:
			there.Flags, there.Packets, there.Bytes = opening, 3, 180
		}
		records = append(records, there)
		if there.Flags == finished {
			back := there
			back.Src, back.Dst, back.SrcPort, back.DstPort = to, host, 25, there.SrcPort
			records = append(records, back)
		}
	}
	return records
}

// pass speaks the MTA's side of the milter protocol.
func (t *tour) pass(ctx context.Context, host netip.Addr) (changes []miltertest.Change, reply string, err error) {
	letter, err := transitLetter(time.Now())
	if err != nil {
		return nil, "", err
	}
	var client *miltertest.Client
	if err := t.wait(ctx, func(context.Context) (bool, error) {
		client, err = miltertest.Dial("unix", t.milterSocket(), 0, 0)
		return err == nil, nil
	}); err != nil {
		return nil, "", err
	}
	defer client.Close()
	if err := client.Macros('C', "j", "mx.example.net"); err != nil {
		return nil, "", err
	}
	if _, err := client.Connect("unknown", host.String(), 20000); err != nil {
		return nil, "", err
	}
	if _, err := client.Helo("smtp3.watches.example"); err != nil {
		return nil, "", err
	}
	answer, changes, err := client.Deliver(letter)
	reply = "“continue”"
	if answer.Refused() {
		reply = answer.Text
	}
	return changes, reply, err
}

// transitLetter is the sample as an MTA hands it over: lines end bare, the Received line of its own is not there yet.
func transitLetter(now time.Time) (m miltertest.Message, err error) {
	text, err := demo.Files.ReadFile("transit.eml")
	if err != nil {
		return m, err
	}
	mail, err := fillTimes("transit.eml", text, now)
	if err != nil {
		return m, err
	}
	m = miltertest.Message{From: "marketing44@watches.example", To: []string{"reader@example.net"}, QueueID: "4fTRANSIT"}
	header, body, _ := message.ReadHeader(mail, message.DefaultLimits())
	m.Body = body
	for _, f := range header.Fields {
		_, value, _ := strings.Cut(string(f.Raw), ":")
		value = strings.ReplaceAll(strings.TrimSuffix(value, "\r\n"), "\r\n", "\n")
		m.Header = append(m.Header, [2]string{f.Name, strings.TrimPrefix(value, " ")})
	}
	return m, nil
}

// checkTransit says what of the milter's work is missing.
func checkTransit(changes []miltertest.Change) (wrong []string) {
	for _, want := range []miltertest.Change{
		{Code: 'm', Name: "X-Spoor-Origin"}, {Code: 'i', Name: "X-Spam-Flag", Value: "YES"},
		{Code: 'i', Name: "X-Spoor-Origin", Value: "ip=" + transitHost + "; hop=0"}, {Code: 'i', Name: "X-Spoor-Findings", Value: "listed=+"},
	} {
		found := false
		for _, c := range changes {
			found = found || c.Code == want.Code && c.Name == want.Name && strings.Contains(c.Value, want.Value)
		}
		if !found {
			wrong = append(wrong, fmt.Sprintf("the milter did not do %c %s %s", want.Code, want.Name, want.Value))
		}
	}
	return wrong
}
