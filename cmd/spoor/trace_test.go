package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"spoor/internal/trace"
)

// sampleMail is one message of a mbox.
const sampleMail = `From anna@example.com Mon Oct  5 10:11:12 2026
Return-Path: <anna@example.com>
Received: from mx.example.net (mx.example.net [192.0.2.1])
	by mail.example.net (Postfix) with ESMTP id A3;
	Mon, 5 Oct 2026 10:11:15 +0200 (CEST)
Received: from localhost (localhost [127.0.0.1])
	by mx.example.net (Postfix) with ESMTP id A2;
	Mon, 5 Oct 2026 10:11:14 +0200 (CEST)
Received: from out3.isp.example (out3.isp.example [198.51.100.25])
	(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))
	(No client certificate requested)
	by mx.example.net (Postfix) with ESMTPS id A1
	for <user@example.net>; Mon, 5 Oct 2026 10:11:12 +0200 (CEST)
Received: from pc (unknown [203.0.113.9])
	by out3.isp.example (Postfix) with ESMTPA id A0;
	Mon, 5 Oct 2026 10:11:11 +0200 (CEST)
From: Anna <anna@isp.example>
To: user@example.net
Subject: sample
Date: Mon, 5 Oct 2026 10:11:10 +0200
Message-ID: <%d@isp.example>

Visit http://www.example.com/ or call +49 30 1234567.

`

// A mboxReader makes a mbox of n messages as it is read.
type mboxReader struct {
	n, i int
	rest strings.Reader
}

func (r *mboxReader) Read(p []byte) (int, error) {
	if r.rest.Len() == 0 {
		if r.i == r.n {
			return 0, io.EOF
		}
		r.i++
		r.rest.Reset(fmt.Sprintf(sampleMail, r.i))
	}
	return r.rest.Read(p)
}

// newTraceRun returns a run over standard input that prints nowhere.
func newTraceRun(in io.Reader) *traceCmd {
	return &traceCmd{
		app: &app{in: in, out: io.Discard, errw: io.Discard, json: true}, workers: runtime.GOMAXPROCS(0),
		tracer: trace.NewTracer(trace.Options{Hosts: []string{"example.net"}}),
	}
}

// A batch ten times as long needs no more memory.
func TestTraceConstantMemory(t *testing.T) {
	peak := func(n int) uint64 {
		var most uint64
		got := 0
		run := newTraceRun(&mboxReader{n: n})
		err := run.pipeline(t.Context(), []string{"-"}, true, func(j *traceJob) error {
			if got++; j.mail.number != got {
				t.Fatalf("message %d came as number %d", j.mail.number, got)
			}
			if got%(n/4) == 0 {
				runtime.GC()
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				most = max(most, m.HeapAlloc)
			}
			return nil
		})
		if err != nil || got != n {
			t.Fatalf("%d of %d messages, %v", got, n, err)
		}
		return most
	}
	small, large := peak(400), peak(4000)
	if large > small+4<<20 {
		t.Errorf("400 messages need %d KB, 4000 need %d KB", small>>10, large>>10)
	}
}

