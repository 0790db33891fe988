package trace

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spoor/internal/message"
)

// A way is one header of testdata/trace/ways.txt, with whom it is read for and
// what was to come out of it before it was read.
type way struct {
	name, header string
	o            Options
	// want is "STATUS ADDRESS HOP"; roles, senders and alts are checked where given.
	want, roles, senders, alts string
}

// readWays reads the file: "== name", then "opt" and "want" lines, then a header.
func readWays(t *testing.T) []way {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "testdata", "trace", "ways.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out []way
	for _, block := range strings.Split("\n"+string(b), "\n== ")[1:] {
		w := way{}
		w.name, block, _ = strings.Cut(block, "\n")
		for {
			line, rest, _ := strings.Cut(block, "\n")
			word, value, _ := strings.Cut(line, " ")
			switch word {
			case "opt":
				w.options(t, value)
			case "want":
				w.want = value
			case "roles":
				w.roles = value
			case "senders":
				w.senders = value
			case "alts":
				w.alts = value
			default:
				w.header = block
			}
			if w.header != "" {
				break
			}
			block = rest
		}
		out = append(out, w)
	}
	return out
}

func (w *way) options(t *testing.T, s string) {
	for _, f := range strings.Fields(s) {
		key, list, _ := strings.Cut(f, "=")
		values := strings.Split(list, ",")
		switch key {
		case "hosts":
			w.o.Hosts = values
		case "trust":
			w.o.TrustHosts = values
		case "nets":
			w.o.TrustNetworks = prefixes(values...)
		case "own":
			w.o.Networks = prefixes(values...)
		default:
			t.Fatalf("%s: option %s", w.name, f)
		}
	}
}

// The ways that mail takes through providers, filters, lists, forwarders and
// webmail, as their servers write them.
func TestWays(t *testing.T) {
	ways := readWays(t)
	for _, w := range ways {
		t.Run(w.name, func(t *testing.T) {
			h, _, _ := message.ReadHeader([]byte(w.header), message.DefaultLimits())
			r := NewTracer(w.o).Trace(h)
			got := fmt.Sprintf("%s - 0", r.Status)
			if r.Origin != nil {
				got = fmt.Sprintf("%s %s %d", r.Status, r.Origin.IP, r.Origin.Hop)
			}
			if got != w.want {
				t.Errorf("%s, want %s\n%+v", got, w.want, r.Boundary)
			}
			if roles := roleList(&r); w.roles != "" && roles != w.roles {
				t.Errorf("roles %q, want %q", roles, w.roles)
			}
			var senders, alts []string
			for _, s := range r.Sources {
				if s.Role == SourceSender {
					senders = append(senders, s.IP.String())
				}
			}
			if list := strings.Join(senders, " "); w.senders != "" && list != w.senders {
				t.Errorf("senders %q, want %q", list, w.senders)
			}
			for _, a := range r.Alternatives {
				alts = append(alts, a.IP.String())
			}
			if list := strings.Join(alts, " "); list != w.alts {
				t.Errorf("alternatives %q, want %q", list, w.alts)
			}
			for i := range r.Hops {
				hop := &r.Hops[i]
				if hop.Dialect == "unknown" {
					t.Errorf("hop %d has no dialect: %s", i, hop.Raw)
				}
				checkUsual(t, new(lineReader), hop.Raw)
			}
		})
	}
	t.Logf("%d ways", len(ways))
}
