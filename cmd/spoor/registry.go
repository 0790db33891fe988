package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
	"spoor/registry"
)

func newRegistryCmd(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "build and see the registry of routes and contacts",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError("unknown command %q\nhint: see spoor registry --help", args[0])
			}
			return cmd.Help()
		},
	}
	cmd.AddCommand(newRegistryImportCmd(a), newRegistryListCmd(a), newRegistryDiffCmd(a), newRegistryPollCmd(a), newRegistryCheckCmd(a),
		newRegistryTopologyCmd(a), newRegistryExportCmd(a))
	return cmd
}

// maxImport bounds an imported file, as the control socket bounds a request.
const maxImport = 256 << 20

func newRegistryImportCmd(a *app) *cobra.Command {
	i := control.RegistryImport{}
	var at string
	cmd := &cobra.Command{
		Use:   "import FILE…",
		Short: "take routes, contacts or lease logs into the store",
		Long: `Import takes files into the store: routing tables (CSV, the output of ip route, or of
snmpwalk for ipRouteMask and ipRouteNextHop), contacts (TOML or CSV), or lease logs.
A routing table replaces the one before of the same router; what it lacks has ended.`,
		Example: `  ip route | spoor registry import --router gw1 -
  spoor registry import --kind contacts customers.csv
  spoor registry import --kind leases --format radius detail-20261001`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("spoor registry import needs a file\nhint: name files, or - for standard input")
			}
			moment, err := parseMoment(at)
			if err != nil {
				return usageError("--at %w", err)
			}
			return a.withRegistry(cmd.Context(), true, func(c *control.Client) error {
				for _, path := range args {
					if err := importFile(cmd.Context(), a, c, i, path, moment); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&i.Kind, "kind", "routes", "what the files are: routes, contacts or leases")
	f.StringVar(&i.Router, "router", "", "the `name` of the router whose table it is (default the file's name)")
	f.StringVar(&i.VRF, "vrf", "", "its routing instance")
	f.StringVar(&at, "at", "", "when the table was read (default now)")
	f.StringVar(&i.Leases.Format, "format", "csv", "of leases: csv, radius or syslog")
	f.StringVar(&i.Leases.Pattern, "pattern", "", "of syslog leases: a regular expression with groups named ip, time, who, low, high, proto, event")
	f.StringVar(&i.Leases.TimeFormat, "time-format", "", "of leases: a layout as Go has them, such as \"Jan _2 15:04:05\"")
	f.StringVar(&i.Leases.Zone, "zone", "", "of leases: the time `zone` of times without one (default UTC)")
	return cmd
}

func importFile(ctx context.Context, a *app, c *control.Client, i control.RegistryImport, path, at string) error {
	data, err := a.readWhole(path, maxImport)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	name := filepath.Base(path)
	if path == "-" {
		name = "stdin"
	}
	q := url.Values{"kind": {i.Kind}, "name": {name}, "router": {i.Router}, "vrf": {i.VRF}, "at": {at}, "format": {i.Leases.Format},
		"pattern": {i.Leases.Pattern}, "time_format": {i.Leases.TimeFormat}, "zone": {i.Leases.Zone}}
	var done control.RegistryImported
	if err := c.PostRaw(ctx, "/registry/import?"+q.Encode(), "text/plain", bytes.NewReader(data), &done); err != nil {
		return hint(err, "nothing of %s was taken", path)
	}
	if a.json {
		return a.emit(done)
	}
	_, err = fmt.Fprintf(a.out, "%s: %d %s read, %d added, %d removed, %d kept\n", name, done.Read, i.Kind, done.Added, done.Removed, done.Kept)
	return err
}

func newRegistryListCmd(a *app) *cobra.Command {
	var by, at string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "list the networks, routes, contacts or routers",
		Example: `  spoor registry list
  spoor registry list --by nexthop
  spoor registry list --by contact --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			moment, err := parseMoment(at)
			if err != nil {
				return usageError("--at %w", err)
			}
			lister, ok := registryLists[by]
			if !ok {
				return usageError("--by %q is not known\nhint: network, nexthop, route, contact or router", by)
			}
			return a.withRegistry(cmd.Context(), false, func(c *control.Client) error {
				return lister(cmd.Context(), a, c, url.Values{"at": {moment}})
			})
		},
	}
	cmd.Flags().StringVar(&by, "by", "network", "list by network, nexthop, route, contact or router")
	cmd.Flags().StringVar(&at, "at", "", "as of this time (default now)")
	return cmd
}

var registryLists = map[string]func(context.Context, *app, *control.Client, url.Values) error{
	"network": listNetworks,
	"nexthop": listByNextHop,
	"route":   listRoutes,
	"contact": listContacts,
	"router":  listRouters,
}

// lines asks path and hands each line on: printed as it is with --json, else decoded.
func lines[T any](ctx context.Context, a *app, c *control.Client, path string, q url.Values, each func(T)) error {
	return c.Get(ctx, path, q, func(line json.RawMessage) error {
		if a.json {
			_, err := fmt.Fprintf(a.out, "%s\n", line)
			return err
		}
		var v T
		if err := json.Unmarshal(line, &v); err != nil {
			return err
		}
		each(v)
		return nil
	})
}

func listNetworks(ctx context.Context, a *app, c *control.Client, q url.Values) error {
	t := a.table("network", "via", "router", "assignment", "contact", "mail")
	err := lines(ctx, a, c, "/registry/networks", q, func(n control.RegistryNetwork) {
		via, router := "", ""
		if len(n.Routes) > 0 {
			via, router = routeVia(n.Routes[0]), n.Routes[0].Router
		}
		org, mail := "-", ""
		switch {
		case n.Several:
			org = "several"
		case n.Contact != nil:
			org = n.Contact.Org
			mail = strings.Join(contactMails(*n.Contact), ", ")
		}
		t.AppendRow([]any{n.Prefix, via, router, n.Assignment, org, mail})
	})
	if err == nil && !a.json {
		t.Render()
	}
	return err
}

func contactMails(c control.RegistryContact) []string {
	contact := registry.Contact{Admin: c.Admin, Tech: c.Tech, Abuse: c.Abuse}
	return contact.Mails()
}

func routeVia(r control.RegistryRoute) string {
	switch {
	case r.NextHop != "":
		return r.NextHop
	case r.Interface != "":
		return "direct on " + r.Interface
	}
	return r.Type
}

// listByNextHop prints the listing of 2003: next hop, destination, netmask, /24 networks.
func listByNextHop(ctx context.Context, a *app, c *control.Client, q url.Values) error {
	var routes []registry.Route
	err := lines(ctx, a, c, "/registry/routes", q, func(r control.RegistryRoute) {
		route := registry.Route{Interface: r.Interface, Type: registry.RouteType(r.Type)}
		route.Prefix, _ = netip.ParsePrefix(r.Prefix)
		route.NextHop, _ = netip.ParseAddr(r.NextHop)
		routes = append(routes, route)
	})
	if err != nil || a.json {
		return err
	}
	return registry.WriteListing(a.out, registry.SortByNextHop(func(yield func(registry.Route) bool) {
		for _, r := range routes {
			if !yield(r) {
				return
			}
		}
	}))
}

func listRoutes(ctx context.Context, a *app, c *control.Client, q url.Values) error {
	t := a.table("prefix", "next hop", "interface", "router", "vrf", "protocol", "first seen")
	err := lines(ctx, a, c, "/registry/routes", q, func(r control.RegistryRoute) {
		first := ""
		if !r.FirstSeen.IsZero() {
			first = r.FirstSeen.Format("2006-01-02 15:04")
		}
		t.AppendRow([]any{r.Prefix, r.NextHop, r.Interface, r.Router, r.VRF, r.Protocol, first})
	})
	if err == nil && !a.json {
		t.Render()
	}
	return err
}

func listContacts(ctx context.Context, a *app, c *control.Client, q url.Values) error {
	t := a.table("key", "organisation", "mail", "updated", "by", "source")
	err := lines(ctx, a, c, "/registry/contacts", q, func(r control.RegistryContact) {
		t.AppendRow([]any{r.Key, r.Org, strings.Join(contactMails(r), ", "), dayOf(r.Updated), r.UpdatedBy, r.Source})
	})
	if err == nil && !a.json {
		t.Render()
	}
	return err
}

func listRouters(ctx context.Context, a *app, c *control.Client, q url.Values) error {
	t := a.table("router", "vrf", "routes", "last good", "state")
	err := lines(ctx, a, c, "/registry/sources", q, func(s control.RegistrySource) {
		state := "fresh"
		if s.Stale {
			state = "stale: " + s.Problem
		}
		t.AppendRow([]any{s.Router, s.VRF, s.Routes, s.LastGood.Format("2006-01-02 15:04:05"), state})
	})
	if err == nil && !a.json {
		t.Render()
	}
	return err
}
