package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// TestResolverGivesUpOnSilence asks name servers that never answer: after a few questions nobody asks any more until
// the pause is over.
func TestResolverGivesUpOnSilence(t *testing.T) {
	var asked atomic.Int32
	silent := &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		asked.Add(1)
		return nil, &net.OpError{Op: "dial", Err: errors.New("no route")}
	}}
	now := time.Unix(1_000_000, 0)
	r := newResolver(silent, func() time.Time { return now })
	for n := range 5 { // one silent domain stops nobody but itself
		if _, err := r.LookupTXT(t.Context(), fmt.Sprintf("s%d.hostile.example.", n)); err == nil || errors.Is(err, errNoDNS) {
			t.Fatalf("a silent name server answers %v", err)
		}
	}
	for n := range dnsFailures - 1 {
		if _, err := r.LookupTXT(t.Context(), fmt.Sprintf("reporter%d.example.", n)); err == nil || errors.Is(err, errNoDNS) {
			t.Fatalf("a silent name server answers %v", err)
		}
	}
	before := asked.Load()
	if _, err := r.LookupMX(t.Context(), "other.example."); !errors.Is(err, errNoDNS) || asked.Load() != before {
		t.Errorf("it asked again: %v, %d questions", err, asked.Load()-before)
	}
	now = now.Add(dnsPause)
	if _, err := r.LookupTXT(t.Context(), "later.example."); errors.Is(err, errNoDNS) || asked.Load() == before {
		t.Errorf("after the pause it does not ask: %v", err)
	}
}

// TestResolverRemembers keeps answers, and that there is none, until their time is over.
func TestResolverRemembers(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	r := newResolver(nil, func() time.Time { return now })
	asked := 0
	ask := func(context.Context) ([]string, error) {
		asked++
		return nil, &net.DNSError{Err: "no such host", IsNotFound: true}
	}
	for range 3 {
		if _, err := recall(t.Context(), r, "TXT x", ask); err == nil {
			t.Fatal("a name that is not there has an answer")
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times, want once", asked)
	}
	now = now.Add(dnsKeep)
	if _, _ = recall(t.Context(), r, "TXT x", ask); asked != 2 {
		t.Errorf("asked %d times, want twice", asked)
	}
}
