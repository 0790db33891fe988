package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// installPackages installs without recommendations and without starting any service.
func installPackages(ctx context.Context, packages []string) (err error) {
	restore, err := keepServicesFromStarting(policyFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	if err := preseed(ctx); err != nil {
		return err
	}
	return apt(ctx, append([]string{"install", "--yes", "--no-install-recommends", "--no-upgrade"}, packages...)...)
}

// preseed keeps Postfix's package from asking, and from writing a main.cf for the machine.
func preseed(ctx context.Context) error {
	if _, err := exec.LookPath("debconf-set-selections"); err != nil {
		return nil // then no package asks anything
	}
	cmd := command(ctx, "debconf-set-selections")
	cmd.Stdin = strings.NewReader("postfix postfix/main_mailer_type select No configuration\n")
	return run1(cmd)
}

func apt(ctx context.Context, args ...string) error {
	// Another apt may be at work on a machine that has just started.
	options := []string{"-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"}
	return run1(command(ctx, "apt-get", append(options, args...)...))
}

// command ends its program softly: a killed dpkg leaves packages half installed.
func command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	return cmd
}

func run1(cmd *exec.Cmd) error {
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", strings.Join(cmd.Args, " "), err)
	}
	return nil
}

// policyFile is asked by Debian's packages whether they may start their services; 101 means no.
const policyFile = "/usr/sbin/policy-rc.d"

// keepServicesFromStarting puts a refusing policy in place; the function that
// it returns brings back what was there before.
func keepServicesFromStarting(path string) (restore func() error, err error) {
	saved := path + ".before-spoor"
	if _, err := os.Stat(saved); err == nil {
		// An earlier run was killed: what it saved is the true one.
		if err := os.Rename(saved, path); err != nil {
			return nil, err
		}
	}
	restore = func() error { return os.Remove(path) }
	switch err := os.Rename(path, saved); {
	case err == nil:
		restore = func() error { return os.Rename(saved, path) }
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("put the service policy aside: %w", err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\nexit 101\n"), 0o755); err != nil {
		return nil, errors.Join(fmt.Errorf("write the service policy: %w", err), restore())
	}
	return restore, nil
}
