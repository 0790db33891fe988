package control

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type thing struct {
	N int `json:"n"`
}

func things(stop int, err error) iter.Seq2[thing, error] {
	return func(yield func(thing, error) bool) {
		for n := range stop {
			if !yield(thing{n}, nil) {
				return
			}
		}
		if err != nil {
			yield(thing{}, err)
		}
	}
}

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /things", func(w http.ResponseWriter, r *http.Request) { Stream(w, things(3, nil)) })
	mux.HandleFunc("GET /broken", func(w http.ResponseWriter, r *http.Request) { Stream(w, things(2, errors.New("cut"))) })
	mux.HandleFunc("GET /missing", func(w http.ResponseWriter, r *http.Request) {
		Stream(w, things(0, &Error{Status: http.StatusNotFound, Message: "no such thing", Hint: "list them"}))
	})
	mux.HandleFunc("POST /echo", func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		Reply(w, map[string]string{"got": string(data)}, err)
	})
	return mux
}

// clients are the two ways to the same answers.
func clients(t *testing.T) map[string]*Client {
	path := filepath.Join(t.TempDir(), "control.sock")
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- Serve(ctx, ln, handler(), slog.New(slog.DiscardHandler)) }()
	client, err := Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.http.CloseIdleConnections()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return map[string]*Client{"socket": client, "in process": Local(handler())}
}

func TestBothWaysAnswerAlike(t *testing.T) {
	for name, client := range clients(t) {
		t.Run(name, func(t *testing.T) {
			ctx := context.Background()
			sum := 0
			add := func(line json.RawMessage) error {
				var v thing
				err := json.Unmarshal(line, &v)
				sum += v.N + 1
				return err
			}
			if err := client.Get(ctx, "/things", url.Values{"a": {"b"}}, add); err != nil || sum != 6 {
				t.Errorf("sum %d, error %v", sum, err)
			}
			var reply struct{ Got string }
			if err := client.PostRaw(ctx, "/echo", "text/plain", strings.NewReader("hello"), &reply); err != nil || reply.Got != "hello" {
				t.Errorf("echo %q, error %v", reply.Got, err)
			}
			err := client.Get(ctx, "/missing", nil, add)
			if e, ok := errors.AsType[*Error](err); !ok || e.Status != 404 || e.Hint != "list them" {
				t.Errorf("error %#v", err)
			}
			if err := client.Get(ctx, "/broken", nil, add); err == nil {
				t.Error("an answer that was cut off is taken as whole")
			}
		})
	}
}

func TestDialWithoutDaemon(t *testing.T) {
	if _, err := Dial(filepath.Join(t.TempDir(), "none.sock")); !errors.Is(err, ErrNoDaemon) {
		t.Errorf("error %v", err)
	}
}

// TestSocketIsPrivateFromTheFirst: between its making and its mode nobody may slip in, even with an open umask.
func TestSocketIsPrivateFromTheFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	defer syscall.Umask(syscall.Umask(0))
	ln, err := listenPrivately(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket is made as %v: %v", info.Mode(), err)
	}
}

func TestListenTakesOverAStaleSocketOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_ = conn.Close()
		}
	}()
	if _, err := Listen(path); err == nil {
		t.Error("a second daemon takes the socket of a living one")
	}
}
