package report

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"spoor/internal/message"
)

// Parse reads a complaint. It never fails: a mail that cannot be understood
// gives no Reports but the Candidates that were weighed.
func Parse(ctx context.Context, msg *message.Message, opt Options) Result {
	b := &budget{}
	if slices.ContainsFunc(msg.Defects, func(f message.Defect) bool { return f.Code == message.DefectBytesLimit }) {
		b.truncated = "mail"
	}
	d := newDocument(&msg.Part, &opt, 0, b)
	res := Result{Reporter: Reporter{Address: d.from, Domain: d.domain, Authenticated: ByNone}}
	if why := d.ownNotice(); why != "" {
		res.Rejected = why
		return res
	}
	f := d.read(ctx)
	res.Format, res.Reports, res.Candidates, res.Rejected = f.format, f.reports, f.candidates, f.rejected
	if f.author != "" {
		res.Reporter.Address = f.author
		res.Reporter.Domain = f.author[strings.LastIndexByte(f.author, '@')+1:]
	}
	res.Reporter.Authenticated = authenticate(ctx, msg, &opt, res.Reporter.Domain)
	if res.Reporter.Authenticated == ByNone && f.inside != nil {
		res.Reporter.Authenticated = authenticateInside(ctx, f.inside, &opt, res.Reporter.Domain)
	}
	d.finish(&res)
	res.Truncated, res.Unread = b.truncated, b.unread
	return res
}

// Findings are what one document yields.
type findings struct {
	format     string
	reports    []Report
	candidates []Candidate
	rejected   string
	author     string // the true complainant, where a wrapper was seen through
	inside     []byte // the mail of his that was enclosed whole, else nil
}

// A form is one complaint format: how it is called, and its reader, which
// returns nothing where the form does not fit.
type form struct {
	name string
	step Step
	read func(*document) []Report
}

// forms are tried in this order; the first that yields reports wins.
func forms() []form {
	return []form{
		{"xarf", Structure, readXARF},
		{"arf", Structure, readARF},
		{"x-arf", Structure, readXARF02},
		{"acns", Structure, readACNS},
		{"spamcop", Known, readSpamCop},
		{"honeypot", Known, readHoneyPot},
		{"shadowserver", Structure, readShadowserver},
		{"csv", Structure, readCSVFiles},
		{"iodef", Structure, readIODEF},
		{"stix", Structure, readSTIX},
		{"xml", Structure, readXML},
		{"json", Structure, readJSON},
		{"yaml", Structure, readFieldFiles},
	}
}

// lateForms are tried after the forms, where the mail is no auto-reply.
func lateForms() []form {
	return []form{
		{"table", Structure, readTables},
		{"copyright", Known, readCopyrightLetter},
	}
}

// read tries the steps in their order.
func (d *document) read(ctx context.Context) findings {
	if f, ok := d.operatorFormats(); ok {
		return f
	}
	if d.depth == 0 && d.aggregateReport() {
		return findings{rejected: "aggregate report", candidates: d.allCandidates("aggregate report")}
	}
	if f, ok := d.tryForms(forms()); ok {
		return f
	}
	if why := d.notAComplaint(); why != "" {
		d.opt.explain("rejected: " + why)
		return findings{rejected: why, candidates: d.allCandidates(why)}
	}
	if d.isAnswer() {
		d.opt.explain("an answer, which only quotes addresses: for a person to read")
		return findings{candidates: d.allCandidates("quoted in an answer")}
	}
	if f, ok := d.tryForms(lateForms()); ok {
		return f
	}
	if f, ok := d.enclosed(ctx); ok {
		return f
	}
	return d.weigh(ctx)
}

func (d *document) tryForms(list []form) (findings, bool) {
	for _, f := range list {
		reports := f.read(d)
		if len(reports) == 0 && d.handed == 0 {
			continue
		}
		d.opt.explain(fmt.Sprintf("%s: the form fits, %d reports", f.name, len(reports)))
		for i := range reports {
			if reports[i].Step == "" {
				reports[i].Step = f.step
			}
		}
		return findings{format: f.name, reports: reports}, true
	}
	return findings{}, false
}

// base returns a report with what every report has.
func (d *document) base(ip netip.Addr, c Confidence, why string) Report {
	return Report{IP: ip, Count: 1, Confidence: c, Why: why, Role: Sender}
}

// finish completes and bounds the reports of a mail.
func (d *document) finish(res *Result) {
	if len(res.Reports) > d.lim.MaxReports {
		res.Reports = res.Reports[:d.lim.MaxReports]
		d.budget.truncated = "reports"
	}
	d.complete(res.Reports)
	d.markIdentities(res)
}

// complete fills in what is the same for the reports of all forms.
func (d *document) complete(reports []Report) {
	var hints []string
	for i := range reports {
		r := &reports[i]
		if r.Count < 1 {
			r.Count = 1
		}
		d.fallBackTime(r)
		d.classify(r, &hints)
		if len(r.Evidence) > d.lim.MaxEvidence {
			r.Evidence = r.Evidence[:d.lim.MaxEvidence]
		}
	}
}

// handOn gives a batch of a long table to the caller.
func (d *document) handOn(reports []Report) {
	d.complete(reports)
	d.markIdentities(&Result{Reports: reports, Reporter: Reporter{Address: d.from}})
	d.handed += len(reports)
	d.opt.Each(reports)
}
