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
// receiver and stay; so do IP addresses for which keepIP is true. Of others, who are neither complainant nor
// receiver of what was reported, only the address itself is hidden: their domain may be the accused side's.
func NewRedactor(secrets, keep []string, keepIP func(netip.Addr) bool, others ...string) *Redactor {
	r := &Redactor{keepIP: keepIP}
	for _, domain := range keep {
		if domain = strings.Trim(strings.ToLower(domain), "."); domain != "" {
			r.keep = append(r.keep, domain)
		}
	}
	for _, s := range secrets {
		r.addSecret(s)
	}
	for _, s := range others {
		r.addText(s)
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

// addSecret hides a text and, of an address, the name and the domain by themselves.
func (r *Redactor) addSecret(s string) {
	local, domain, isAddress := strings.Cut(r.addText(s), "@")
	if !isAddress {
		return
	}
	if !common[local] && len(local) >= minSecret {
		r.secrets = append(r.secrets, local)
		r.secrets = append(r.secrets, hashes(local)...)
	}
	r.addDomain(domain)
}

// addText hides a text as a whole, in whatever spelling, and returns its plain form, or "" where it is not hidden.
func (r *Redactor) addText(s string) string {
	s = strings.ToLower(strings.Trim(strings.TrimSpace(visible(s)), "<>"))
	if len(s) < minName || len(s) > 320 || r.kept(s) {
		return ""
	}
	r.secrets = append(r.secrets, s)
	if len(s) < minSecret {
		return s
	}
	r.secrets = append(r.secrets, hex.EncodeToString([]byte(s)), rot13(s), reverse(s))
	r.secrets = append(r.secrets, hashes(s)...)
	if local, domain, isAddress := strings.Cut(s, "@"); isAddress {
		r.secrets = append(r.secrets, local+"="+domain, local+"%40"+domain, local+" at "+domain)
	}
	return s
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
	// The fields of a reported mail that the accused side wrote, and the one that tells how it went on.
	fieldPattern     = regexp.MustCompile(`(?i)^([>|\s]*(from|sender|return-path|original-mail-from|message-id|received)\s*:\s*)(.*)$`)
	messageIDPattern = regexp.MustCompile(`^<?[^\s<>@]+@[^\s<>@]+>?\s*$`)
	byPattern        = regexp.MustCompile(`(?i)(?:^|\s)by\s+([^\s;]+)`)
	queueIDPattern   = regexp.MustCompile(`(?i)\bid\s+<?[^\s;>)]+>?`)
	forPattern       = regexp.MustCompile(`(?i)\s+for\s+(?:<[^>]*>|\S+@\S+)`)
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
	if m := fieldPattern.FindStringSubmatch(s); m != nil {
		switch name, value := strings.ToLower(m[2]), m[3]; {
		case name == "received":
			s = m[1] + r.withoutQueueID(value)
		case name == "message-id" && messageIDPattern.MatchString(value):
			return m[1] + r.ips(r.messageID(value))
		case name != "message-id":
			return r.cover(s, r.accused)
		}
	}
	return r.cover(s, r.address)
}

// cover hides what a line holds; address says what stays of a mail address.
func (r *Redactor) cover(s string, address func(string) string) string {
	s = urlPattern.ReplaceAllStringFunc(s, r.url)
	s = addressPattern.ReplaceAllStringFunc(s, address)
	s = r.hide(s)
	return r.ips(tokenPattern.ReplaceAllStringFunc(s, r.token))
}

func (r *Redactor) ips(s string) string {
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

// accused keeps the addresses that the accused side wrote into a mail, unless they name or hide somebody else's.
func (r *Redactor) accused(found string) string {
	local, _, plain := strings.Cut(found, "@")
	if !plain || r.holds(strings.ToLower(found)) || hidesAddress(local) {
		return "[address removed]"
	}
	return found
}

// hidesAddress knows senders and Message-IDs made for one receiver: bounce-jane=victim.example@...
func hidesAddress(local string) bool {
	return addressPattern.MatchString(local) || addressPattern.MatchString(strings.ReplaceAll(local, "=", "@"))
}

// withoutQueueID leaves out under which id the reporter's host took the mail in: it points at one receiver.
func (r *Redactor) withoutQueueID(received string) string {
	by := byPattern.FindStringSubmatchIndex(received)
	if by == nil {
		return received
	}
	from, host, rest := received[:by[0]], strings.ToLower(received[by[2]:by[3]]), received[by[3]:]
	if !r.holds(host) && (r.kept(host) || !r.keepsAnyIP(from)) {
		return received
	}
	return received[:by[3]] + queueIDPattern.ReplaceAllString(rest, "id "+gone)
}

// keepsAnyIP reports whether a text names an address of the accused side.
func (r *Redactor) keepsAnyIP(s string) bool {
	for _, found := range append(ipv6Pattern.FindAllString(s, -1), ipv4Pattern.FindAllString(s, -1)...) {
		if _, ip, ok := parseIP(found); ok && r.keepIP != nil && r.keepIP(ip.Unmap()) {
			return true
		}
	}
	return false
}

// lowered is text in lower case; at says for each byte of it, and for its end, where the same letter begins in the text:
// some letters change their length with their case.
func lowered(s string) (lower string, at []int) {
	var b strings.Builder
	for n, c := range s {
		b.WriteRune(unicode.ToLower(c))
		for len(at) < b.Len() {
			at = append(at, n)
		}
	}
	return b.String(), append(at, len(s))
}

// hide replaces every secret, ignoring case.
func (r *Redactor) hide(s string) string {
	lower, at := lowered(s)
	var cover []bool // which bytes of lower are secret
	for _, secret := range r.secrets {
		for from := 0; ; {
			found := strings.Index(lower[from:], secret)
			if found < 0 {
				break
			}
			begin, end := from+found, from+found+len(secret)
			from = end
			if len(secret) < minSecret && !isWord(lower, begin, len(secret)) {
				continue
			}
			if cover == nil {
				cover = make([]bool, len(lower))
			}
			for n := begin; n < end; n++ {
				cover[n] = true
			}
		}
	}
	if cover == nil {
		return s
	}
	return withoutCovered(s, at, cover)
}

// withoutCovered puts a mark in the place of each run of covered bytes.
func withoutCovered(s string, at []int, cover []bool) string {
	var b strings.Builder
	for n := 0; n < len(cover); {
		end := n + 1
		for end < len(cover) && cover[end] == cover[n] {
			end++
		}
		if cover[n] {
			b.WriteString(gone)
		} else {
			b.WriteString(s[at[n]:at[end]])
		}
		n = end
	}
	return b.String()
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
	prefix, ip, ok := parseIP(found)
	if !ok {
		return found
	}
	return prefix + r.shownIP(found[len(prefix):], ip.Unmap())
}

// parseIP reads an address behind what may look like a group of it: "IPv6:2001:db8::1", "at:2001:db8::1".
func parseIP(found string) (prefix string, ip netip.Addr, ok bool) {
	rest := found
	ip, err := netip.ParseAddr(rest)
	for err != nil {
		group, after, more := strings.Cut(rest, ":")
		if !more || after == "" {
			return "", netip.Addr{}, false
		}
		prefix, rest = prefix+group+":", after
		ip, err = netip.ParseAddr(rest)
	}
	return prefix, ip, true
}

func (r *Redactor) shownIP(text string, ip netip.Addr) string {
	if ip.IsPrivate() || ip.IsLoopback() || ip.IsUnspecified() || ip.IsLinkLocalUnicast() || r.keepIP != nil && r.keepIP(ip) {
		return text
	}
	return "[IP removed]"
}
