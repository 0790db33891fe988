// Package control is how commands and services reach the one process that owns the store: JSON over HTTP on a
// Unix socket. Without a daemon the same handler runs in the command's own process, so both give the same answers.
package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"spoor/internal/listen"
)

// ErrNoDaemon means that nothing listens on the control socket.
var ErrNoDaemon = errors.New("control: no daemon runs")

// maxReply bounds one line of an answer.
const maxReply = 64 << 20

// maxRequest bounds the body of a request: the largest is a mail that `spoor file` hands over.
const maxRequest = 256 << 20

// An Error is an answer that says what went wrong and what to do about it.
type Error struct {
	Status  int    `json:"-"`
	Message string `json:"error"`
	Hint    string `json:"hint,omitempty"`
}

func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "\nhint: " + e.Hint
}

// Listen opens the socket for its owner and group, taking the place of one that a crash left behind.
func Listen(path string) (net.Listener, error) {
	if err := listen.CheckPath(path); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		_ = conn.Close()
		return nil, fmt.Errorf("control: another daemon listens on %s", path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("control: remove stale socket: %w", err)
	}
	ln, err := listenPrivately(path)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	if err := os.Chmod(path, 0o660); err != nil {
		return nil, errors.Join(fmt.Errorf("control: %w", err), ln.Close())
	}
	return ln, nil
}

// listenPrivately opens a socket that only its owner can connect to, at no moment anybody else, whatever the umask: what
// the mode of the socket is before it has a name, that of its file becomes.
func listenPrivately(path string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		if err := c.Control(func(fd uintptr) { failed = unix.Fchmod(int(fd), 0o600) }); err != nil {
			return err
		}
		return failed
	}}
	return config.Listen(context.Background(), "unix", path)
}

// Serve answers on ln until ctx ends, then lets requests under way finish.
func Serve(ctx context.Context, ln net.Listener, handler http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           http.MaxBytesHandler(handler, maxRequest),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       10 * time.Minute, // a mail of the largest size, from a slow disk
		IdleTimeout:       time.Minute,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() {
		<-ctx.Done()
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		done <- server.Shutdown(drain)
	}()
	if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("control: %w", err)
	}
	return <-done
}

// A Client asks a daemon, or a handler in its own process.
type Client struct {
	http *http.Client
	base string
}

// Dial returns a client of the daemon that listens at path, or ErrNoDaemon.
func Dial(path string) (*Client, error) {
	conn, err := net.DialTimeout("unix", path, 2*time.Second)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return nil, fmt.Errorf("control: %w", err)
		}
		return nil, ErrNoDaemon
	}
	_ = conn.Close()
	dialer := net.Dialer{Timeout: 5 * time.Second}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, "unix", path)
	}, MaxIdleConnsPerHost: maxIdle}
	return &Client{&http.Client{Transport: transport}, "http://spoor"}, nil
}

// maxIdle is how many connections wait for their next question: an import asks so many at a time.
const maxIdle = 64

// Local returns a client of handler, which runs in this process.
func Local(handler http.Handler) *Client {
	return &Client{&http.Client{Transport: inProcess{handler}}, "http://spoor"}
}

// Get asks path and calls each with every line of the answer as it arrives.
func (c *Client) Get(ctx context.Context, path string, query url.Values, each func(line json.RawMessage) error) error {
	target := c.base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	return c.do(ctx, http.MethodGet, target, "", nil, each)
}

// Post sends body as JSON and decodes the answer into reply, which may be nil.
func (c *Client) Post(ctx context.Context, path string, body, reply any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	return c.PostRaw(ctx, path, "application/json", bytes.NewReader(data), reply)
}

// PostRaw sends body as it is, such as a mail, and decodes the answer into reply, which may be nil.
func (c *Client) PostRaw(ctx context.Context, path, mediaType string, body io.Reader, reply any) error {
	return c.do(ctx, http.MethodPost, c.base+path, mediaType, body, func(line json.RawMessage) error {
		if reply == nil {
			return nil
		}
		return json.Unmarshal(line, reply)
	})
}

func (c *Client) do(ctx context.Context, method, target, mediaType string, body io.Reader, each func(json.RawMessage) error) error {
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return err
	}
	if mediaType != "" {
		req.Header.Set("Content-Type", mediaType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return readError(resp)
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxReply)
	for lines.Scan() {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := each(bytes.Clone(lines.Bytes())); err != nil {
			return err
		}
	}
	return lines.Err()
}

func readError(resp *http.Response) error {
	data, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	e := &Error{Status: resp.StatusCode}
	if json.Unmarshal(data, e) != nil || e.Message == "" {
		e.Message = fmt.Sprintf("control: %s: %s", resp.Status, bytes.TrimSpace(data))
	}
	return e
}
