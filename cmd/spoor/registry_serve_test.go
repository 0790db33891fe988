package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spoor/cmd/spoor/config"
	"spoor/internal/peers"
)

// TestRegistryServes runs the registry as the daemon does: the three servers answer, and a changed file of contacts
// is seen by all without a restart.
func TestRegistryServes(t *testing.T) {
	dir := t.TempDir()
	written := time.Now().Add(-time.Hour) // a file that was written just now is not read yet
	write := func(name, text string) {
		path := filepath.Join(dir, name)
		written = written.Add(time.Second)
		if err := errors.Join(os.WriteFile(path, []byte(text), 0o644), os.Chtimes(path, written, written)); err != nil {
			t.Fatal(err)
		}
	}
	contact := "[[contact]]\nNext-Hop = \"192.0.2.1\"\nOrg-Name = %q\nAbuse-Contact = \"abuse@example.org\"\n"
	write("contacts.toml", fmt.Sprintf(contact, "First"))
	write("routes.csv", "prefix,next_hop\n198.51.100.0/24,192.0.2.1\n")
	cfg := config.Default()
	cfg.Path, cfg.Store.Dir = filepath.Join(dir, "spoor.toml"), filepath.Join(dir, "store")
	cfg.Registry.Contacts, cfg.Registry.Routes = []string{"contacts.toml"}, []string{"routes.csv"}
	cfg.Registry.ReloadEvery = 100_000_000
	addr := func() string { return fmt.Sprintf("127.0.0.1:%d", peers.FreePort(t)) }
	s := &cfg.Registry.Serve
	s.RWhois, s.Whois, s.RDAP = addr(), addr(), addr()
	ctx, cancel := context.WithCancel(context.Background())
	log := &logTail{}
	room, err := openRegistry(ctx, cfg, slog.New(slog.NewTextHandler(log, nil)), prometheus.NewRegistry(), true)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- room.Run(ctx) }()
	answers := func() string { return askTCP(s.RWhois) + askTCP(s.Whois) + askHTTP(s.RDAP) }
	peers.WaitFor(t, 3*time.Minute, "three answers", func() bool { return strings.Count(answers(), "First") >= 3 })
	write("contacts.toml", fmt.Sprintf(contact, "Second")+"# so that its size differs\n")
	peers.WaitFor(t, 3*time.Minute, "three new answers", func() bool { return strings.Count(answers(), "Second") >= 3 })
	write("contacts.toml", "[[contact]]\nNext-Hop = 7\n")
	peers.WaitFor(t, 3*time.Minute, "the mistake to be told", func() bool { return strings.Contains(log.String(), "registry files not reloaded") })
	if got := answers(); strings.Count(got, "Second") < 3 {
		t.Errorf("after a mistake in the file: %s", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := room.Close(); err != nil {
		t.Error(err)
	}
}

func askTCP(addr string) string {
	conn, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return ""
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	_, _ = io.WriteString(conn, "198.51.100.7\r\n")
	answer, _ := io.ReadAll(conn)
	return string(answer)
}

func askHTTP(addr string) string {
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + addr + "/ip/198.51.100.7")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(resp.Body)
	return string(answer)
}
