package main

import (
	"encoding/json"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
	"spoor/registry"
)

func newRegistryTopologyCmd(a *app) *cobra.Command {
	var dot bool
	cmd := &cobra.Command{
		Use:   "topology",
		Short: "follow the next hops from router to router and draw what is found",
		Long: `Topology reads the configured routers' tables, asks the next hops in the networks of
[registry.discover] whether they are routers too, and goes on from those that answer.`,
		Example: `  spoor registry topology
  spoor registry topology --dot | dot -Tsvg > topology.svg`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.needRouters(); err != nil {
				return err
			}
			return a.withRegistry(cmd.Context(), false, func(c *control.Client) error {
				return c.Get(cmd.Context(), "/registry/topology", nil, func(line json.RawMessage) error {
					if a.json {
						_, err := fmt.Fprintf(a.out, "%s\n", line)
						return err
					}
					return a.drawTopology(line, dot)
				})
			})
		},
	}
	cmd.Flags().BoolVar(&dot, "dot", false, "write the language of Graphviz")
	return cmd
}

// needRouters is a usage error where no router is configured.
func (a *app) needRouters() error {
	cfg, err := a.config()
	if err == nil && len(cfg.Registry.Routers) == 0 {
		err = usageError("no router is configured\nhint: add [[registry.router]] to spoor.toml")
	}
	return err
}

func (a *app) drawTopology(line json.RawMessage, dot bool) error {
	var drawn control.RegistryTopology
	if err := json.Unmarshal(line, &drawn); err != nil {
		return err
	}
	t := topologyOf(drawn)
	if dot {
		return t.WriteDot(a.out)
	}
	return t.WriteText(a.out)
}

func topologyOf(d control.RegistryTopology) registry.Topology {
	var t registry.Topology
	for _, n := range d.Nodes {
		t.Nodes = append(t.Nodes, registry.Node{ID: n.ID, Name: n.Name, Kind: registry.NodeKind(n.Kind), Depth: n.Depth, Routes: n.Routes, Problem: n.Problem})
	}
	for _, l := range d.Links {
		link := registry.Link{From: l.From, To: l.To, Interface: l.Interface, Prefixes: l.Prefixes, Default: l.Default}
		link.NextHop, _ = netip.ParseAddr(l.NextHop) // our own server wrote them
		link.Sample, _ = netip.ParsePrefix(l.Sample)
		t.Links = append(t.Links, link)
	}
	return t
}
