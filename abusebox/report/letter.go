package report

import (
	"strings"
)

// readCopyrightLetter reads letters of copyright agents without ACNS: labelled
// lines "IP Address:", "Port:", "Timestamp:", "Protocol:", "File name:",
// "Infringed work:"; several blocks where several addresses are accused.
//
// Sources: MarkMonitor, OpSec, Rightscorp, CEG TEK, Irdeto, BSA, studios.
func readCopyrightLetter(d *document) []Report {
	if cat, _ := d.kind(); cat != "copyright" {
		return nil
	}
	w := d.weighing()
	var out []Report
	for _, c := range w.chosen() {
		if !c.named && !c.inSubject {
			return nil
		}
		r := d.base(c.ip, Medium, c.why()+" in a copyright notice")
		r.Category, r.Type = "copyright", "copyright"
		w.detail(&r, c)
		if k := strings.ToLower(r.Protocol + d.body[:min(len(d.body), 8<<10)]); strings.Contains(k, "torrent") || strings.Contains(k, "donkey") || strings.Contains(k, "peer-to-peer") || strings.Contains(k, "p2p") || strings.Contains(k, "gnutella") {
			r.Type = "p2p"
		}
		out = append(out, r)
	}
	return out
}
