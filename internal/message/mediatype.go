package message

import (
	"net/url"
	"sort"
	"strconv"
	"strings"
)

// maxParams bounds the parameters of one field.
const maxParams = 64

// ParseMediaType reads a Content-Type or Content-Disposition value: the type in
// lower case, and its parameters with continuations and charsets of RFC 2231
// resolved. It never fails and takes what it can from broken values.
func ParseMediaType(v string) (string, map[string]string) {
	typ, rest, _ := strings.Cut(v, ";")
	typ = strings.ToLower(strings.TrimSpace(typ))
	if i := strings.IndexAny(typ, " \t("); i >= 0 {
		typ = typ[:i]
	}
	params := map[string]string{}
	for n := 0; rest != "" && n < maxParams; n++ {
		var name, value string
		name, value, rest = nextParam(rest)
		if name == "" {
			continue
		}
		if _, dup := params[name]; !dup {
			params[name] = value
		}
	}
	resolve2231(params)
	return typ, params
}

// nextParam cuts "name=value" or `name="value"` from the front of s.
func nextParam(s string) (name, value, rest string) {
	s = strings.TrimLeft(s, "; \t\r\n")
	eq := strings.IndexAny(s, "=;")
	if eq < 0 {
		return "", "", ""
	}
	if s[eq] == ';' {
		return "", "", s[eq+1:]
	}
	name = strings.ToLower(strings.TrimSpace(s[:eq]))
	s = strings.TrimLeft(s[eq+1:], " \t")
	if strings.HasPrefix(s, `"`) {
		value, rest = quoted(s[1:])
		return name, value, rest
	}
	end := strings.IndexByte(s, ';')
	if end < 0 {
		return name, strings.TrimSpace(s), ""
	}
	return name, strings.TrimSpace(s[:end]), s[end+1:]
}

// quoted reads a quoted string whose opening quote is gone (RFC 5322 §3.2.4).
func quoted(s string) (value, rest string) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			if i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\') {
				i++
			}
			b.WriteByte(s[i])
		case '"':
			rest = s[i+1:]
			if j := strings.IndexByte(rest, ';'); j >= 0 {
				return b.String(), rest[j+1:]
			}
			return b.String(), ""
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), ""
}

// resolve2231 joins name*0, name*1* … and decodes name*=charset'lang'text.
func resolve2231(params map[string]string) {
	pieces := map[string][]string{}
	for name := range params {
		if base, _, ok := strings.Cut(name, "*"); ok {
			pieces[base] = append(pieces[base], name)
		}
	}
	for base, names := range pieces {
		sort.Slice(names, func(i, j int) bool { return section(names[i]) < section(names[j]) })
		var raw strings.Builder
		extended := false
		for _, n := range names {
			v := params[n]
			if strings.HasSuffix(n, "*") {
				extended = true
			}
			raw.WriteString(v)
			delete(params, n)
		}
		if _, have := params[base]; !have {
			params[base] = decode2231(raw.String(), extended)
		}
	}
}

// section returns the number of a continuation, 0 for none.
func section(name string) int {
	_, s, _ := strings.Cut(name, "*")
	n, _ := strconv.Atoi(strings.TrimSuffix(s, "*"))
	return n
}

func decode2231(v string, extended bool) string {
	if !extended {
		return v
	}
	charset := ""
	if parts := strings.SplitN(v, "'", 3); len(parts) == 3 {
		charset, v = parts[0], parts[2]
	}
	if un, err := url.PathUnescape(v); err == nil {
		v = un
	}
	text, _ := DecodeCharset([]byte(v), charset)
	return text
}
