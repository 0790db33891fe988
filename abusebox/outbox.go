package abusebox

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"sync"
	"time"

	"spoor/abusebox/incident"
	"spoor/abusebox/notify"
)

// deliver does what the outbox holds, until ctx ends; what it has begun it finishes.
func (d *Desk) deliver(ctx context.Context) error {
	slots := make(chan struct{}, max(d.d.Notify.Workers, 1))
	var running sync.WaitGroup
	defer running.Wait()
	for {
		tasks, err := d.lease(ctx, cap(slots)-len(slots))
		if err != nil && ctx.Err() == nil {
			d.metrics.failures.WithLabelValues("outbox").Inc()
			d.log.Error("desk: outbox", "err", err)
		}
		for _, task := range tasks {
			slots <- struct{}{}
			running.Go(func() {
				defer func() { <-slots; d.poke() }()
				d.do(ctx, task)
			})
		}
		if err := d.rest(ctx, len(tasks) > 0 && len(slots) < cap(slots), err); err != nil {
			return err
		}
	}
}

func (d *Desk) lease(ctx context.Context, free int) ([]incident.Task, error) {
	if free <= 0 {
		return nil, nil
	}
	now := d.now().UTC()
	if _, next, err := d.d.Store.Backlog(ctx); err != nil || next.IsZero() || next.After(now) {
		return nil, err // most times nothing is due, and that needs no transaction
	}
	hold := d.hold()
	return d.d.Store.Lease(ctx, LeaseRequest{Now: now, Until: now.Add(hold), Limit: free, PerContact: d.d.Notify.PerContact, PerHour: d.d.Notify.PerHour})
}

