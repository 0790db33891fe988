package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"spoor/internal/peers"
)

// unpack lays the packages of p that conflict with installed ones into a folder of their own.
func unpack(ctx context.Context, p peers.Program) error {
	if len(p.Beside) == 0 {
		return nil
	}
	if err := os.MkdirAll(peers.Dir(), 0o755); err != nil {
		return err
	}
	// Built beside its place and renamed: a run that is cut off leaves no half of it.
	work, err := os.MkdirTemp(peers.Dir(), ".unpack-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := download(ctx, work, p.Beside); err != nil {
		return err
	}
	target := filepath.Join(peers.Dir(), p.Name)
	if err := os.RemoveAll(target); err != nil {
		return err
	}
	return os.Rename(filepath.Join(work, "root"), target)
}

func download(ctx context.Context, work string, packages []string) error {
	cmd := command(ctx, "apt-get", append([]string{"-q", "-o", "APT::Sandbox::User=root", "download"}, packages...)...)
	cmd.Dir = work
	if err := run1(cmd); err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(work, "*.deb"))
	if err != nil {
		return err
	}
	root := filepath.Join(work, "root")
	for _, file := range files {
		if err := run1(command(ctx, "dpkg-deb", "--extract", file, root)); err != nil {
			return err
		}
	}
	// A set-group-id program of an uninstalled package has no business in a cache folder.
	return run1(command(ctx, "chmod", "-R", "ug-s,go+rX", root))
}

// dependencies returns what the packages need, but for their own family.
func dependencies(ctx context.Context, packages []string) ([]string, error) {
	if len(packages) == 0 {
		return nil, nil
	}
	args := append([]string{"depends", "--no-recommends", "--no-suggests", "--no-conflicts",
		"--no-breaks", "--no-replaces", "--no-enhances"}, packages...)
	out, err := exec.CommandContext(ctx, "apt-cache", args...).Output()
	if err != nil {
		return nil, fmt.Errorf("apt-cache depends: %w", err)
	}
	return parseDepends(string(out), packages), nil
}

func parseDepends(out string, packages []string) []string {
	family := strings.SplitN(packages[0], "-", 2)[0]
	var found []string
	for line := range strings.Lines(out) {
		name, ok := strings.CutPrefix(strings.TrimSpace(line), "Depends: ")
		if ok && !strings.HasPrefix(name, "<") && !strings.HasPrefix(name, family) {
			found = append(found, name)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}
