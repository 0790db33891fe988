package outside

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"
	"golang.org/x/net/dns/dnsmessage"

	"spoor/registry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var t0 = time.Date(2026, 10, 1, 8, 0, 0, 0, time.UTC)

// clock is a time that a test moves.
type clock struct{ at atomic.Int64 }

func (c *clock) now() time.Time          { return t0.Add(time.Duration(c.at.Load())) }
func (c *clock) forward(d time.Duration) { c.at.Add(int64(d)) }

func config(sources ...string) registry.OutsideConfig {
	c := registry.DefaultConfig().Outside
	c.Sources, c.WhoisServer, c.RDAPBootstrap = sources, "", ""
	c.Timeout = registry.Duration(5 * time.Second)
	return c
}

const rdapAnswer = `{"objectClassName":"ip network","startAddress":"203.0.113.0","endAddress":"203.0.113.255","name":"TEST-NET",
"cidr0_cidrs":[{"v4prefix":"203.0.113.0","length":24}],
"entities":[{"roles":["registrant"],"vcardArray":["vcard",[["version",{},"text","4.0"],["fn",{},"text","Some Operator"]]],
 "entities":[{"roles":["abuse"],"vcardArray":["vcard",[["version",{},"text","4.0"],["email",{},"text","abuse@operator.example"],["tel",{},"uri","tel:+1"]]]}]}]}`

// rdapServer serves a bootstrap that names itself, and answers with what answer gives.
func rdapServer(t *testing.T, answer func(w http.ResponseWriter, r *http.Request)) (*httptest.Server, *atomic.Int64) {
	t.Helper()
	var asked atomic.Int64
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".json") {
			fmt.Fprintf(w, `{"services":[[["203.0.0.0/8"],["%s/"]],[["2001:db8::/32"],["%s"]],[["9.0.0.0/8"],["ftp://x"]],["odd"]]}`, s.URL, s.URL)
			return
		}
		asked.Add(1)
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s, &asked
}

func TestRDAP(t *testing.T) {
	down := false
	s, asked := rdapServer(t, func(w http.ResponseWriter, r *http.Request) {
		if down {
			http.Error(w, "down", http.StatusInternalServerError)
			return
		}
		if r.URL.Path == "/ip/203.0.113.77" {
			http.Redirect(w, r, "/ip/203.0.113.0/24", http.StatusFound)
			return
		}
		io.WriteString(w, rdapAnswer)
	})
	c := config("rdap")
	c.RDAPBootstrap = s.URL
	var now clock
	client := New(Deps{Config: c, Now: now.now})
	want := Finding{Prefix: netip.MustParsePrefix("203.0.113.0/24"), Org: "Some Operator", Abuse: []string{"abuse@operator.example"}}
	opts := cmp.Options{cmpopts.IgnoreFields(Finding{}, "Source", "Asked", "Stale"), cmpopts.EquateComparable(netip.Prefix{})}
	lookup := func(addr string) Finding {
		t.Helper()
		f, err := client.Lookup(context.Background(), netip.MustParseAddr(addr))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, f, opts); diff != "" {
			t.Error(diff)
		}
		return f
	}
	lookup("203.0.113.77")
	n := asked.Load()
	lookup("203.0.113.1") // of the same prefix
	if asked.Load() != n {
		t.Error("an address of a known prefix is asked about again")
	}
	down = true
	now.forward(25 * time.Hour)
	if f := lookup("203.0.113.1"); !f.Stale {
		t.Error("an old answer is not marked as stale")
	}
	if _, err := client.Lookup(context.Background(), netip.MustParseAddr("203.9.9.9")); err == nil {
		t.Error("a server that is down gives an answer")
	}
	n = asked.Load()
	if _, err := client.Lookup(context.Background(), netip.MustParseAddr("203.9.9.9")); !errors.Is(err, ErrNothing) || asked.Load() != n {
		t.Errorf("a failure is not remembered: %v", err)
	}
}

func TestPrivateSpaceIsNeverAsked(t *testing.T) {
	s, asked := rdapServer(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, rdapAnswer) })
	c := config("rdap")
	c.RDAPBootstrap = s.URL
	client := New(Deps{Config: c})
	for _, addr := range []string{"10.1.2.3", "172.16.0.1", "192.168.1.1", "100.64.0.1", "127.0.0.1", "169.254.1.1", "224.0.0.1", "0.0.0.0", "255.255.255.255",
		"198.18.0.1", "240.0.0.1", "::1", "::", "fe80::1", "fc00::1", "ff02::1", "::ffff:10.0.0.1", "fe80::1%eth0"} {
		if _, err := client.Lookup(context.Background(), netip.MustParseAddr(addr)); !errors.Is(err, ErrPrivate) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if asked.Load() != 0 {
		t.Errorf("%d questions", asked.Load())
	}
}

