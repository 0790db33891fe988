package notify

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"
	"golang.org/x/text/unicode/norm"
)

// A Redactor removes from text what names complainants, traps and third parties: their addresses in any
// spelling, their domains, their hosts' IP addresses, and tokens that may hide them.
type Redactor struct {
	open    bool     // nothing is hidden: our own people read it
	secrets []string // lower case, longest first
	keepIP  func(netip.Addr) bool
	keep    []string // domains that belong to the receiver of the text
}

// gone stands where something was removed.
const gone = "[removed]"

// NewRedactor removes every secret in whatever spelling. Mail addresses and names below keep belong to the
// receiver and stay; so do IP addresses for which keepIP is true.
func NewRedactor(secrets, keep []string, keepIP func(netip.Addr) bool) *Redactor {
	r := &Redactor{keepIP: keepIP}
	for _, domain := range keep {
		if domain = strings.Trim(strings.ToLower(domain), "."); domain != "" {
			r.keep = append(r.keep, domain)
		}
	}
	for _, s := range secrets {
		r.addSecret(s)
	}
	slices.SortFunc(r.secrets, func(a, b string) int { return len(b) - len(a) })
	r.secrets = slices.Compact(r.secrets)
	return r
}

// minSecret is the shortest text that is looked for within words; shorter ones, down to minName, are looked for
// as words of their own, since they would tear others apart.
const (
	minSecret = 4
	minName   = 3
)

func (r *Redactor) addSecret(s string) {
	s = strings.ToLower(strings.Trim(strings.TrimSpace(s), "<>"))
	if len(s) < minName || len(s) > 320 || r.kept(s) {
		return
	}
	if len(s) < minSecret {
		r.secrets = append(r.secrets, s)
		return
	}
	r.secrets = append(r.secrets, s, hex.EncodeToString([]byte(s)), rot13(s), reverse(s))
	r.secrets = append(r.secrets, hashes(s)...)
	local, domain, isAddress := strings.Cut(s, "@")
	if !isAddress {
		return
	}
	r.secrets = append(r.secrets, local+"="+domain, local+"%40"+domain, local+" at "+domain)
	if !common[local] && len(local) >= minSecret {
		r.secrets = append(r.secrets, local)
		r.secrets = append(r.secrets, hashes(local)...)
	}
	r.addDomain(domain)
}

// addDomain hides the reporter's own hosts; the names of the great mailbox providers tell nobody apart.
func (r *Redactor) addDomain(domain string) {
	if domain == "" || r.kept("x@"+domain) || providers[domain] {
		return
	}
	r.secrets = append(r.secrets, domain)
	if org, err := publicsuffix.EffectiveTLDPlusOne(domain); err == nil && !providers[org] && !r.kept("x@"+org) {
		r.secrets = append(r.secrets, org)
	}
}

var common = map[string]bool{"abuse": true, "info": true, "postmaster": true, "admin": true, "webmaster": true, "mail": true,
	"root": true, "support": true, "spam": true, "noreply": true, "no-reply": true, "security": true, "office": true, "contact": true, "user": true, "test": true}

var providers = map[string]bool{"gmail.com": true, "googlemail.com": true, "outlook.com": true, "hotmail.com": true, "yahoo.com": true,
	"icloud.com": true, "aol.com": true, "gmx.net": true, "gmx.de": true, "web.de": true, "qq.com": true, "163.com": true, "126.com": true, "mail.ru": true}

func hashes(s string) []string {
	m, a, b := md5.Sum([]byte(s)), sha1.Sum([]byte(s)), sha256.Sum256([]byte(s))
	return []string{hex.EncodeToString(m[:]), hex.EncodeToString(a[:]), hex.EncodeToString(b[:])}
}

func rot13(s string) string {
	return strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' {
			return 'a' + (c-'a'+13)%26
		}
		return c
	}, s)
}

func reverse(s string) string {
	runes := []rune(s)
	slices.Reverse(runes)
	return string(runes)
}

// kept reports whether s is an address or a name of the text's own receiver.
func (r *Redactor) kept(s string) bool {
	domain := s[strings.LastIndex(s, "@")+1:]
	return slices.ContainsFunc(r.keep, func(k string) bool { return domain == k || strings.HasSuffix(domain, "."+k) })
}

