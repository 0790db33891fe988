package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"spoor/cmd/spoor/config"
)

// Exit codes, as the manual documents them.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2
	exitTryLater = 75 // EX_TEMPFAIL of sysexits: the MTA keeps the mail and calls again
)

// An app is one run of the command: its streams and the flags that every subcommand has.
type app struct {
	in         io.Reader
	out, errw  io.Writer
	configPath string
	json       bool
}

// An exitError is an error that ends the command with a code of its own.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// exitWith gives err the exit code that the command ends with.
func exitWith(code int, err error) error { return &exitError{code, err} }

// usageError is an error of the caller: exit code 2, with a hint at the subcommand's help.
func usageError(format string, args ...any) error {
	return exitWith(exitUsage, fmt.Errorf(format, args...))
}

// run parses the arguments, runs the subcommand and turns its error into text and an exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errw io.Writer) int {
	a := &app{in: in, out: out, errw: errw}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errw)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitDone
	}
	code := exitFailed
	var exit *exitError
	if errors.As(err, &exit) {
		code = exit.code
	}
	if text := err.Error(); text != "" {
		fmt.Fprintf(errw, "spoor: %s\n", text)
	}
	return code
}

// config reads spoor.toml: the file of --config or $SPOOR_CONFIG, which must exist, or else the usual place,
// which may be absent (then everything has its default).
func (a *app) config() (config.Config, error) {
	cfg, err := config.Load(a.configPath)
	if err != nil {
		return cfg, exitWith(exitUsage, err)
	}
	return cfg, nil
}

// emit prints v as one line of JSON.
func (a *app) emit(v any) error {
	enc := json.NewEncoder(a.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// table begins a table in the house's look: aligned, no frame, headings in capitals.
func (a *app) table(headings ...any) table.Writer {
	t := table.NewWriter()
	t.SetOutputMirror(a.out)
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	if len(headings) > 0 {
		t.AppendHeader(headings)
	}
	return t
}

// terminal says whether w is a terminal, for colour and progress.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// colour says whether to colour the output: on a terminal, unless NO_COLOR is set.
func (a *app) colour() bool { return terminal(a.out) && os.Getenv("NO_COLOR") == "" }

// hint appends to an error what the reader can do about it.
func hint(err error, format string, args ...any) error {
	return fmt.Errorf("%w\nhint: %s", err, fmt.Sprintf(format, args...))
}

// noArgs refuses arguments with the usage exit code, which cobra's own check does not give.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return usageError("%s takes no arguments, but was given %q\nhint: see %s --help", cmd.CommandPath(), strings.Join(args, " "), cmd.CommandPath())
}
