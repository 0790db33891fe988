package trace

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"spoor/internal/message"
)

// corpusFile opens a file of the corpus beside the project, or skips.
func corpusFile(t testing.TB, name string) *bufio.Scanner {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "corpus", "received", name)
	f, err := os.Open(path)
	if err != nil {
		t.Skipf("no corpus: %v", err)
	}
	t.Cleanup(func() { f.Close() })
	s := bufio.NewScanner(f)
	s.Buffer(nil, 4<<20)
	return s
}

// A corpusLine is one Received line with what its source says about it.
type corpusLine struct {
	ID       string `json:"id"`
	Headers  string `json:"headers"`
	Expected []struct {
		IP    string `json:"ip"`
		Name  string `json:"from_name"`
		RDNS  string `json:"rdns"`
		HELO  string `json:"helo"`
		By    string `json:"by"`
		For   string `json:"for"`
		With  string `json:"with"`
		ID    string `json:"id"`
		Ident string `json:"ident"`
		Date  string `json:"date"`
	} `json:"expected"`
}

// disputed are the expectations of lines.jsonl that its own line contradicts,
// by line and field, with the reason.
var disputed = map[string]string{
	"007 ident": "the login of the AUTH comment, cut at a slash; it is in auth",
	"014 date":  "Feb 07 10:18:12 2003 is no year 1910", "090 date": "year 03 is 2003 (RFC 5322 §4.3)", "091 date": "year 04 is 2004",
	"118 date": "Nov 13 14:50:12 2005 is no year 1914", "119 date": "as 118", "129 date": "year 03 is 2003", "152 date": "as 118; EDT is -0400",
	"145 date": "07:53:55.516 has seconds", "068 date": "PST is -0800 (RFC 5322 §4.3)", "164 date": "PDT is -0700 (RFC 5322 §4.3)",
	"029 id": "cut at a slash", "030 id": "cut at a slash", "031 id": "cut at a slash", "040 ident": "cut at a slash", "117 ident": "cut at a slash",
	"051 ident": "the answer is what stands before @; the host is the rDNS", "066 ident": "taken from the envelope sender",
	"065 ident": "the answer is what stands before @; the address is the peer's", "087 ident": "as 065", "088 ident": "as 065", "098 ident": "as 065", "120 ident": "as 065",
	"121 ident": "as 051", "127 ident": "as 051", "130 ident": "as 051", "152 ident": "the HELO's address, no answer of an IDENT server",
	"055 rdns": "unknown.domain says that there is none",
	"032 name": "a local user, given as ident", "033 name": "as 032", "034 name": "as 032", "122 name": "as 032",
	"111 name": "nodnsquery says that the DNS was not asked",
	"124 by":   "by uid 7791 is no host; by alpha is", "126 name": "cut at a slash", "166 name": "from network is no name", "172 name": "from userid is no name",
}

func TestCorpusLines(t *testing.T) {
	s := corpusFile(t, "lines.jsonl")
	seen := map[string]bool{}
	for s.Scan() {
		var c corpusLine
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		h := ParseReceived([]byte(strings.TrimRight(c.Headers, "\r\n")))
		n := strings.TrimPrefix(c.ID, "stalwart-")
		check := func(field, want string, got ...string) {
			for _, g := range got {
				if want == "" || strings.EqualFold(want, g) {
					return
				}
			}
			if disputed[n+" "+field] == "" {
				t.Errorf("%s %s: want %q, got %q\n\t%s", n, field, want, got, h.Raw)
			}
			seen[n+" "+field] = true
		}
		e := c.Expected[0]
		ip := addrText(h.IP)
		check("ip", strings.TrimPrefix(e.IP, "::ffff:"), ip)
		check("rdns", strings.TrimSuffix(e.RDNS, "."), h.RDNS)
		check("helo", e.HELO, h.HELO)
		check("by", e.By, h.By)
		check("for", e.For, h.For)
		check("with", e.With, h.With)
		check("id", e.ID, h.ID)
		check("ident", e.Ident, h.Ident)
		if e.Name != "unknown" {
			check("name", e.Name, h.HELO, h.RDNS, ip)
		}
		zone := offsetText(h.Date.Offset)
		local := h.Date.Time.Add(time.Duration(h.Date.Offset) * time.Second)
		check("date", strings.Replace(e.Date, "-00:00", "+00:00", 1), local.Format("2006-01-02T15:04:05")+zone[:3]+":"+zone[3:])
	}
	for k := range disputed {
		if !seen[k] {
			t.Errorf("%s is no longer disputed", k)
		}
	}
}

// A corpusPath is one header with the address at which it came in.
type corpusPath struct {
	ID      string `json:"id"`
	Headers string `json:"headers"`
	Config  struct {
		Suffix []string `json:"trusted_by_suffix"`
		Exact  []string `json:"trusted_by_exact"`
	} `json:"config"`
	IP  string `json:"injection_ip"`
	Hop int    `json:"hop_index"`
}

func TestCorpusPaths(t *testing.T) {
	s := corpusFile(t, "paths.jsonl")
	n, right := 0, 0
	for s.Scan() {
		var c corpusPath
		if err := json.Unmarshal(s.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		h, _, _ := message.ReadHeader([]byte(c.Headers), message.DefaultLimits())
		r := NewTracer(Options{TrustHosts: c.Config.Suffix}).Trace(h)
		exact := NewTracer(Options{TrustHosts: append(c.Config.Exact, c.Config.Suffix...)}).Trace(h)
		if r.Origin != nil && (exact.Origin == nil || exact.Origin.IP != r.Origin.IP) {
			t.Errorf("%s: with the exact names the origin is %+v", c.ID, exact.Origin)
		}
		n++
		got := ""
		if r.Origin != nil {
			got = r.Origin.IP.String()
		}
		if got == c.IP {
			right++
			continue
		}
		t.Errorf("%s: want %s, got %s (%s)", c.ID, c.IP, got, r.Status)
	}
	t.Logf("%d of %d origins", right, n)
}
