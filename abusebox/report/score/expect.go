package main

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"spoor/abusebox/report"
)

// An expectation is what a good clerk extracts from one mail: one line for each
// report, or one that says why there is none.
//
//	203.0.113.7 port=25 time=2026-10-01T08:14:00Z type=messaging/spam
//	source=http://site.example/ type=content/phishing
//	prefix=203.0.113.0/28
//	rejected: newsletter
//	none
//
// Only the address is compared unless more is stated.
type expectation struct {
	wanted   subjects // all that are expected, false until a report accuses them
	items    []item   // those with details
	rejected string
}

// An item is one expected report: its subject and the details stated for it.
type item struct {
	subject string
	want    map[string]string
}

// readExpectation reads one file of expectations.
func readExpectation(r io.Reader) (expectation, error) {
	var e expectation
	s := bufio.NewScanner(r)
	for n := 1; s.Scan(); n++ {
		l := strings.TrimSpace(s.Text())
		switch {
		case l == "" || l == "none" || strings.HasPrefix(l, "#"):
		case strings.HasPrefix(l, "rejected:"):
			e.rejected = strings.TrimSpace(strings.TrimPrefix(l, "rejected:"))
		default:
			it, err := readItem(l)
			if err != nil {
				return e, fmt.Errorf("line %d: %w", n, err)
			}
			e.wanted.put(it.subject, false)
			if len(it.want) > 0 {
				e.items = append(e.items, it)
			}
		}
	}
	return e, s.Err()
}

func readItem(l string) (item, error) {
	var it item
	for _, w := range strings.Fields(l) {
		key, value, ok := strings.Cut(w, "=")
		if !ok {
			ip, err := netip.ParseAddr(w)
			if err != nil {
				return it, fmt.Errorf("%q is no address; write address, source=, prefix= or key=value", w)
			}
			it.subject = ip.String()
			continue
		}
		switch key {
		case "source", "prefix":
			it.subject = value
		case "port", "time", "type", "dst", "dport", "count", "author", "account", "url", "zone", "role", "format", "step":
			if it.want == nil {
				it.want = map[string]string{}
			}
			it.want[key] = value
		default:
			return it, fmt.Errorf("unknown key %q", key)
		}
	}
	if it.subject == "" {
		return it, fmt.Errorf("no address, source or prefix in %q", l)
	}
	return it, nil
}

// subjectOf names what a report accuses, as expectations do.
func subjectOf(r *report.Report) string {
	switch {
	case r.IP.IsValid():
		return r.IP.String()
	case r.Prefix.IsValid():
		return r.Prefix.String()
	}
	return r.Source
}

// detail returns what a report says under an expectation's key.
func detail(res *report.Result, r *report.Report, key string) string {
	switch key {
	case "port":
		return strconv.Itoa(int(r.Port))
	case "dport":
		return strconv.Itoa(int(r.DstPort))
	case "dst":
		return r.Destination
	case "time":
		return r.Time.Format("2006-01-02T15:04:05Z")
	case "type":
		return r.Category + "/" + r.Type
	case "count":
		return strconv.Itoa(r.Count)
	case "author":
		return res.Reporter.Address
	case "account":
		return r.Subject.Account
	case "url":
		return strings.Join(r.URLs, ",")
	case "zone":
		return strconv.FormatBool(r.TimeZoneKnown)
	case "role":
		return string(r.Role)
	case "format":
		return res.Format
	}
	return string(r.Step)
}