// TestReferralsStayOutside: an answer may not send us to servers inside.
func TestReferralsStayOutside(t *testing.T) {
	inside, asked := rdapServer(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, rdapAnswer) })
	port := inside.Listener.Addr().(*net.TCPAddr).Port
	s, _ := rdapServer(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, fmt.Sprintf("http://127.0.0.2:%d/ip/1", port), http.StatusFound)
	})
	c := config("rdap")
	c.RDAPBootstrap = s.URL // on 127.0.0.1, which the configuration names
	_, err := New(Deps{Config: c}).Lookup(context.Background(), netip.MustParseAddr("203.0.113.1"))
	if !errors.Is(err, errInside) || asked.Load() != 0 {
		t.Errorf("%v, %d questions", err, asked.Load())
	}
}

func TestManyAskOnce(t *testing.T) {
	release := make(chan struct{})
	s, asked := rdapServer(t, func(w http.ResponseWriter, r *http.Request) {
		<-release
		io.WriteString(w, rdapAnswer)
	})
	c := config("rdap")
	c.RDAPBootstrap = s.URL
	client := New(Deps{Config: c})
	var wait sync.WaitGroup
	for range 20 {
		wait.Go(func() {
			if _, err := client.Lookup(context.Background(), netip.MustParseAddr("203.0.113.1")); err != nil {
				t.Error(err)
			}
		})
	}
	for range 5000 {
		if asked.Load() > 0 {
			break
		}
		time.Sleep(time.Millisecond) // until the first question is at the server
	}
	close(release)
	wait.Wait()
	if asked.Load() != 1 {
		t.Errorf("%d questions", asked.Load())
	}
}

func TestPace(t *testing.T) {
	s, asked := rdapServer(t, func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	c := config("rdap")
	c.RDAPBootstrap, c.PerMinute = s.URL, 5 // one of them for the bootstrap
	var now clock
	client := New(Deps{Config: c, Now: now.now})
	ask := func(n byte) error {
		_, err := client.Lookup(context.Background(), netip.AddrFrom4([4]byte{203, 0, 1, n}))
		return err
	}
	for i := range byte(20) {
		if err := ask(i); err == nil || (i >= 4) != errors.Is(err, errBusy) {
			t.Errorf("question %d: %v", i, err)
		}
	}
	if asked.Load() != 4 {
		t.Errorf("%d questions in one minute", asked.Load())
	}
	now.forward(time.Minute)
	if err := ask(100); errors.Is(err, errBusy) {
		t.Error("a minute later it is still too often")
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := config()
	c.CacheSize = 10
	cache := newCache(c, func() time.Time { return t0 })
	for i := range byte(100) {
		a := netip.AddrFrom4([4]byte{203, 0, i, 1})
		p, _ := a.Prefix(24)
		cache.put(a, Finding{Prefix: p})
		cache.get(netip.AddrFrom4([4]byte{203, 0, 0, 9})) // the first is used again and again
	}
	if cache.recent.Len() != 10 || cache.table.Size() != 10 {
		t.Errorf("%d and %d entries", cache.recent.Len(), cache.table.Size())
	}
	if _, state := cache.get(netip.MustParseAddr("203.0.0.9")); state != fresh {
		t.Error("the entry in use is gone")
	}
	cache.put(netip.MustParseAddr("198.51.100.1"), Finding{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Org: "everything"})
	if _, state := cache.get(netip.MustParseAddr("198.51.100.2")); state != absent {
		t.Error("one answer is taken for the whole Internet")
	}
}

// whoisServer answers every question with what answers has for it.
func whoisServer(t *testing.T, answer func(query string) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			_, _ = io.WriteString(conn, answer(strings.TrimSpace(line)))
			conn.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		wait.Wait()
	})
	return l.Addr().String()
}