// rest waits until there may be something to do: a task was queued, or one came due.
func (d *Desk) rest(ctx context.Context, more bool, failed error) error {
	if more && failed == nil {
		return ctx.Err()
	}
	wait := time.Second
	if n, next, err := d.d.Store.Backlog(ctx); err == nil {
		d.metrics.backlog.Set(float64(n))
		if next.IsZero() {
			wait = time.Minute
		} else {
			wait = min(max(next.Sub(d.now()), 20*time.Millisecond), time.Minute)
		}
	}
	if failed != nil {
		wait = time.Second
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-d.wake:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// hold is how long a task is leased. Nothing may be tried for longer, or somebody else would try it as well.
func (d *Desk) hold() time.Duration {
	return 2*d.d.Notify.Timeout.Std() + d.d.Notify.HookTimeout.Std()
}

// do carries out one task and says how it ended.
func (d *Desk) do(ctx context.Context, task incident.Task) {
	ctx, cancel := outlive(ctx, drainFor)
	defer cancel()
	ctx, stop := context.WithTimeout(ctx, d.hold()*9/10)
	defer stop()
	var result Result
	err := guard(func() error { result = d.attempt(ctx, task); return nil })
	if err != nil {
		d.log.Error("desk: task", "task", task.ID, "err", err)
		result = d.again(task, err)
	}
	if ctx.Err() != nil && result.State != incident.Sent {
		return // the lease ends by itself, and the task is done by who comes next
	}
	result.At = d.now().UTC()
	settle := context.WithoutCancel(ctx) // what was sent must be noted, or it is sent again
	if _, err := retryFor(settle, 10*time.Second, func() (struct{}, error) { return struct{}{}, d.d.Store.Settle(settle, task.ID, result) }); err != nil {
		d.log.Error("desk: settle", "task", task.ID, "err", err)
		return
	}
	d.metrics.tasks.WithLabelValues(string(task.Kind), string(result.State)).Inc()
	d.log.Info("task", "id", task.ID, "kind", task.Kind, "result", result.State, "attempt", task.Attempts, "message_id", result.MessageID, "said", result.Last)
	if result.State == incident.Failed || result.State == incident.Expired {
		if err := d.undeliverable(settle, task, result.Last, false); err != nil {
			d.log.Error("desk: undeliverable", "task", task.ID, "err", err)
		}
	}
}

// drainFor is how long what was begun may go on after the Desk was told to end: a mail that is cut off after its
// last byte arrives twice.
const drainFor = 10 * time.Second

// outlive returns a context that ends some time after its parent.
func outlive(parent context.Context, by time.Duration) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(parent))
	stop := context.AfterFunc(parent, func() {
		timer := time.NewTimer(by)
		defer timer.Stop()
		select {
		case <-timer.C:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, func() { stop(); cancel() }
}

// retryFor is retry with an end, for what must be tried though the Desk is ending.
func retryFor[T any](ctx context.Context, limit time.Duration, do func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return retry(ctx, do)
}

func (d *Desk) attempt(ctx context.Context, task incident.Task) Result {
	switch task.Kind {
	case incident.Hook:
		return d.hook(ctx, task)
	case incident.Block:
		return d.propose(ctx, task)
	}
	return d.mail(ctx, task)
}

// mail composes a task's mail once, keeps it, and sends the same bytes at every attempt.
func (d *Desk) mail(ctx context.Context, task incident.Task) Result {
	notice, err := d.notice(ctx, task)
	if errors.Is(err, notify.ErrNobody) {
		return Result{State: incident.Failed, Last: err.Error()}
	}
	if err != nil {
		return d.again(task, err)
	}
	if !d.d.Notify.Send || d.d.Transport == nil {
		return Result{State: incident.Dry, Last: "sending is off", MessageID: notice.MessageID}
	}
	err = d.d.Transport.Deliver(ctx, notice)
	if err == nil {
		return Result{State: incident.Sent, MessageID: notice.MessageID}
	}
	var refused *notify.DeliveryError
	if errors.As(err, &refused) && refused.Permanent() {
		return Result{State: incident.Failed, Last: err.Error(), MessageID: notice.MessageID, Broken: refused.Recipient}
	}
	return d.again(task, err)
}

func (d *Desk) notice(ctx context.Context, task incident.Task) (notify.Notice, error) {
	if task.MessageID != "" {
		raw, err := d.d.Store.Mail(ctx, task.ID)
		if err == nil {
			return d.d.Composer.Again(task, raw)
		}
		if !errors.Is(err, ErrNotFound) {
			return notify.Notice{}, err
		}
	}
	job, err := d.job(ctx, task)
	if err != nil {
		return notify.Notice{}, err
	}
	notice, err := d.d.Composer.Compose(ctx, job)
	if err != nil {
		return notice, err
	}
	return notice, d.d.Store.Composed(ctx, task.ID, notice.MessageID, notice.Raw)
}

func (d *Desk) job(ctx context.Context, task incident.Task) (notify.Job, error) {
	job := notify.Job{Task: task, Now: d.now().UTC()}
	if task.Kind == incident.Education {
		lessons, err := d.lessons(ctx, task.Why)
		job.Incidents = lessons
		return job, err
	}
	for _, id := range task.Incidents {
		i, err := d.d.Store.Incident(ctx, id)
		if errors.Is(err, ErrNotFound) {
			continue // purged since
		}
		if err != nil {
			return job, err
		}
		job.Incidents = append(job.Incidents, i)
	}
	if len(task.Incidents) > 0 && len(job.Incidents) == 0 {
		return job, fmt.Errorf("task %d: its incidents are gone: %w", task.ID, ErrNotFound)
	}
	return job, nil
}

// again puts a task off: twice as long each time, until it expires.
func (d *Desk) again(task incident.Task, err error) Result {
	now := d.now().UTC()
	if errors.Is(err, ErrNotFound) {
		return Result{State: incident.Cancelled, Last: err.Error()}
	}
	wait := d.d.Notify.RetryFirst.Std()
	for range min(task.Attempts-1, 20) {
		wait = min(2*wait, d.d.Notify.RetryMost.Std())
	}
	if !now.Add(wait).Before(task.Expires) {
		return Result{State: incident.Expired, Last: err.Error()}
	}
	return Result{State: incident.Queued, Due: now.Add(wait), Last: err.Error()}
}

// A hookInput is what a hook program reads on its standard input.
type hookInput struct {
	Rule     string            `json:"rule"`
	Task     uint64            `json:"task"`
	Attempt  int               `json:"attempt"`
	Incident incident.Incident `json:"incident"`
}

// maxHookOutput bounds what is kept of a hook's output.
const maxHookOutput = 2000

// hook runs a program with the incident as JSON on its input. Exit 0 is done; anything else is tried again.
func (d *Desk) hook(ctx context.Context, task incident.Task) Result {
	job, err := d.job(ctx, task)
	if err != nil {
		return d.again(task, err)
	}
	input, err := json.Marshal(hookInput{Rule: task.Rule, Task: task.ID, Attempt: task.Attempts, Incident: job.Incidents[0]})
	if err != nil {
		return d.again(task, err)
	}
	ctx, cancel := context.WithTimeout(ctx, d.d.Notify.HookTimeout.Std())
	defer cancel()
	cmd := exec.CommandContext(ctx, task.Hook)
	cmd.Stdin = bytes.NewReader(input)
	output := &tail{}
	cmd.Stdout, cmd.Stderr = output, output
	cmd.WaitDelay = time.Second // a grandchild that keeps the pipe open must not hold us
	if err := cmd.Run(); err != nil {
		return d.again(task, fmt.Errorf("%s: %w: %s", task.Hook, err, output))
	}
	return Result{State: incident.Sent, Last: output.String()}
}

// A tail keeps the first bytes written to it and drops the rest.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p[:min(len(p), maxHookOutput-len(t.buf))]...)
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return cut(string(t.buf), maxHookOutput)
}

// propose hands a restriction to who decides about those.
func (d *Desk) propose(ctx context.Context, task incident.Task) Result {
	if d.d.Blocker == nil {
		return Result{State: incident.Dry, Last: "proposed; no blocks are configured, so a person carries it out"}
	}
	job, err := d.job(ctx, task)
	if err != nil {
		return d.again(task, err)
	}
	if err := d.d.Blocker.Propose(ctx, job.Incidents[0], task.Why); err != nil {
		return d.again(task, err)
	}
	return Result{State: incident.Sent, Last: "proposed"}
}
