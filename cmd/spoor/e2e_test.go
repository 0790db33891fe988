package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"spoor/cmd/spoor/control"
	"spoor/internal/message"
)

var update = flag.Bool("update", false, "write the expectations of scenarios anew")

// TestScenarios runs every folder of testdata/e2e: a daemon with the folder's spoor.toml, its steps, and at the end
// the mails, incidents and notices that must be there.
func TestScenarios(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(projectRoot(t), "testdata", "e2e", "*", "steps"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, steps := range folders {
		folder := filepath.Dir(steps)
		t.Run(filepath.Base(folder), func(t *testing.T) { runScenario(t, folder) })
	}
}

// A scenario is one run of a folder.
type scenario struct {
	t      *testing.T
	folder string // of the input
	dir    string // of this run
	sink   *sink
	daemon *process
	mails  int       // handed in and accepted
	never  []string  // who complained or received what was reported, in lower case: no notice may tell
	began  time.Time // what the templates' times count from, so that a file filled in twice is the same mail
	out    bytes.Buffer
}

func runScenario(t *testing.T, folder string) {
	s := &scenario{t: t, folder: folder, dir: t.TempDir(), began: time.Now().UTC().Truncate(time.Second)}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var err error
	if s.sink, err = startSink(ctx, filepath.Join(s.dir, "sink")); err != nil {
		t.Fatal(err)
	}
	s.configure()
	s.daemon = startServe(t, s.dir)
	s.steps()
	s.daemon.settle(s.mails)
	s.dump()
	s.checkLeaks()
	if err := s.daemon.stop(); err != nil {
		t.Errorf("the daemon ended with %v", err)
	}
	s.compare()
}

// configure copies the folder's files. spoor.toml is a template that all scenarios share; a folder may add sections in
// more.toml, and turns sending off by a file no-send.
func (s *scenario) configure() {
	shared, err := os.ReadFile(filepath.Join(s.folder, "..", "spoor.toml"))
	if err != nil {
		s.t.Fatal(err)
	}
	own, err := os.ReadFile(filepath.Join(s.folder, "more.toml"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Fatal(err)
	}
	s.write("spoor.toml", s.fill("spoor.toml", append(shared, own...)))
	for _, name := range []string{"routes.csv", "contacts.toml"} {
		data, err := os.ReadFile(filepath.Join(s.folder, name))
		if errors.Is(err, os.ErrNotExist) {
			data, err = os.ReadFile(filepath.Join(s.folder, "..", name))
		}
		if err != nil {
			s.t.Fatal(err)
		}
		s.write(name, data)
	}
}

func (s *scenario) write(name string, data []byte) {
	if err := os.WriteFile(filepath.Join(s.dir, name), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// fill executes a template with the places of this run and times before its start.
func (s *scenario) fill(name string, text []byte) []byte {
	t, err := template.New(name).Funcs(template.FuncMap{
		"dir": func() string { return s.dir }, "sink": func() string { return s.sink.addr },
		"send": func() bool { _, err := os.Stat(filepath.Join(s.folder, "no-send")); return err != nil },
		"date": func(ago string) (string, error) {
			d, err := time.ParseDuration(ago)
			return s.began.Add(d).Format(time.RFC1123Z), err
		},
	}).Parse(string(text))
	if err != nil {
		s.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, nil); err != nil {
		s.t.Fatal(err)
	}
	return out.Bytes()
}

// mail reads one of the folder's mails, its times filled in, its lines ended as on the wire.
func (s *scenario) mail(name string) []byte {
	data, err := os.ReadFile(filepath.Join(s.folder, name))
	if err != nil {
		s.t.Fatal(err)
	}
	data = bytes.ReplaceAll(s.fill(name, data), []byte("\n"), []byte("\r\n"))
	s.hide(data)
	return data
}

// steps runs the lines of the file steps, one command each.
func (s *scenario) steps() {
	data, err := os.ReadFile(filepath.Join(s.folder, "steps"))
	if err != nil {
		s.t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if words := strings.Fields(line); len(words) > 0 {
			s.step(words)
		}
	}
}

// step runs one command:
//
//	smtp FROM TO FILE         hand a mail in by SMTP; "-" as FROM is the null sender
//	refused CODE FROM TO FILE the same, and it must be refused with that reply
//	file FILE                 hand a mail in by the pipe
//	spoor ARGS…               run a command of spoor in the run's folder; it must succeed
//	put FILE                  copy one of the folder's files, its times filled in, into the run's folder
//	count N                   N more mails came in by such a command
//	return TO FROM            FROM sends the mail that we sent to TO back to us, as it is
//	settle                    wait until everything so far is decided
func (s *scenario) step(words []string) {
	s.t.Helper()
	switch words[0] {
	case "smtp":
		if err := s.smtp(words[1], words[2], words[3]); err != nil {
			s.t.Fatalf("%v: %v", words, err)
		}
		s.mails++
	case "refused":
		var refusal *smtp.SMTPError
		if err := s.smtp(words[2], words[3], words[4]); !errors.As(err, &refusal) || strconv.Itoa(refusal.Code) != words[1] {
			s.t.Fatalf("%v: the answer was %v", words, err)
		}
	case "file":
		if _, err := s.daemon.spoor(s.mail(words[1]), "file"); err != nil {
			s.t.Fatal(err)
		}
		s.mails++
	case "spoor":
		if _, err := s.daemon.spoor(nil, words[1:]...); err != nil {
			s.t.Fatal(err)
		}
	case "put":
		data, err := os.ReadFile(filepath.Join(s.folder, words[1]))
		if err != nil {
			s.t.Fatal(err)
		}
		s.write(words[1], s.fill(words[1], data))
	case "count":
		n, err := strconv.Atoi(words[1])
		if err != nil {
			s.t.Fatal(err)
		}
		s.mails += n
	case "settle":
		s.daemon.settle(s.mails)
	case "return":
		if err := deliver(context.Background(), s.daemon.smtp(), words[2], "abuse@example.net", s.sentTo(words[1])); err != nil {
			s.t.Fatalf("%v: %v", words, err)
		}
		s.mails++
	default:
		s.t.Fatalf("unknown step %q", words[0])
	}
}

func (s *scenario) smtp(from, to, file string) error {
	if _, domain, ok := strings.Cut(from, "@"); ok {
		s.never = append(s.never, strings.ToLower(from), strings.ToLower(domain))
	}
	return deliver(context.Background(), s.daemon.smtp(), strings.Trim(from, "-"), to, s.mail(file))
}

// dump writes what is there at the end, without times and IDs that differ from run to run.
func (s *scenario) dump() {
	for _, outcome := range []string{"filed", "repeat", "loop", "bounce", "reply", "auto", "unread", "poison", "optout", "rejected"} {
		if n := s.daemon.metric("spoor_desk_mails_total", `outcome="`+outcome+`"`); n > 0 {
			fmt.Fprintf(&s.out, "mails %s %v\n", outcome, n)
		}
	}
	s.dumpIncidents()
	s.dumpNotices()
}

func (s *scenario) dumpIncidents() {
	out, err := s.daemon.spoor(nil, "incidents", "list", "--json")
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(out) {
		var i control.IncidentLine
		if err := json.Unmarshal([]byte(line), &i); err != nil {
			s.t.Fatalf("%v in %s", err, line)
		}
		lines = append(lines, fmt.Sprintf("incident %s ip=%s type=%s subject=%q holder=%q reports=%d\n", i.State, i.IP, i.Type, i.Subject, i.HolderName, i.Reports))
	}
	slices.Sort(lines)
	s.out.WriteString(strings.Join(lines, ""))
}

func (s *scenario) dumpNotices() {
	files, err := s.sink.mails()
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			s.t.Fatal(err)
		}
		m := message.Read(data, message.DefaultLimits())
		subject, _, _ := strings.Cut(m.Header.Text("Subject"), " - please")
		lines = append(lines, fmt.Sprintf("notice to=%s subject=%q auto=%s parts=%s\n", strings.Trim(m.Header.Get("X-Envelope-To"), "<>"), subject,
			m.Header.Get("Auto-Submitted"), strings.Join(partTypes(&m.Part), ",")))
	}
	slices.Sort(lines)
	s.out.WriteString(strings.Join(lines, ""))
}

func partTypes(root *message.Part) (types []string) {
	root.Walk(func(p *message.Part) bool {
		if !p.IsMultipart() {
			types = append(types, p.MediaType)
		}
		return !p.IsMail()
	})
	return types
}

// caseNumber is left out of what is compared: mails are decided side by side, so their order is open.
var caseNumber = regexp.MustCompile(`S-\d+|mail:[0-9a-f]+-[0-9a-f]+`)

// compare holds the dump against the folder's file expect.
func (s *scenario) compare() {
	path, got := filepath.Join(s.folder, "expect"), caseNumber.ReplaceAllString(s.out.String(), "S-#")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		s.t.Errorf("it came out otherwise (-want +got):\n%s", diff)
	}
}
