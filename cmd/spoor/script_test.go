package main

import (
	"context"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the scripts, and tests that need a process to kill, run this very binary as spoor.
func TestMain(m *testing.M) {
	if os.Getenv(asSpoor) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){
		"spoor": func() { os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs one script for each subcommand.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("SPOOR_CONFIG", env.WorkDir+"/spoor.toml")
			return os.WriteFile(env.WorkDir+"/spoor.toml", []byte("[store]\ndir = \""+env.WorkDir+"/store\"\n"), 0o644)
		},
	})
}
