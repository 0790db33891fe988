package main

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	file "spoor/internal/bolt"
)

// A program that goes back to an earlier version meets the stores of the later one: the daemon and check refuse, say what to
// run instead, and leave the file as it is.
func TestStoreOfALaterVersion(t *testing.T) {
	dir, _ := crashSetup(t)
	path := filepath.Join(dir, "store", "mail.db")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	nothing := func(*bbolt.Tx) error { return nil }
	db, err := file.Open(path, file.Options{Migrations: slices.Repeat([]file.Migration{nothing}, 9)})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"serve", "check"} {
		out, err := spoorCommand(context.Background(), dir, command).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "newer version: it has version 9") || !strings.Contains(string(out), "run the spoor that wrote it") || strings.Contains(string(out), "backup") {
			t.Errorf("%s ends with %v and says %s", command, err, out)
		}
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed, %v", err)
	}
}
