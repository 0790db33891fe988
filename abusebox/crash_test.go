package abusebox_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"spoor/abusebox"
	"spoor/abusebox/incident"
	"spoor/abusebox/intake"
	"spoor/abusebox/notify"
	boltstore "spoor/abusebox/store/bolt"
	"spoor/internal/unit"
)

// The environment that makes this test binary a desk of its own, to be killed.
const (
	childDir   = "SPOOR_DESK_CHILD_DIR"
	childSink  = "SPOOR_DESK_CHILD_SINK"
	childFirst = "SPOOR_DESK_CHILD_FIRST" // number of its first mail; "" writes none
	childHook  = "SPOOR_DESK_CHILD_HOOK"
)

const (
	crashSenders = 32
	crashHosts   = 40
)

// runAsChild runs a desk until its input ends, telling each mail that is acknowledged, and "idle" when all is done.
func runAsChild() bool {
	dir := os.Getenv(childDir)
	if dir == "" {
		return false
	}
	if err := child(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func child(dir string) error {
	cfg := intake.DefaultSpoolConfig()
	cfg.Dir, cfg.MinFree = dir, 1
	quiet := discardLogger()
	spool, err := intake.OpenSpool(cfg, intake.SpoolDeps{Logger: quiet})
	if err != nil {
		return err
	}
	store, err := boltstore.Open(filepath.Join(dir, "mail.db"), boltstore.Options{})
	if err != nil {
		return err
	}
	desk, err := childDesk(spool, store)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- desk.Run(ctx) }()
	var users sync.WaitGroup
	if first := os.Getenv(childFirst); first != "" {
		n := 0
		_, _ = fmt.Sscan(first, &n)
		for w := range crashSenders {
			users.Go(func() { send(ctx, spool, n+w) })
		}
	} else {
		users.Go(func() { tellIdle(ctx, store, spool) }) // it reads what is closed below
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	cancel()
	users.Wait()
	if err := <-done; err != nil {
		return err
	}
	if err := store.Close(); err != nil {
		return err
	}
	return spool.Close()
}

func childDesk(spool *intake.Spool, store abusebox.Store) (*abusebox.Desk, error) {
	nc := notify.DefaultConfig()
	nc.From, nc.Smarthost, nc.Send = "abuse@example.net", os.Getenv(childSink), true
	nc.RetryFirst, nc.RetryMost, nc.PerContact = unit.Duration(100*time.Millisecond), unit.Duration(100*time.Millisecond), 10_000
	signer, err := notify.NewSigner([]byte("a secret of the tests"), nc.From)
	if err != nil {
		return nil, err
	}
	templates, err := notify.LoadTemplates("")
	if err != nil {
		return nil, err
	}
	composer, err := notify.NewComposer(notify.Deps{Config: nc, Site: "Example", Desk: "desk@example.net", Instance: instance, Templates: templates, Signer: signer})
	if err != nil {
		return nil, err
	}
	transport, err := notify.NewSmarthost(nc, "desk.example", "")
	if err != nil {
		return nil, err
	}
	policy := incident.DefaultPolicy()
	policy.DigestEvery, policy.Deadline = 300*time.Millisecond, 300*time.Millisecond
	policy.Rules = []incident.Rule{{Name: "hook", Do: incident.DoHook, Hook: os.Getenv(childHook)}}
	config := abusebox.DefaultConfig()
	config.ReviewEvery = unit.Duration(100 * time.Millisecond)
	return abusebox.New(abusebox.Deps{Config: config, Policy: policy, Notify: nc, Store: store, Spool: spool, Read: reader(instance),
		Holders: customers{"*": {customer("c1")}}, Signer: signer, Composer: composer, Transport: transport, Instance: instance})
}

func send(ctx context.Context, spool *intake.Spool, n int) {
	for ; ctx.Err() == nil; n += crashSenders {
		raw := strings.ReplaceAll(arf(fmt.Sprintf("192.0.2.%d", n%crashHosts), time.Now(), n), "\n", "\r\n")
		id, err := spool.Put(ctx, intake.Mail{Envelope: intake.Envelope{From: "fbl@reporter.example", Recipients: []string{"abuse@example.net"}}, Raw: []byte(raw)})
		if err == nil {
			fmt.Printf("ack %d %s\n", n, id)
		}
	}
}

// tellIdle says so when every mail is decided and nothing is due but what a later look at the clock may bring.
func tellIdle(ctx context.Context, store abusebox.Store, spool *intake.Spool) {
	for ctx.Err() == nil {
		open := 0
		_, err := spool.Scan(ctx, 0, func(intake.ID, intake.Mail) error { open++; return nil })
		for m, e := range store.Mails(ctx, 0) {
			if e == nil && m.Done() {
				open--
			}
		}
		if n, _, e := store.Backlog(ctx); err == nil && e == nil && open == 0 && n == 0 {
			fmt.Println("idle")
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// TestCrash kills the desk in the middle of its work, again and again, until every kind of mail was under way: no
// acknowledged mail is lost, none is decided twice, and notices, digests, reminders, escalations and hooks are exact by
// their Message-ID and task.
func TestCrash(t *testing.T) {
	if testing.Short() {
		t.Skip("kills processes for a while")
	}
	const least, most = 5, 60
	dir, mails := t.TempDir(), newSink(t)
	hooked := filepath.Join(dir, "hooked")
	hook := script(t, `printf '%s\n' "$(sed -e 's/.*"task":\([0-9]*\),.*/\1/')" >> `+hooked)
	acked := map[string]int{}
	rounds := 0
	for ; rounds < least || rounds < most && !everyKind(t, dir); rounds++ {
		c := startChild(t, dir, mails.addr, hook, fmt.Sprint(rounds*1_000_000))
		c.read(t, acked, time.Duration(100+rand.IntN(300))*time.Millisecond)
		c.kill()
		if rounds%2 == 1 { // three crashes over one mail would rightly put it aside
			calm := startChild(t, dir, mails.addr, hook, "")
			calm.untilIdle(t)
			calm.kill()
		}
	}
	last := startChild(t, dir, mails.addr, hook, "")
	last.untilIdle(t)
	last.end(t)
	if !everyKind(t, dir) {
		t.Errorf("digests, reminders and escalations were not all sent in %d rounds", rounds)
	}
	checkAfterCrash(t, dir, mails, acked, hooked, rounds)
}

// everyKind reports whether the desk, while nobody has its store open, has sent a mail of every kind that its clock brings.
func everyKind(t *testing.T, dir string) bool {
	t.Helper()
	store, err := boltstore.Open(filepath.Join(dir, "mail.db"), boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	missing := map[incident.TaskKind]bool{incident.Digest: true, incident.Reminder: true, incident.Escalation: true}
	for task, err := range store.Tasks(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if task.State == incident.Sent {
			delete(missing, task.Kind)
		}
	}
	return len(missing) == 0
}

type deskChild struct {
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan string
}

func startChild(t *testing.T, dir, sink, hook, first string) *deskChild {
	t.Helper()
	return startWith(t, exec.Command(os.Args[0], "-test.run=^$"), dir, sink, hook, first)
}

func startWith(t *testing.T, cmd *exec.Cmd, dir, sink, hook, first string) *deskChild {
	t.Helper()
	c := &deskChild{cmd: cmd, lines: make(chan string, 1000)}
	c.cmd.Env = append(os.Environ(), childDir+"="+dir, childSink+"="+sink, childHook+"="+hook, childFirst+"="+first)
	c.cmd.Stderr = os.Stderr
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			c.lines <- s.Text()
		}
	}()
	return c
}

// read collects what is acknowledged, for a while from the first on, then kills.
func (c *deskChild) read(t *testing.T, acked map[string]int, span time.Duration) {
	t.Helper()
	var stop <-chan time.Time
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				t.Fatal("the desk ended by itself")
			}
			note(acked, line)
			if stop == nil {
				stop = time.After(span)
			}
		case <-stop:
			_ = c.cmd.Process.Kill()
			for line := range c.lines { // what was acknowledged before the kill counts too
				note(acked, line)
			}
			return
		}
	}
}

func note(acked map[string]int, line string) {
	n, id := 0, ""
	if _, err := fmt.Sscanf(line, "ack %d %s", &n, &id); err == nil {
		acked[id] = n
	}
}

func (c *deskChild) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

func (c *deskChild) untilIdle(t *testing.T) {
	t.Helper()
	for line := range c.lines {
		if line == "idle" {
			return
		}
	}
	t.Fatal("the desk ended before its work was done")
}

func (c *deskChild) end(t *testing.T) {
	t.Helper()
	_ = c.stdin.Close()
	for range c.lines { // what is acknowledged while it ends is checked by the store alone
	}
	if err := c.cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

func checkAfterCrash(t *testing.T, dir string, mails *sink, acked map[string]int, hooked string, kills int) {
	t.Helper()
	ctx := context.Background()
	store, err := boltstore.Open(filepath.Join(dir, "mail.db"), boltstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Check(ctx, func(where, problem, _ string) { t.Errorf("check: %s: %s", where, problem) }); err != nil {
		t.Error(err)
	}
	filed := 0
	for m, err := range store.Mails(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		delete(acked, m.Mail.String())
		switch m.Outcome {
		case incident.Filed:
			filed++
		default: // every mail here is a good complaint
			t.Errorf("mail %s is %q after %d attempts: %s", m.Mail, m.Outcome, m.Attempts, m.Why)
		}
	}
	if len(acked) > 0 {
		t.Errorf("%d acknowledged mails were lost", len(acked))
	}
	reports := 0
	for i, err := range store.Incidents(ctx, abusebox.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		reports += i.Reports
	}
	if reports != filed {
		t.Errorf("%d mails were filed, and %d reports stand in incidents", filed, reports)
	}
	checkTasksAfterCrash(t, store, mails, hooked, kills)
	t.Logf("%d mails filed, %d notices received", filed, mails.count())
}

func checkTasksAfterCrash(t *testing.T, store abusebox.Store, mails *sink, hooked string, kills int) {
	t.Helper()
	got := map[string]int{}
	for n := range mails.count() {
		got[mails.mail(n).Header.Get("Message-ID")]++
	}
	ran := map[string]int{}
	for id := range strings.FieldsSeq(read(t, hooked)) {
		ran[id]++
	}
	kinds, repeats := map[incident.TaskKind]int{}, 0
	for task, err := range store.Tasks(context.Background(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		byClock := task.Kind != incident.Notice && task.Kind != incident.Hook
		if task.State == incident.Cancelled || byClock && task.State == incident.Queued && task.Attempts == 0 {
			continue // the clock queued it after the desk had said that all was done; it still waits
		}
		kinds[task.Kind]++
		times := got[task.MessageID]
		if task.Kind == incident.Hook {
			times = ran[fmt.Sprint(task.ID)]
		} else {
			delete(got, task.MessageID)
		}
		if times == 0 || task.State != incident.Sent {
			t.Errorf("task %d (%s, %s) was carried out %d times", task.ID, task.Kind, task.State, times)
		}
		repeats += max(times-1, 0)
	}
	if len(got) > 0 {
		t.Errorf("%d mails came from no task: %v", len(got), got)
	}
	if kinds[incident.Notice] != crashHosts || kinds[incident.Hook] != crashHosts {
		t.Errorf("%d first notices and %d hooks for %d hosts", kinds[incident.Notice], kinds[incident.Hook], crashHosts)
	}
	if limit := kills * notify.DefaultConfig().Workers; repeats > limit {
		t.Errorf("%d repeats, at most %d can be in flight", repeats, limit)
	}
	t.Logf("tasks %v, %d repeated", kinds, repeats)
}
