package outside

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/gaissmai/bart"
)

// Bounds of what is read from RDAP servers.
const (
	maxBootstrap = 4 << 20
	maxRDAP      = 1 << 20
	maxEntities  = 100
	maxNesting   = 4
	maxRedirects = 4
)

// rdapClient asks RDAP servers (RFC 9082), which it finds by the bootstrap (RFC 9224).
type rdapClient struct {
	c    *Client
	http *http.Client
	mu   sync.Mutex
	boot map[bool]*bootstrap // by whether for IPv4
}

type bootstrap struct {
	servers *bart.Table[string]
	until   time.Time
}

func newRDAP(c *Client) *rdapClient {
	r := &rdapClient{c: c, boot: map[bool]*bootstrap{}}
	r.http = &http.Client{
		Transport: &http.Transport{DialContext: c.dialer.DialContext, ResponseHeaderTimeout: c.deps.Config.Timeout.Std(),
			DisableKeepAlives: true, TLSHandshakeTimeout: c.deps.Config.Timeout.Std()},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return errors.New("too many redirects")
			}
			if !c.pace.take(r.URL.Host) {
				return errBusy
			}
			return nil
		},
	}
	return r
}

func (r *rdapClient) lookup(ctx context.Context, addr netip.Addr) (Finding, error) {
	base, err := r.server(ctx, addr)
	if err != nil {
		return Finding{}, err
	}
	body, err := r.get(ctx, strings.TrimSuffix(base, "/")+"/ip/"+addr.String(), maxRDAP)
	if err != nil {
		return Finding{}, err
	}
	f, err := parseRDAP(body)
	if err != nil {
		return Finding{}, err
	}
	f.Source = "rdap " + base
	return f, nil
}

// server finds the server for an address. A bootstrap that cannot be renewed is used on.
func (r *rdapClient) server(ctx context.Context, addr netip.Addr) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b := r.boot[addr.Is4()]
	if b == nil || r.c.deps.Now().After(b.until) {
		fresh, err := r.bootstrap(ctx, addr.Is4())
		switch {
		case err == nil:
			r.boot[addr.Is4()], b = fresh, fresh
		case b == nil:
			return "", fmt.Errorf("bootstrap: %w", err)
		}
	}
	base, ok := b.servers.Lookup(addr)
	if !ok {
		return "", fmt.Errorf("the bootstrap names no server for %s", addr)
	}
	return base, nil
}

func (r *rdapClient) bootstrap(ctx context.Context, is4 bool) (*bootstrap, error) {
	name := "ipv6.json"
	if is4 {
		name = "ipv4.json"
	}
	body, err := r.get(ctx, strings.TrimSuffix(r.c.deps.Config.RDAPBootstrap, "/")+"/"+name, maxBootstrap)
	if err != nil {
		return nil, err
	}
	var file struct {
		Services []json.RawMessage `json:"services"`
	}
	if err := json.Unmarshal(body, &file); err != nil {
		return nil, err
	}
	b := &bootstrap{servers: new(bart.Table[string]), until: r.c.deps.Now().Add(24 * time.Hour)}
	for _, raw := range file.Services {
		var s [][]string
		if json.Unmarshal(raw, &s) != nil || len(s) != 2 {
			continue // what we cannot use is no reason to do without the rest
		}
		base := preferTLS(s[1])
		for _, text := range s[0] {
			if p, err := netip.ParsePrefix(text); err == nil && base != "" {
				b.servers.Insert(p.Masked(), base)
			}
		}
	}
	if b.servers.Size() == 0 {
		return nil, errors.New("it names no server")
	}
	return b, nil
}

func preferTLS(urls []string) string {
	found := ""
	for _, u := range urls {
		parsed, err := url.Parse(u)
		if err != nil || parsed.Host == "" {
			continue
		}
		if parsed.Scheme == "https" {
			return u
		}
		if parsed.Scheme == "http" && found == "" {
			found = u
		}
	}
	return found
}

func (r *rdapClient) get(ctx context.Context, address string, limit int64) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if !r.c.pace.take(u.Host) {
		return nil, fmt.Errorf("%s: %w", u.Host, errBusy)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/rdap+json, application/json")
	resp, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answered %s", u.Host, resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err == nil && int64(len(body)) > limit {
		err = fmt.Errorf("%s answered with more than %d bytes", u.Host, limit)
	}
	return body, err
}

// rdapNetwork is what is used of an "ip network" object.
type rdapNetwork struct {
	Start    string       `json:"startAddress"`
	End      string       `json:"endAddress"`
	Name     string       `json:"name"`
	Entities []rdapEntity `json:"entities"`
	CIDRs    []struct {
		V4     string `json:"v4prefix"`
		V6     string `json:"v6prefix"`
		Length int    `json:"length"`
	} `json:"cidr0_cidrs"`
}

type rdapEntity struct {
	Roles    []string          `json:"roles"`
	VCard    []json.RawMessage `json:"vcardArray"`
	Entities []rdapEntity      `json:"entities"`
}

func parseRDAP(body []byte) (Finding, error) {
	var n rdapNetwork
	if err := json.Unmarshal(body, &n); err != nil {
		return Finding{}, fmt.Errorf("reading the answer: %w", err)
	}
	f := Finding{Org: n.Name, Prefix: spanned(n.Start, n.End)}
	for _, c := range n.CIDRs {
		a, err := netip.ParseAddr(c.V4 + c.V6)
		if err != nil || len(n.CIDRs) > 1 {
			continue
		}
		if p, err := a.Prefix(c.Length); err == nil {
			f.Prefix = p
		}
	}
	seen := 0
	collect(n.Entities, 0, &seen, &f)
	if !f.Prefix.IsValid() && len(f.Abuse) == 0 {
		return f, errors.New("the answer is about no network")
	}
	return f, nil
}

func collect(entities []rdapEntity, depth int, seen *int, f *Finding) {
	for _, e := range entities {
		if *seen++; *seen > maxEntities || depth > maxNesting {
			return
		}
		name, mails := card(e.VCard)
		for _, role := range e.Roles {
			if role == "abuse" {
				f.Abuse = append(f.Abuse, mails...)
			}
			if role == "registrant" && name != "" {
				f.Org = name
			}
		}
		collect(e.Entities, depth+1, seen, f)
	}
}

// card reads the name and mail addresses of a jCard (RFC 7095).
func card(v []json.RawMessage) (name string, mails []string) {
	if len(v) != 2 {
		return "", nil
	}
	var properties [][]json.RawMessage
	if json.Unmarshal(v[1], &properties) != nil {
		return "", nil
	}
	for _, p := range properties {
		var kind, value string
		if len(p) < 4 || json.Unmarshal(p[0], &kind) != nil || json.Unmarshal(p[3], &value) != nil {
			continue
		}
		switch kind {
		case "fn":
			name = oneLine(value)
		case "email":
			if m, ok := mailAddress(value); ok {
				mails = append(mails, m)
			}
		}
	}
	return name, mails
}
