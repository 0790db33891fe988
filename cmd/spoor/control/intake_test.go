package control

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"spoor/abusebox/intake"
)

// A shelf keeps mails in memory, or fails.
type shelf struct {
	mu    sync.Mutex
	mails []intake.Mail
	fault error
}

func (s *shelf) Put(_ context.Context, m intake.Mail) (intake.ID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		return 0, s.fault
	}
	s.mails = append(s.mails, m)
	return intake.ID(len(s.mails)), nil
}

func TestIntake(t *testing.T) {
	s := &shelf{}
	mux := http.NewServeMux()
	Intake(mux, s, 100)
	client := Local(mux)
	post := func(query, mail string) (IntakeKept, error) {
		var kept IntakeKept
		err := client.PostRaw(t.Context(), "/intake/mail?"+query, "message/rfc822", strings.NewReader(mail), &kept)
		return kept, err
	}
	kept, err := post("from=a%40example.org&rcpt=abuse%40example.net&rcpt=x", "Subject: x\r\n\x00\n")
	if err != nil || kept.ID != "000000-0000000001" {
		t.Errorf("kept %+v, %v", kept, err)
	}
	if _, err := post("source=import&mailbox=%2Fvar%2Fmail%2Fabuse", strings.Repeat("x", 100)); err != nil {
		t.Error(err)
	}
	if _, err := post("source=smtp", ""); err != nil {
		t.Error(err)
	}
	want := []intake.Mail{
		{Envelope: intake.Envelope{Source: intake.SourceFile, From: "a@example.org", Recipients: []string{"abuse@example.net", "x"}}, Raw: []byte("Subject: x\r\n\x00\n")},
		{Envelope: intake.Envelope{Source: intake.SourceImport, Mailbox: "/var/mail/abuse"}, Raw: []byte(strings.Repeat("x", 100))},
		{Envelope: intake.Envelope{Source: intake.SourceFile}, Raw: []byte{}},
	}
	if d := cmp.Diff(want, s.mails, cmp.Comparer(func(a, b intake.Envelope) bool {
		return a.Source == b.Source && a.From == b.From && a.Mailbox == b.Mailbox && cmp.Equal(a.Recipients, b.Recipients)
	})); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	for status, fault := range map[int]error{
		http.StatusInsufficientStorage: syscall.ENOSPC, http.StatusServiceUnavailable: errors.New("input/output error"),
	} {
		s.fault = fault
		_, err := post("", "x")
		if e, ok := errors.AsType[*Error](err); !ok || e.Status != status {
			t.Errorf("on %v the answer is %v, want status %d", fault, err, status)
		}
	}
	s.fault = nil
	_, err = post("", strings.Repeat("x", 101))
	if e, ok := errors.AsType[*Error](err); !ok || e.Status != http.StatusRequestEntityTooLarge || e.Hint == "" {
		t.Errorf("a mail over the limit is answered %v", err)
	}
}

// More mails than may be in memory at a time wait for each other, and all are kept.
func TestIntakeOfManyAtOnce(t *testing.T) {
	s := &shelf{}
	mux := http.NewServeMux()
	Intake(mux, s, 1<<20)
	client := Local(mux)
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			if err := client.PostRaw(t.Context(), "/intake/mail", "", strings.NewReader(strings.Repeat("x", 1<<20)), nil); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(s.mails) != 64 {
		t.Errorf("%d mails are kept", len(s.mails))
	}
}
