package maillog

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// writeLog writes a Postfix log of about size bytes, as a busy MX has it: three in four sessions end in a
// message, of which some are deferred; the others are refused. It returns how many messages and refusals there are.
func writeLog(t testing.TB, path string, size int) (messages, refusals int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	var b bytes.Buffer
	at := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)
	for n := 0; b.Len() < size; n++ {
		at = at.Add(time.Duration(rng.IntN(40)) * time.Millisecond)
		stamp := at.Format("Jan _2 15:04:05") + " mx1 postfix/"
		peer := netip.AddrFrom4([4]byte{198, byte(18 + rng.IntN(2)), byte(rng.IntN(80)), byte(rng.IntN(256))}).String()
		id := fmt.Sprintf("%010X", n)
		pid := "[" + strconv.Itoa(1000+n%200) + "]: "
		fmt.Fprintf(&b, "%ssmtpd%sconnect from host%d.example.org[%s]\n", stamp, pid, n%5000, peer)
		if rng.IntN(4) == 0 {
			refusals++
			fmt.Fprintf(&b, "%ssmtpd%sNOQUEUE: reject: RCPT from unknown[%s]: 554 5.7.1 <u%d@example.net>: Relay access denied; from=<s%d@d%d.example> to=<u%d@example.net> proto=ESMTP helo=<host%d>\n",
				stamp, pid, peer, n, n, n%3000, n, n%900)
		} else {
			messages++
			fmt.Fprintf(&b, "%ssmtpd%s%s: client=host%d.example.org[%s]\n", stamp, pid, id, n%5000, peer)
			fmt.Fprintf(&b, "%scleanup%s%s: message-id=<%d.%s@host%d.example.org>\n", stamp, pid, id, n, id, n%5000)
			fmt.Fprintf(&b, "%sqmgr[99]: %s: from=<s%d@d%d.example>, size=%d, nrcpt=1 (queue active)\n", stamp, id, n, n%3000, 900+rng.IntN(90000))
			status := "sent (250 2.0.0 Ok: queued as " + id + ")"
			if rng.IntN(20) == 0 {
				status = "deferred (connect to mail.example.com[192.0.2.9]:25: Connection timed out)"
			}
			fmt.Fprintf(&b, "%ssmtp%s%s: to=<u%d@example.com>, relay=mail.example.com[192.0.2.9]:25, delay=0.4, delays=0.1/0/0.1/0.2, dsn=2.0.0, status=%s\n", stamp, pid, id, n, status)
			fmt.Fprintf(&b, "%sqmgr[99]: %s: removed\n", stamp, id)
		}
		fmt.Fprintf(&b, "%ssmtpd%sdisconnect from host%d.example.org[%s] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5\n", stamp, pid, n%5000, peer)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return messages, refusals
}

const benchSize = 128 << 20

// BenchmarkRead reads a log of 128 MB with all that a Tally keeps.
func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "mail.log")
	messages, refusals := writeLog(b, path, benchSize)
	for _, workers := range []int{1, 0} {
		b.Run(map[int]string{0: "AllCores", 1: "OneParser"}[workers], func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				report := tallyOf(b, Options{Zone: time.UTC, Workers: workers}, path)
				if report.Total.Messages != int64(messages) || report.Total.Rejected != int64(refusals) {
					b.Fatalf("%d messages and %d refusals, want %d and %d", report.Total.Messages, report.Total.Rejected, messages, refusals)
				}
			}
		})
	}
}

// naive is what an administrator would type: messages, recipients, bytes and refusals per client address, joined
// by queue id, and no more.
const naive = `
/client=/   { split($0, p, "[][]"); id = $6; addr[id] = p[4] }
/qmgr.*from=/ { id = $6; if (id in addr && !(id in seen)) { seen[id] = 1; msgs[addr[id]]++
                if (match($0, /size=[0-9]+/)) bytes[addr[id]] += substr($0, RSTART+5, RLENGTH-5)
                if (match($0, /nrcpt=[0-9]+/)) rcpts[addr[id]] += substr($0, RSTART+6, RLENGTH-6) } }
/status=deferred/ { late[addr[$6]]++ }
/NOQUEUE: reject/ { split($0, p, "[][]"); rej[p[4]]++ }
END { for (a in msgs) m += msgs[a]; for (a in rej) r += rej[a]; print m, r }`

// BenchmarkAgainstAwk runs the same file through awk. pflogsumm, where it is installed, does much more in Perl.
func BenchmarkAgainstAwk(b *testing.B) {
	awk, err := exec.LookPath("awk")
	if err != nil {
		b.Skip("needs awk")
	}
	path := filepath.Join(b.TempDir(), "mail.log")
	const size = 64 << 20
	messages, refusals := writeLog(b, path, size)
	var ours, theirs time.Duration
	for b.Loop() {
		begin := time.Now()
		tallyOf(b, Options{Zone: time.UTC}, path)
		ours += time.Since(begin)
		begin = time.Now()
		cmd := exec.CommandContext(context.Background(), awk, naive, path)
		cmd.Env = append(os.Environ(), "LC_ALL=C")
		out, err := cmd.Output()
		theirs += time.Since(begin)
		if want := fmt.Sprintf("%d %d", messages, refusals); err != nil || strings.TrimSpace(string(out)) != want {
			b.Fatalf("awk counts %q (%v), want %q", out, err, want)
		}
	}
	ratio := theirs.Seconds() / ours.Seconds()
	b.ReportMetric(ratio, "ratio")
	fmt.Printf("ratio maillog-vs-awk %.2f\n", ratio)
}