var (
	// An address with its sign in any of the spellings that hide it from harvesters.
	addressPattern = regexp.MustCompile(`(?i)[\p{L}\p{N}.!#$%&'*+/=?^_{|}~-]{1,64}\s?(?:@|＠|﹫|%40|%2540|=40|&#0*64;|&#x0*40;|&commat;|\(at\)|\[at\]|\{at\}|<at>|\s+at\s+)\s?[\p{L}\p{N}-]{1,63}(?:(?:\.|%2e|\s?(?:\(dot\)|\[dot\]|\[\.\])\s?|\s+dot\s+)[\p{L}\p{N}-]{1,63})+`)
	urlPattern     = regexp.MustCompile(`(?i)\b(?:h(?:tt|xx)ps?|ftp)(?::|%3a)(?:/|%2f){2}[^\s<>"']+`)
	tokenPattern   = regexp.MustCompile(`[A-Za-z0-9+/_-]{16,}={0,2}`)
	ipv4Pattern    = regexp.MustCompile(`\d{1,3}(?:\.\d{1,3}){3}`)
	ipv6Pattern    = regexp.MustCompile(`(?i)(?:[0-9a-z]{0,6}:){2,9}[0-9a-f]{0,4}(?:\.\d{1,3}){0,3}`)
	forPattern     = regexp.MustCompile(`(?i)\s+for\s+(?:<[^>]*>|\S+@\S+)`)
)

// maxLine bounds one line of evidence in a notice.
const maxLine = 1000

// Line returns one line of evidence as its receiver may see it.
func (r *Redactor) Line(s string) string {
	if len(s) > maxLine {
		s = strings.ToValidUTF8(s[:maxLine], "") + "…"
	}
	s = visible(s)
	if r.open {
		return urlPattern.ReplaceAllStringFunc(s, Defang)
	}
	s = urlPattern.ReplaceAllStringFunc(s, r.url)
	s = addressPattern.ReplaceAllStringFunc(s, r.address)
	s = r.hide(s)
	s = tokenPattern.ReplaceAllStringFunc(s, r.token)
	s = ipv6Pattern.ReplaceAllStringFunc(s, r.ip)
	return ipv4Pattern.ReplaceAllStringFunc(s, r.ip)
}

// visible removes what does not show: controls, and the marks that split a word without being seen. Compatibility
// forms become plain letters, so that a full-width address is found too.
func visible(s string) string {
	return strings.Map(func(c rune) rune {
		switch {
		case c == utf8.RuneError, unicode.Is(unicode.Cf, c), c == 0xad, unicode.IsControl(c) && c != '\t':
			return -1
		case c == '\t':
			return ' '
		}
		return c
	}, norm.NFKC.String(strings.ToValidUTF8(s, "")))
}

func (r *Redactor) address(found string) string {
	plain := strings.ToLower(found)
	if at := strings.LastIndexByte(plain, '@'); at > 0 && r.kept(plain) && !r.holds(plain) {
		return found
	}
	return "[address removed]"
}

// hide replaces every secret, ignoring case.
func (r *Redactor) hide(s string) string {
	lower := strings.ToLower(s)
	if len(lower) != len(s) { // a letter changed its length: positions no longer fit, so show it in lower case
		s = lower
	}
	for _, secret := range r.secrets {
		for from := 0; ; {
			at := strings.Index(lower[from:], secret)
			if at < 0 {
				break
			}
			at += from
			if len(secret) < minSecret && !isWord(lower, at, len(secret)) {
				from = at + len(secret)
				continue
			}
			s = s[:at] + gone + s[at+len(secret):]
			lower = lower[:at] + gone + lower[at+len(secret):]
			from = at + len(gone)
		}
	}
	return s
}

// isWord reports whether no letter or digit stands beside s[at : at+n].
func isWord(s string, at, n int) bool {
	before, _ := utf8.DecodeLastRuneInString(s[:at])
	after, _ := utf8.DecodeRuneInString(s[at+n:])
	inside := func(c rune) bool { return c != utf8.RuneError && (unicode.IsLetter(c) || unicode.IsDigit(c)) }
	return !inside(before) && !inside(after)
}

