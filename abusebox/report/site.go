package report

import (
	"context"
	"net/netip"
	"sort"
	"strings"
	"time"

	"spoor/internal/message"
)

// addr is short for the type that every file here handles.
type addr = netip.Addr

// findURLs returns the web addresses of a text, at most n, without trailing punctuation.
func findURLs(s string, n int) []string {
	var out []string
	for at := 0; at < len(s) && len(out) < n; {
		i := strings.Index(s[at:], "://")
		if i < 0 {
			return out
		}
		i += at
		at = i + 3
		start := i
		for start > 0 && isAlpha(s[start-1]) {
			start--
		}
		switch strings.ToLower(s[start:i]) {
		case "http", "https", "ftp", "ftps":
		default:
			continue
		}
		end := at
		for end < len(s) && s[end] > ' ' && !strings.ContainsRune("<>\"'`|\\^", rune(s[end])) && s[end] < 0x7f {
			end++
		}
		u := strings.TrimRight(s[start:end], ".,;:!?)]}*")
		if len(u) > i-start+5 {
			out = append(out, u)
		}
		at = end
	}
	return out
}

// hostOf returns the host of a URL or of a bare host name, in lower case.
func hostOf(site string) string {
	s := site
	if i := strings.Index(s, "://"); i >= 0 {
		s = s[i+3:]
	}
	if i := strings.IndexAny(s, "/?# \t"); i >= 0 {
		s = s[:i]
	}
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		s = s[i+1:]
	}
	if strings.HasPrefix(s, "[") {
		if i := strings.IndexByte(s, ']'); i > 0 {
			return s[1:i]
		}
	}
	if i := strings.LastIndexByte(s, ':'); i >= 0 && strings.Count(s, ":") == 1 {
		s = s[:i]
	}
	return strings.ToLower(strings.TrimSuffix(s, "."))
}

// urlOnly returns s if it is a URL.
func urlOnly(s string) string {
	s = refang(strings.TrimSpace(s))
	if strings.Contains(s, "://") {
		return s
	}
	return ""
}

// domainOnly returns s if it is a host name and no address.
func domainOnly(s string) string {
	s = strings.ToLower(refang(strings.TrimSpace(s)))
	if !strings.Contains(s, ".") || strings.ContainsAny(s, " /:@") {
		return ""
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return ""
	}
	return s
}

// resolveSites looks up what has a site but no address, where that is configured.
func (d *document) resolveSites(ctx context.Context, reports []Report) []Report {
	if d.opt.Sites == nil {
		return reports
	}
	var out []Report
	for _, r := range reports {
		host := hostOf(r.Source)
		if r.IP.IsValid() || host == "" || r.Prefix.IsValid() {
			out = append(out, r)
			continue
		}
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		ips, err := d.opt.Sites(ctx, host)
		cancel()
		if err != nil || len(ips) == 0 {
			out = append(out, r)
			continue
		}
		for _, ip := range ips[:min(len(ips), 8)] {
			one := r
			one.IP = ip.Unmap()
			one.Confidence = Low
			one.Why = "looked up in the DNS for " + host + ", not stated in the mail"
			out = append(out, one)
		}
	}
	return out
}

func sortStrings(s []string) { sort.Strings(s) }

// limitText cuts a text at n bytes, between characters.
func limitText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "")
}

// rawText returns the text of the first text part as it was sent, HTML unread.
func rawText(p *message.Part) string {
	out := ""
	p.Walk(func(q *message.Part) bool {
		if out == "" && strings.HasPrefix(q.MediaType, "text/") && len(q.Children) == 0 {
			out = q.Text()
		}
		return out == "" && !q.IsMail()
	})
	return out
}
