package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"spoor/cmd/spoor/control"
)

// TestSatellite runs `serve --only milter` beside a daemon: it shares the configuration and none of the stores.
func TestSatellite(t *testing.T) {
	dir, _ := crashSetup(t)
	path := filepath.Join(dir, "spoor.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "[milter]\nlisten = [\"127.0.0.1:0\"]\n"...)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := startServe(t, dir)
	satellite := spoorCommand(context.Background(), dir, "serve", "--only", "milter")
	if err := satellite.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- satellite.Wait() }()
	t.Cleanup(func() { _ = satellite.Process.Kill() })
	daemon.until("the satellite answers at a socket of its own", func() bool {
		_, err := control.Dial(filepath.Join(dir, "store", "control-milter.sock"))
		return err == nil
	})
	if _, err := daemon.spoor(nil, "incidents", "list"); err != nil {
		t.Errorf("the daemon no longer answers: %v", err)
	}
	if err := satellite.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the satellite ended with %v", err)
	}
}

// TestSecondDaemonIsRefused starts a second daemon on one store: it must say so and leave the first alone.
func TestSecondDaemonIsRefused(t *testing.T) {
	dir, _ := crashSetup(t)
	daemon := startServe(t, dir)
	out, err := spoorCommand(context.Background(), dir, "serve").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "another") {
		t.Errorf("a second daemon ended with %v and said %s", err, out)
	}
	if err := daemon.ask(); err != nil {
		t.Errorf("the first daemon no longer answers: %v", err)
	}
}