func (r *Redactor) holds(lower string) bool {
	return slices.ContainsFunc(r.secrets, func(secret string) bool {
		at := strings.Index(lower, secret)
		return at >= 0 && (len(secret) >= minSecret || isWord(lower, at, len(secret)))
	})
}

// token removes a run of letters that decodes to something secret.
func (r *Redactor) token(found string) string {
	for _, text := range decodings(found) {
		lower := strings.ToLower(text)
		if r.holds(lower) || strings.Contains(lower, "@") && addressPattern.MatchString(lower) {
			return gone
		}
	}
	return found
}

// decodings tries base64 from each of its four phases, since the token may begin with a prefix, and hexadecimal.
func decodings(s string) (texts []string) {
	plain := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(s), "=")
	for skip := range 4 {
		if skip >= len(plain) {
			break
		}
		if text, err := base64.RawStdEncoding.DecodeString(trimQuad(plain[skip:])); err == nil {
			texts = append(texts, string(text))
		}
	}
	for skip := range 2 {
		if hexed := strings.TrimLeft(s[min(skip, len(s)):], "="); len(hexed) > 1 {
			if text, err := hex.DecodeString(hexed[:len(hexed)&^1]); err == nil {
				texts = append(texts, string(text))
			}
		}
	}
	return texts
}

// trimQuad cuts a run whose length base64 never has.
func trimQuad(s string) string {
	if len(s)%4 == 1 {
		return s[:len(s)-1]
	}
	return s
}

// url defangs a link. Only the receiver's own keep their path, and none keeps its query: it often names whom it was sent to.
func (r *Redactor) url(found string) string {
	u, err := url.Parse(strings.Replace(strings.Replace(found, "hxxp", "http", 1), "[.]", ".", -1))
	if err != nil || u.Host == "" {
		return "[link removed]"
	}
	host := strings.ToLower(u.Hostname())
	if r.holds(host) {
		return "[link removed]"
	}
	path := ""
	if ip, err := netip.ParseAddr(host); r.kept(host) || err == nil && r.keepIP != nil && r.keepIP(ip) {
		path = r.path(u.EscapedPath())
	} else if len(u.Path) > 1 || u.RawQuery != "" {
		path = "/…"
	}
	if u.RawQuery != "" && path != "/…" {
		path += "?…"
	}
	return defangScheme(u.Scheme) + "://" + strings.ReplaceAll(host, ".", "[.]") + path
}

func (r *Redactor) path(path string) string {
	plain, err := url.PathUnescape(path)
	if err != nil || r.holds(strings.ToLower(plain)) || addressPattern.MatchString(plain) {
		return "/" + gone
	}
	return tokenPattern.ReplaceAllStringFunc(path, r.token)
}

func defangScheme(s string) string {
	return strings.Replace(strings.ToLower(s), "tt", "xx", 1)
}

// Defang makes a link unclickable without hiding anything.
func Defang(link string) string {
	scheme, rest, ok := strings.Cut(link, "://")
	if !ok {
		return strings.ReplaceAll(link, ".", "[.]")
	}
	host, path, slash := strings.Cut(rest, "/")
	if slash {
		path = "/" + path
	}
	return defangScheme(scheme) + "://" + strings.ReplaceAll(host, ".", "[.]") + path
}

func (r *Redactor) ip(found string) string {
	prefix, rest := "", found
	ip, err := netip.ParseAddr(rest)
	for err != nil { // "IPv6:2001:db8::1" and "at:2001:db8::1": what stands before may look like a group
		group, after, ok := strings.Cut(rest, ":")
		if !ok || after == "" {
			return found
		}
		prefix, rest = prefix+group+":", after
		ip, err = netip.ParseAddr(rest)
	}
	return prefix + r.shownIP(rest, ip.Unmap())
}

func (r *Redactor) shownIP(text string, ip netip.Addr) string {
	if ip.IsPrivate() || ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || r.keepIP != nil && r.keepIP(ip) {
		return text
	}
	return "[IP removed]"
}
