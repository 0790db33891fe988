package main

import (
	"fmt"

	"github.com/pelletier/go-toml/v2"

	"spoor/testdata/demo"
)

// An expectation is what must come of the samples about one address.
type expectation struct {
	IP      string `toml:"ip"`
	State   string `toml:"state"`
	Reports int    `toml:"reports"`
	Notice  string `toml:"notice"`
}

// checkDemo compares the cases with what the samples must lead to, and says every difference.
func checkDemo(cases []demoCase, sent []sentSample) (wrong []string) {
	var want struct {
		Sources   map[string]string `toml:"sources"`
		Incidents []expectation     `toml:"incident"`
	}
	data, err := demo.Files.ReadFile("expect.toml")
	if err == nil {
		err = toml.Unmarshal(data, &want)
	}
	if err != nil {
		return []string{err.Error()}
	}
	for _, s := range sent {
		source := ""
		if e, ok := reportOf(cases, s.record); ok && e.Addr.IsValid() {
			source = e.Addr.String()
		}
		if source != want.Sources[s.name] {
			wrong = append(wrong, fmt.Sprintf("%s: the source is %q, want %q", s.name, source, want.Sources[s.name]))
		}
	}
	got := map[string]demoCase{}
	for _, c := range cases {
		got[address(c.incident)] = c
	}
	for _, w := range want.Incidents {
		c, ok := got[w.IP]
		if !ok {
			wrong = append(wrong, "no case about "+w.IP)
			continue
		}
		delete(got, w.IP)
		for _, d := range []struct {
			what      string
			got, want any
		}{
			{"state", string(c.incident.State), w.State}, {"reports", c.incident.Reports, w.Reports}, {"mail to", c.mailTo(), w.Notice},
		} {
			if d.got != d.want {
				wrong = append(wrong, fmt.Sprintf("%s: %s is %v, want %v", w.IP, d.what, d.got, d.want))
			}
		}
	}
	for ip := range got {
		wrong = append(wrong, "a case that nobody reported: "+ip)
	}
	return wrong
}