func TestWhoisFollowsReferrals(t *testing.T) {
	rw := whoisServer(t, func(string) string {
		return "%rwhois V-1.5:003fff:00 h (x)\r\nnetwork:ID:1\r\nnetwork:IP-Network:203.0.113.64/26\r\nnetwork:Org-Name:Customer\r\nnetwork:Abuse-Contact;I:abuse@customer.example\r\n\r\n%ok\r\n"
	})
	regional := whoisServer(t, func(string) string {
		return "% Abuse contact for '203.0.113.0 - 203.0.113.255' is 'abuse@operator.example'\r\n\r\ninetnum:  203.0.113.0 - 203.0.113.255\r\nnetname: OPERATOR\r\nReferralServer: rwhois://" + rw + "/auth-area=203.0.113.0/24\r\n"
	})
	loop := ""
	root := whoisServer(t, func(q string) string {
		if q == "203.0.114.1" {
			return "inetnum: 203.0.114.0 - 203.0.114.255\nabuse-mailbox: a@loop.example\nrefer: whois://" + loop + "\n"
		}
		return "% IANA\n\nrefer: whois://" + regional + "\n\ninetnum: 203.0.0.0 - 203.255.255.255\norganisation: X\n"
	})
	loop = root
	c := config("whois")
	c.WhoisServer = root
	client := New(Deps{Config: c})
	f, err := client.Lookup(context.Background(), netip.MustParseAddr("203.0.113.70"))
	if err != nil || f.Org != "Customer" || f.Prefix.String() != "203.0.113.64/26" || !cmp.Equal(f.Abuse, []string{"abuse@customer.example"}) || f.Source != "rwhois "+rw {
		t.Errorf("%+v, %v", f, err)
	}
	f, err = client.Lookup(context.Background(), netip.MustParseAddr("203.0.114.1"))
	if err != nil || f.Abuse[0] != "a@loop.example" {
		t.Errorf("a loop of referrals: %+v, %v", f, err)
	}
	c = config("rwhois")
	c.RWhoisServer = rw
	if f, err := New(Deps{Config: c}).Lookup(context.Background(), netip.MustParseAddr("203.0.113.70")); err != nil || f.Org != "Customer" {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestParseWhois(t *testing.T) {
	tests := []struct{ name, text, prefix, org, abuse, next string }{
		{"arin", "NetRange:       203.0.113.0 - 203.0.113.255\nCIDR: 203.0.113.0/24\nNetName: NET\n\nOrgName: Operator\n\nOrgAbuseEmail:  abuse@operator.example\n",
			"203.0.113.0/24", "NET", "abuse@operator.example", ""},
		{"most specific", "inetnum: 203.0.0.0/16\norg-name: Wide\nabuse-mailbox: wide@x.example\n\ninetnum: 203.0.113.0/25\norg-name: Narrow\nabuse-mailbox: narrow@x.example\n",
			"203.0.113.0/25", "Narrow", "narrow@x.example", ""},
		{"another network", "inetnum: 198.51.100.0/24\nabuse-mailbox: not@x.example\n", "", "", "", ""},
		{"hostile", "abuse-mailbox: a@b.example\x00\r\nabuse-mailbox: <script>@x\nabuse-mailbox: x y@z.example\nrefer: \norg-name: a\u2028b\n", "", "a b", "", ""},
		{"root referral", "%referral rwhois://root.example:4321/auth-area=.\n%ok\n", "", "", "", ""},
		{"referral", "%referral rwhois://h.example:4321/auth-area=203.0.113.0/24\n", "", "", "", "rwhois://h.example:4321/auth-area=203.0.113.0/24"},
	}
	for _, tt := range tests {
		f, next, err := parseWhois(strings.NewReader(tt.text), netip.MustParseAddr("203.0.113.7"))
		prefix := ""
		if f.Prefix.IsValid() {
			prefix = f.Prefix.String()
		}
		if err != nil || prefix != tt.prefix || f.Org != tt.org || strings.Join(f.Abuse, " ") != tt.abuse || next != tt.next {
			t.Errorf("%s: %+v, %q, %v", tt.name, f, next, err)
		}
	}
}

// FuzzWhois: whatever a server says, what is taken from it fits in a line and is about
// the address.
func FuzzWhois(f *testing.F) {
	for _, s := range []string{"inetnum: 203.0.113.0 - 203.0.113.255\nabuse-mailbox: a@b.example\n", "%referral x\n", "network:IP-Network:203.0.113.0/24\n", "% Abuse contact for 'x' is 'y'\n"} {
		f.Add(s)
	}
	addr := netip.MustParseAddr("203.0.113.7")
	f.Fuzz(func(t *testing.T, s string) {
		found, next, err := parseWhois(strings.NewReader(s), addr)
		if err != nil {
			return
		}
		if found.Prefix.IsValid() && !found.Prefix.Contains(addr) {
			t.Errorf("prefix %s", found.Prefix)
		}
		if strings.ContainsAny(found.Org+strings.Join(found.Abuse, "")+next, "\r\n") {
			t.Errorf("%+v", found)
		}
	})
}

// TestDNS asks a name server of our own.
func TestDNS(t *testing.T) {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	wait.Go(func() {
		serveTXT(conn, "7.113.0.203.abuse.example.", "abuse@operator.example, second@operator.example")
	})
	t.Cleanup(func() {
		conn.Close()
		wait.Wait()
	})
	c := config("dns")
	c.DNSZone, c.DNSServer = "abuse.example", conn.LocalAddr().String()
	client := New(Deps{Config: c})
	f, err := client.Lookup(context.Background(), netip.MustParseAddr("203.0.113.7"))
	if err != nil || !cmp.Equal(f.Abuse, []string{"abuse@operator.example", "second@operator.example"}) || f.Prefix.String() != "203.0.113.7/32" {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := client.Lookup(context.Background(), netip.MustParseAddr("203.0.113.8")); !errors.Is(err, ErrNothing) {
		t.Errorf("an address without a record: %v", err)
	}
	if got := reversed(netip.MustParseAddr("2001:db8::1")); got != "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2" {
		t.Errorf("reversed IPv6 address %s", got)
	}
}

func serveTXT(conn *net.UDPConn, name, text string) {
	buf := make([]byte, 4096)
	for {
		n, peer, err := conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buf[:n]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Header.Response, m.Additionals = true, nil
		if q := m.Questions[0]; strings.EqualFold(q.Name.String(), name) && q.Type == dnsmessage.TypeTXT {
			m.Answers = []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 60}, Body: &dnsmessage.TXTResource{TXT: []string{text}}}}
		} else {
			m.Header.RCode = dnsmessage.RCodeNameError
		}
		if out, err := m.Pack(); err == nil {
			_, _ = conn.WriteToUDPAddrPort(out, peer)
		}
	}
}