// Whoever stops reading the output ends the whole pipeline.
func TestTraceBrokenPipe(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	run := newTraceRun(&mboxReader{n: 1 << 20})
	run.app.out = brokenPipe{}
	if err := run.runEach(t.Context(), []string{"-"}); err == nil {
		t.Error("a broken pipe was not told")
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// A cancelled command ends.
func TestTraceCancelled(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	ctx, cancel := context.WithCancel(t.Context())
	run := newTraceRun(&mboxReader{n: 1 << 20})
	n := 0
	err := run.pipeline(ctx, []string{"-"}, false, func(*traceJob) error {
		if n++; n == 10 {
			cancel()
		}
		return nil
	})
	if err == nil {
		t.Error("a cancelled run ended without error")
	}
}

// Progress goes to a terminal alone, and says how far a batch is.
func TestTraceProgressText(t *testing.T) {
	p := &traceProgress{total: 200}
	p.add(50)
	p.message()
	if got := p.text(); got != "1 messages, 25 %" {
		t.Error(got)
	}
	p.total = 0
	if got := p.text(); got != "1 messages, 0.0 MB" {
		t.Error(got)
	}
}

// Wide characters take two columns, and cutting never splits one.
func TestTraceColumns(t *testing.T) {
	for _, tc := range []struct {
		got, want string
	}{
		{padTo("大促", 6) + "|", "大促  |"},
		{cutTo("大促销宽", 5), "大促…"},
		{cutTo("plain", 5), "plain"},
		{cutMiddle("mx0a-00310000.pphosted.example", 16), "mx0a-…ed.example"},
		{strings.Join(wrapText("一二三四五 六七", 6), "|"), "一二三|四五|六七"},
		{safeText("a\x1b[31mb\u202ec\xff"), "a?[31mb?c?"},
	} {
		if tc.got != tc.want {
			t.Errorf("got %q, want %q", tc.got, tc.want)
		}
	}
}

// BenchmarkMailbox traces a mailbox of 10,000 mails from disk, as JSON.
func BenchmarkMailbox(b *testing.B) {
	const mails = 10000
	path := filepath.Join(b.TempDir(), "box.mbox")
	var box bytes.Buffer
	if _, err := box.ReadFrom(&mboxReader{n: mails}); err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(path, box.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	for b.Loop() {
		if err := newTraceRun(nil).runEach(b.Context(), []string{path}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*mails)/time.Since(start).Seconds(), "mails/s")
}

// Nothing that a header can hold makes the view wider than 80 columns.
func TestTraceWidth(t *testing.T) {
	const text = `Received: from a-host-with-a-name-that-goes-on-and-on.and-on.example.com (2001:db8:208:1234:cafe:babe:aaaa:1111) by another-host-with-a-long-name.eurprd01.prod.example.net with HTTPS; Mon, 5 Oct 2026 08:11:18 +0000
Received: from x (unknown [2001:db8:208:1234:cafe:babe:aaaa:2222]) by 宽字体.example.net (Postfix) with ESMTP id A; Sun, 4 Oct 2026 08:11:18 +0000
Received: from ` + "y" + ` uid 9369 Sun, 04 Oct 2026 07:55:59
Subject: 大促销：宽字体也要对齐大促销：宽字体也要对齐大促销：宽字体也要对齐大促销：宽字体也要对齐
Reply-To: someone-with-a-very-long-address-indeed-that-goes-on-and-on-and-on-and-on-and-on@example.org

body
`
	for _, explain := range []bool{false, true} {
		run := newTraceRun(strings.NewReader(text))
		var out bytes.Buffer
		run.app.out, run.app.json, run.explain = &out, false, explain
		if err := run.runEach(t.Context(), []string{"-"}); err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(out.String()) {
			if n := columns(strings.TrimRight(l, "\n")); n > ladderWidth {
				t.Errorf("%d columns: %s", n, l)
			}
		}
	}
}

// The view that docs/trace.md shows is the one that its mail gives.
func TestTracePage(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(projectRoot(t), "docs", "trace.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string) string {
		_, text, _ := strings.Cut(string(page), "```"+kind+"\n")
		text, _, _ = strings.Cut(text, "```")
		return text
	}
	var out bytes.Buffer
	run := newTraceRun(nil)
	run.app.json, run.app.out = false, &out
	job := &traceJob{mail: tracedMail{source: "mail.eml", number: 1, raw: []byte(block("mail"))}}
	run.trace(t.Context(), job, true)
	if got, want := string(job.text), block("view"); got != want {
		if *update {
			page = bytes.Replace(page, []byte("```view\n"+want), []byte("```view\n"+got), 1)
			if err := os.WriteFile(filepath.Join(projectRoot(t), "docs", "trace.md"), page, 0o644); err != nil {
				t.Fatal(err)
			}
			return
		}
		t.Errorf("docs/trace.md shows\n%s\nthe mail gives\n%s", want, got)
	}
}
