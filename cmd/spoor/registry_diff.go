package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
)

func newRegistryDiffCmd(a *app) *cobra.Command {
	var from, to string
	cmd := &cobra.Command{
		Use:   "diff --from TIME [--to TIME]",
		Short: "what changed in the routes between two times",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if from == "" {
				return usageError("spoor registry diff needs --from\nhint: write it like --from 2026-10-01T08:00:00Z")
			}
			first, err := parseMoment(from)
			if err != nil {
				return usageError("--from %w", err)
			}
			second, err := parseMoment(to)
			if err != nil {
				return usageError("--to %w", err)
			}
			return a.withRegistry(cmd.Context(), false, func(c *control.Client) error {
				return lines(cmd.Context(), a, c, "/registry/diff", url.Values{"from": {first}, "to": {second}}, func(c control.RegistryChange) {
					mark := map[string]string{"added": "+", "removed": "-", "moved": "~"}[c.Kind]
					fmt.Fprintf(a.out, "%s %s  %s\n", mark, c.Prefix, strings.Join(present(vias(c.Before), vias(c.After)), " -> "))
				})
			})
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "the first `time`")
	cmd.Flags().StringVar(&to, "to", "", "the second `time` (default now)")
	return cmd
}

func vias(routes []control.RegistryRoute) string {
	var all []string
	for _, r := range routes {
		all = append(all, routeVia(r)+" ("+r.Router+")")
	}
	return strings.Join(all, ", ")
}

func newRegistryCheckCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "list what should be mended: next hops without contact, overlapping claims …",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			found := 0
			err := a.withRegistry(cmd.Context(), false, func(c *control.Client) error {
				return lines(cmd.Context(), a, c, "/registry/check", nil, func(p control.RegistryProblem) {
					found++
					fmt.Fprintf(a.out, "%s  %s: %s\n    %s\n", strings.Join(present(p.Source, p.Key), "  "), strings.ReplaceAll(p.Kind, "_", " "), p.Text, p.Write)
				})
			})
			if err == nil && found == 0 && !a.json {
				_, err = fmt.Fprintln(a.out, "nothing to mend")
			}
			return err
		},
	}
}

func newRegistryPollCmd(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "poll [ROUTER…]",
		Short: "walk the routers' routing tables now",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.needRouters(); err != nil {
				return err
			}
			return a.withRegistry(cmd.Context(), true, func(c *control.Client) error {
				return pollRouters(cmd, a, c, args)
			})
		},
	}
}

func pollRouters(cmd *cobra.Command, a *app, c *control.Client, names []string) error {
	failed := 0
	t := a.table("router", "vrf", "routes", "added", "removed", "table", "took", "result")
	err := postLines(cmd.Context(), c, "/registry/poll?"+url.Values{"router": names}.Encode(), func(p control.RegistryPolled) {
		if a.json {
			_ = a.emit(p)
		}
		result := "ok, by " + p.Verified
		if p.Error != "" {
			result = p.Error
			failed++
		}
		t.AppendRow([]any{p.Router, p.VRF, p.Routes, p.Added, p.Removed, p.Table, fmt.Sprintf("%.1fs", p.TookS), result})
	})
	if err != nil {
		return err
	}
	if !a.json {
		t.Render()
	}
	if failed > 0 {
		return fmt.Errorf("%d routing tables could not be read whole; the last good ones stay", failed)
	}
	return nil
}

// replies hands each line of an answer on.
type replies[T any] struct{ each func(T) }

// UnmarshalJSON takes one line.
func (r replies[T]) UnmarshalJSON(line []byte) error {
	var v T
	if err := json.Unmarshal(line, &v); err != nil {
		return err
	}
	r.each(v)
	return nil
}

func postLines[T any](ctx context.Context, c *control.Client, path string, each func(T)) error {
	return c.PostRaw(ctx, path, "application/json", http.NoBody, &replies[T]{each})
}
