package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFindMTA(t *testing.T) {
	tests := []struct{ name, list, want string }{
		{"postfix itself", "installed\tpostfix\tdefault-mta, mail-transport-agent\n", ""},
		{"exim", "installed\tzsh\t\ninstalled\texim4-daemon-light\tmail-transport-agent\n", "exim4-daemon-light"},
		{"removed exim", "config-files\texim4-daemon-light\tmail-transport-agent\n", ""},
		{"none", "installed\tbash\t\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := findMTA(tt.list); got != tt.want {
				t.Errorf("findMTA = %q, want %q", got, tt.want)
			}
		})
	}
}

func TestParseDepends(t *testing.T) {
	out := "sendmail-bin\n  PreDepends: debconf\n  Depends: sendmail-base\n  Depends: libssl3\n" +
		"  Depends: <virtual>\nsendmail-cf\n  Depends: m4\n  Depends: libssl3\n"
	got := parseDepends(out, []string{"sendmail-bin", "sendmail-cf"})
	if diff := cmp.Diff([]string{"libssl3", "m4"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestServicePolicyComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "policy-rc.d")
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil {
			got = []byte("absent")
		}
		if string(got) != want {
			t.Errorf("policy is %q, want %q", got, want)
		}
	}
	refuse := func() func() error {
		t.Helper()
		restore, err := keepServicesFromStarting(path)
		if err != nil {
			t.Fatal(err)
		}
		check("#!/bin/sh\nexit 101\n")
		return restore
	}
	if err := refuse()(); err != nil {
		t.Fatal(err)
	}
	check("absent")

	if err := os.WriteFile(path, []byte("mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := refuse()(); err != nil {
		t.Fatal(err)
	}
	check("mine")

	refuse() // a run that is killed restores nothing; the next one does
	if err := refuse()(); err != nil {
		t.Fatal(err)
	}
	check("mine")
}
