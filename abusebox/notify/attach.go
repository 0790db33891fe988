package notify

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"spoor/abusebox/incident"
)

func firstHeader(i incident.Incident) string {
	if at := slices.IndexFunc(i.Samples, hasHeader); at >= 0 {
		return i.Samples[at].Header
	}
	return ""
}

// feedbackReport writes the machine-readable part of a report about one message (RFC 5965 §3). The fields that
// name who received it are left out (RFC 6590).
func feedbackReport(i incident.Incident) string {
	e := i.Samples[max(slices.IndexFunc(i.Samples, hasHeader), 0)]
	lines := []string{"Feedback-Type: abuse", "User-Agent: Spoor/1", "Version: 1"}
	if e.Addr.IsValid() {
		lines = append(lines, "Source-IP: "+e.Addr.String())
	}
	if e.Port != 0 {
		lines = append(lines, fmt.Sprintf("Source-Port: %d", e.Port)) // RFC 6692
	}
	if !e.When().IsZero() && !e.Undated {
		lines = append(lines, "Arrival-Date: "+e.When().UTC().Format(time.RFC1123Z))
	}
	return strings.Join(lines, "\r\n") + "\r\n"
}

// A document is one report in XARF v4.
type document struct {
	Version    string    `json:"xarf_version"`
	ReportID   string    `json:"report_id"`
	Timestamp  string    `json:"timestamp"`
	Reporter   party     `json:"reporter"`
	Sender     party     `json:"sender"`
	Source     string    `json:"source_identifier"`
	SourcePort uint16    `json:"source_port,omitempty"`
	Category   string    `json:"category"`
	Type       string    `json:"type"`
	Protocol   string    `json:"protocol,omitempty"`
	From       string    `json:"evidence_source"`
	Evidence   []exhibit `json:"evidence"`
	First      string    `json:"first_seen,omitempty"`
	Last       string    `json:"last_seen,omitempty"`
	Count      int       `json:"report_count,omitempty"`
	Tags       []string  `json:"tags,omitempty"`
}

type party struct {
	Org     string `json:"org"`
	Contact string `json:"contact"`
	Domain  string `json:"domain"`
}

type exhibit struct {
	ContentType string `json:"content_type"`
	Description string `json:"description,omitempty"`
	Payload     string `json:"payload"`
	Hash        string `json:"hash"`
}

// xarf writes one XARF v4 document for each case that has an address.
func (c *Composer) xarf(job Job, what content) (docs [][]byte, err error) {
	_, domain, _ := strings.Cut(c.config.From, "@")
	us := party{Org: c.site, Contact: c.config.From, Domain: domain}
	for n, i := range job.Incidents[:min(len(job.Incidents), maxCases)] {
		if !i.Key.Net.IsValid() {
			continue
		}
		d := document{Version: "4.0.0", ReportID: c.reportID(job.Task.ID, i.ID), Timestamp: i.Last.UTC().Format(time.RFC3339),
			Reporter: us, Sender: us, Source: addrText(i), Category: i.Category, Type: strings.ReplaceAll(i.Key.Type, "-", "_"),
			From: "user_report", First: i.First.UTC().Format(time.RFC3339), Last: i.Last.UTC().Format(time.RFC3339),
			Count: i.Reports, Evidence: []exhibit{}}
		if !isTraced(job) {
			d.Tags = []string{"spoor:" + i.ID.String()}
		}
		if i.Category == "messaging" {
			d.Protocol = "smtp"
		}
		if len(i.Samples) > 0 {
			d.SourcePort = i.Samples[0].Port
			if i.Samples[0].Kind == incident.FromAnomaly {
				d.From = "flow_analysis"
			}
		}
		for _, s := range what.view.Cases[n].Samples {
			d.Evidence = append(d.Evidence, exhibitOf(s))
		}
		data, err := json.MarshalIndent(d, "", " ")
		if err != nil {
			return nil, err
		}
		docs = append(docs, data)
	}
	return docs, nil
}

func exhibitOf(s Sample) exhibit {
	text := strings.Join(s.Lines, "\n")
	sum := sha256.Sum256([]byte(text))
	return exhibit{ContentType: "text/plain", Description: "reported for " + s.Time,
		Payload: base64.StdEncoding.EncodeToString([]byte(text)), Hash: "sha256:" + hex.EncodeToString(sum[:])}
}

// reportID is a UUID (RFC 9562 §5.8) that is the same each time the same mail is written.
func (c *Composer) reportID(task uint64, id incident.ID) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", c.instance, task, id))
	b := sum[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
