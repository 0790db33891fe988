// Command install puts the peers that the tests want onto a Debian or Ubuntu
// machine: those named, or all. It does nothing where they are there already.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"spoor/internal/peers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "install:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string) error {
	missing, err := absent(names)
	if err != nil {
		return err
	}
	if len(missing) == 0 {
		fmt.Println("every peer is installed")
		return nil
	}
	packages := packagesOf(missing)
	if err := allowed(ctx); err != nil {
		return fmt.Errorf("%w\nto install them by hand:\n  apt-get install --no-install-recommends %s",
			err, strings.Join(packages, " "))
	}
	if err := install(ctx, missing, packages); err != nil {
		return err
	}
	return confirm(missing)
}

func install(ctx context.Context, missing []peers.Program, packages []string) error {
	if err := apt(ctx, "update"); err != nil {
		return err
	}
	for _, p := range missing {
		libraries, err := dependencies(ctx, p.Beside)
		if err != nil {
			return err
		}
		packages = append(packages, libraries...)
	}
	if err := installPackages(ctx, packages); err != nil {
		return err
	}
	for _, p := range missing {
		if err := unpack(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// absent returns the programs of the table, or those of them that are named, which cannot be found.
func absent(names []string) ([]peers.Program, error) {
	var missing []peers.Program
	for _, p := range peers.Programs() {
		i := slices.Index(names, p.Name)
		if len(names) > 0 && i < 0 {
			continue
		}
		if _, err := peers.Lookup(p.Name); err != nil {
			missing = append(missing, p)
		}
	}
	for _, name := range names {
		if _, err := peers.Lookup(name); errors.Is(err, peers.ErrUnknown) {
			return nil, err
		}
	}
	return missing, nil
}

func packagesOf(programs []peers.Program) []string {
	var all []string
	for _, p := range programs {
		all = append(all, p.Packages...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// allowed says why nothing may be installed here, if so.
func allowed(ctx context.Context) error {
	if _, err := exec.LookPath("apt-get"); err != nil {
		return errors.New("this is no Debian or Ubuntu: there is no apt-get")
	}
	if mta := otherMTA(ctx); mta != "" {
		return fmt.Errorf("this machine's mail goes through %s, which postfix would replace", mta)
	}
	if os.Geteuid() != 0 {
		return errors.New("only root can install packages")
	}
	return nil
}

// otherMTA returns the installed package, if any, that provides an MTA and is not Postfix.
func otherMTA(ctx context.Context) string {
	const format = "${db:Status-Status}\t${Package}\t${Provides}\n"
	out, err := exec.CommandContext(ctx, "dpkg-query", "--show", "--showformat="+format).Output()
	if err != nil {
		return "a package system that does not answer"
	}
	return findMTA(string(out))
}

func findMTA(list string) string {
	for line := range strings.Lines(list) {
		fields := strings.Split(strings.TrimSpace(line), "\t")
		if len(fields) == 3 && fields[0] == "installed" && fields[1] != "postfix" &&
			strings.Contains(fields[2], "mail-transport-agent") {
			return fields[1]
		}
	}
	return ""
}

func confirm(installed []peers.Program) error {
	var errs []error
	for _, p := range installed {
		path, err := peers.Lookup(p.Name)
		if err != nil {
			errs = append(errs, fmt.Errorf("installed, but not found: %w", err))
			continue
		}
		fmt.Println("installed", path)
	}
	return errors.Join(errs...)
}
