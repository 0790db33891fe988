package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"

	"golang.org/x/sync/errgroup"

	"spoor/internal/message"
	"spoor/internal/trace"
)

// A traceJob is one message on its way through the workers; done is closed when
// result and text are there.
type traceJob struct {
	mail   tracedMail
	header string // of a mail to report
	result trace.Result
	text   []byte
	done   chan struct{}
}

// pipeline reads the paths, traces on several cores, and calls take for each
// message in the order of the input. Not more than a few messages per worker are
// in memory at any time.
func (t *traceCmd) pipeline(ctx context.Context, paths []string, render bool, take func(*traceJob) error) error {
	g, ctx := errgroup.WithContext(ctx)
	jobs := make(chan *traceJob)
	order := make(chan *traceJob, 16*t.workers)
	progress := t.newProgress(paths)
	defer progress.stop()
	g.Go(func() error {
		defer close(jobs)
		defer close(order)
		r := mailReader{stdin: t.app.in, read: progress.add, emit: func(m tracedMail) error {
			j := &traceJob{mail: m, done: make(chan struct{})}
			for _, ch := range []chan *traceJob{order, jobs} {
				select {
				case ch <- j:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		}}
		return r.paths(ctx, paths)
	})
	for range t.workers {
		g.Go(func() error {
			for j := range jobs {
				t.trace(ctx, j, render)
				close(j.done)
			}
			return nil
		})
	}
	g.Go(func() error {
		for j := range order {
			select {
			case <-j.done:
			case <-ctx.Done():
				return ctx.Err()
			}
			progress.message()
			if err := take(j); err != nil {
				return err
			}
		}
		return nil
	})
	return g.Wait()
}

// trace does one job.
func (t *traceCmd) trace(ctx context.Context, j *traceJob, render bool) {
	m := &j.mail
	if m.err != nil {
		j.result = trace.Failed(m.err)
	} else {
		msg := message.Read(pasted(m.raw), message.DefaultLimits())
		j.result = t.tracer.TraceMessage(msg)
		j.header = t.report.headerOf(msg)
		if t.resolver != nil {
			t.check(ctx, &j.result, msg)
		}
	}
	j.result.Source, j.result.Message = m.source, m.number
	m.raw = nil
	if !render {
		return
	}
	t.organisations(ctx, &j.result)
	var b bytes.Buffer
	if t.app.json {
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(&j.result); err != nil {
			j.mail.err = err
		}
	} else if m.err == nil {
		t.ladder(&b, &j.result)
	}
	j.text = b.Bytes()
}

// check asks the DNS. A message that was cut short has no body to verify an ARC
// chain against.
func (t *traceCmd) check(ctx context.Context, r *trace.Result, m *message.Message) {
	if len(m.Raw) >= maxKept {
		t.resolver.Check(ctx, r, m.Header)
		return
	}
	t.resolver.CheckMessage(ctx, r, m)
}

// runEach prints every message.
func (t *traceCmd) runEach(ctx context.Context, paths []string) error {
	err := t.pipeline(ctx, paths, true, func(j *traceJob) error {
		if j.mail.err != nil {
			t.failed(j.mail.source, j.mail.err)
		} else if t.messages++; t.messages > 1 && !t.app.json {
			if _, err := io.WriteString(t.app.out, "\n"); err != nil {
				return err
			}
		}
		_, err := t.app.out.Write(j.text)
		return err
	})
	return t.outcome(err)
}

// outcome is the command's error: what broke it off, or that something could
// not be read.
func (t *traceCmd) outcome(err error) error {
	if err != nil {
		return err
	}
	if t.failures > 0 {
		return exitWith(exitFailed, errors.New(""))
	}
	return nil
}
