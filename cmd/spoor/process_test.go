package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"spoor/cmd/spoor/control"
)

// asSpoor names the variable that makes this test binary run as spoor, so that tests can start and kill it.
const asSpoor = "SPOOR_TEST_AS_SPOOR"

// spoorCommand is this binary as the command spoor.
func spoorCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"--config", filepath.Join(dir, "spoor.toml")}, args...)...)
	cmd.Env = append(os.Environ(), asSpoor+"=1")
	cmd.Dir = dir
	return cmd
}

// A process is a running `spoor serve`.
type process struct {
	t      testing.TB
	dir    string
	cmd    *exec.Cmd
	log    *logTail
	ended  chan struct{}
	err    error
	status control.Status
}

// A logTail keeps the end of a log, of which a soak writes gigabytes.
type logTail struct {
	mu   sync.Mutex
	text []byte
}

func (l *logTail) Write(p []byte) (int, error) {
	const most = 1 << 20
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.text = append(l.text, p...); len(l.text) > 2*most {
		l.text = bytes.Clone(l.text[len(l.text)-most:])
	}
	return len(p), nil
}

func (l *logTail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}

// startServe starts a daemon on dir/spoor.toml and waits until it answers.
func startServe(t testing.TB, dir string, wrap ...string) *process {
	t.Helper()
	p := &process{t: t, dir: dir, log: &logTail{}, ended: make(chan struct{})}
	p.cmd = spoorCommand(context.Background(), dir, "serve")
	if len(wrap) > 0 {
		p.cmd.Args = append(wrap, append([]string{p.cmd.Path}, p.cmd.Args[1:]...)...)
		p.cmd.Path, p.cmd.Err = exec.LookPath(wrap[0])
	}
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("log of the daemon:\n%s", tail(p.log.String(), 60))
		}
	})
	p.waitReady()
	return p
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func (p *process) waitReady() {
	p.t.Helper()
	p.until("the daemon answers", func() bool {
		return p.ask() == nil
	})
}

// ask renews p.status.
func (p *process) ask() error {
	client, err := control.Dial(filepath.Join(p.dir, "store", "control.sock"))
	if err != nil {
		return err
	}
	return client.Get(context.Background(), "/status", nil, func(line json.RawMessage) error { return json.Unmarshal(line, &p.status) })
}

// waiting is how many tasks of the desk are not done; -1 where the daemon cannot tell.
func (p *process) waiting() int {
	if p.ask() != nil {
		return -1
	}
	return p.status.Waiting
}

// until polls, since what is waited for happens in another process.
func (p *process) until(what string, done func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if done() {
			return
		}
		select {
		case <-p.ended:
			p.t.Fatalf("the daemon ended (%v) before: %s\n%s", p.err, what, tail(p.log.String(), 30))
		default:
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("it never came that: %s", what)
		}
	}
}

// kill ends the daemon, and whatever it was wrapped in, at once.
func (p *process) kill() {
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

// stop asks the daemon to finish, and returns how it ended.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.ended
	return p.err
}

// smtp is the address of the first SMTP listener.
func (p *process) smtp() string { return p.status.SMTP[0] }

// metric sums the samples of a metric, of all label values or of those that contain a text.
func (p *process) metric(name, label string) (sum float64) {
	p.t.Helper()
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", filepath.Join(p.dir, "store", "control.sock"))
	}
	client := http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}
	resp, err := client.Get("http://spoor/metrics")
	if err != nil {
		return -1
	}
	defer resp.Body.Close()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		line := lines.Text()
		if rest, ok := strings.CutPrefix(line, name); ok && (strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, " ")) && strings.Contains(rest, label) {
			value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				p.t.Fatal(err)
			}
			sum += value
		}
	}
	return sum
}

// settle waits until the daemon has decided about n mails since its start and nothing waits to be sent.
func (p *process) settle(n int) {
	p.t.Helper()
	p.until(fmt.Sprintf("%d mails are decided and nothing waits", n), func() bool {
		return p.metric("spoor_desk_mails_total", "") >= float64(n) && p.waiting() == 0
	})
}

// spoor runs a command against the daemon and returns what it prints.
func (p *process) spoor(stdin []byte, args ...string) (string, error) {
	cmd := spoorCommand(context.Background(), p.dir, args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("spoor %s: %w: %s", strings.Join(args, " "), err, errs.Bytes())
	}
	return string(out), err
}
