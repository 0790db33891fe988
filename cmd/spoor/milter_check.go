package main

import (
	"fmt"
	"slices"
	"strings"

	"spoor/cmd/spoor/config"
	"spoor/cmd/spoor/control"
)

// checkMilter finds rules that ask what nobody here can answer: such a condition never holds, and with "!" always.
func checkMilter(cfg config.Config) (found []control.Finding) {
	unknown := map[string][2]string{
		"blocked": {"no blocks are kept yet", "take the word out"},
	}
	if !cfg.Has("flowwatch") {
		for _, word := range []string{"listed", "mail_server"} {
			unknown[word] = [2]string{"only the flows tell, and there is no section [flowwatch]", "add the section, or take the word out"}
		}
	}
	for i, rule := range cfg.Milter.Rules {
		for k, word := range rule.Is {
			plain := strings.TrimPrefix(word, "!")
			why, ok := unknown[plain]
			if !ok || slices.Contains(rule.Is[:k], word) {
				continue
			}
			holds := "never holds"
			if word != plain {
				holds = "always holds"
			}
			found = append(found, control.Finding{
				Where:   fmt.Sprintf("milter.rule[%d].is[%d]", i, k),
				Problem: fmt.Sprintf("%q in rule %q %s: %s", word, rule.Name, holds, why[0]), Mend: why[1],
			})
		}
	}
	return found
}
