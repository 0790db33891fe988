package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
)

// An exportCmd is one run of spoor registry export.
type exportCmd struct {
	app                     *app
	dir, hostname, contacts string
	personal                bool
}

func newRegistryExportCmd(a *app) *cobra.Command {
	e := &exportCmd{app: a}
	cmd := &cobra.Command{
		Use:   "export --rwhoisd DIR | --contacts FILE",
		Short: "write the registry as rwhoisd's text database, or its contacts as a file",
		Example: `  spoor registry export --rwhoisd /var/lib/rwhoisd
  spoor registry export --contacts customers.csv`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (e.dir == "") == (e.contacts == "") {
				return usageError("spoor registry export needs either --rwhoisd or --contacts\nhint: name a folder or a file to write")
			}
			what, base := "rwhoisd", e.dir
			q := url.Values{"hostname": {e.hostname}, "personal": {strconv.FormatBool(e.personal)}}
			if e.contacts != "" {
				what, base = "contacts", ""
				q.Set("format", strings.TrimPrefix(filepath.Ext(e.contacts), "."))
			}
			return a.withRegistry(cmd.Context(), false, func(c *control.Client) error {
				files := exportFiles{base: base, contacts: e.contacts, out: a.out}
				err := c.Get(cmd.Context(), "/registry/export/"+what, q, files.take)
				if err = errors.Join(err, files.end(err == nil)); err != nil {
					return fmt.Errorf("export: %w", err)
				}
				if e.contacts != "-" {
					_, err = fmt.Fprintf(a.out, "%d files written\n", files.written)
				}
				return err
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&e.dir, "rwhoisd", "", "the `folder` for the database of rwhoisd")
	f.StringVar(&e.contacts, "contacts", "", "the `file` for the contacts: .csv, or else TOML; - for standard output")
	f.StringVar(&e.hostname, "hostname", "", "the `name` of the primary server (default [registry.serve] hostname)")
	f.BoolVar(&e.personal, "personal", false, "with telephone numbers and street addresses")
	return cmd
}

// exportFiles puts the pieces of an export together; each file takes its place when it is whole.
type exportFiles struct {
	base, contacts string
	out            io.Writer
	path           string
	file           *os.File
	written        int
}

// take writes one piece: those of one file follow one another.
func (x *exportFiles) take(line json.RawMessage) error {
	var piece control.RegistryFile
	if err := json.Unmarshal(line, &piece); err != nil {
		return err
	}
	if x.contacts == "-" {
		_, err := x.out.Write(piece.Text)
		return err
	}
	path := x.contacts
	if path == "" {
		if !filepath.IsLocal(piece.Path) {
			return fmt.Errorf("the path %q leaves the folder", piece.Path)
		}
		path = filepath.Join(x.base, piece.Path)
	}
	if path != x.path {
		if err := x.begin(path); err != nil {
			return err
		}
	}
	_, err := x.file.Write(piece.Text)
	return err
}

func (x *exportFiles) begin(path string) error {
	if err := x.end(true); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	x.file, x.path = file, path
	return file.Chmod(0o644)
}

// end puts the file under way in its place, or away.
func (x *exportFiles) end(keep bool) error {
	if x.file == nil {
		return nil
	}
	file := x.file
	x.file = nil
	if err := file.Close(); err != nil || !keep {
		return errors.Join(err, os.Remove(file.Name()))
	}
	x.written++
	return os.Rename(file.Name(), x.path)
}
