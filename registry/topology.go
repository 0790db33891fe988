package registry

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
)

// A Topology is what following next hops from router to router found.
type Topology struct {
	Nodes []Node
	Links []Link
}

// A Node is a router that answered, or a next hop that did not or was not asked.
type Node struct {
	ID        string // the router's name, or the next hop's address
	Name      string // what the router calls itself (sysName)
	Kind      NodeKind
	Depth     int // steps from a configured router
	Addresses []netip.Addr
	Routes    int
	Problem   string // why its table is not known
}

// A NodeKind says what a Node is.
type NodeKind string

// The kinds of node.
const (
	NodeRouter NodeKind = "router"   // its table was read
	NodeHop    NodeKind = "next_hop" // somebody's, beyond what may be asked
	NodeSilent NodeKind = "silent"   // it was asked and did not answer as a router
)

// A Link is the prefixes that a router hands to a next hop.
type Link struct {
	From, To  string // Node.ID
	NextHop   netip.Addr
	Interface string
	Prefixes  int
	Sample    netip.Prefix // the shortest of them
	Default   bool         // a default route is among them
}

// Sort puts nodes and links in a stable order.
func (t *Topology) Sort() {
	slices.SortFunc(t.Nodes, func(a, b Node) int { return cmp.Or(cmp.Compare(a.Depth, b.Depth), cmp.Compare(a.ID, b.ID)) })
	slices.SortFunc(t.Links, func(a, b Link) int {
		return cmp.Or(cmp.Compare(a.From, b.From), a.NextHop.Compare(b.NextHop), cmp.Compare(a.Interface, b.Interface))
	})
}

// WriteText draws the topology as a list: each router and what it hands where.
func (t *Topology) WriteText(w io.Writer) error {
	bw := bufio.NewWriter(w)
	nodes := map[string]Node{}
	for _, n := range t.Nodes {
		nodes[n.ID] = n
	}
	for _, n := range t.Nodes {
		if n.Kind != NodeRouter && n.Depth > 0 {
			continue
		}
		fmt.Fprintf(bw, "%s  %s\n", nodeTitle(n), nodeState(n))
		for _, l := range t.Links {
			if l.From != n.ID {
				continue
			}
			out := ""
			if l.Default {
				out = ", the way out"
			}
			fmt.Fprintf(bw, "  %-15s -> %s  %d prefixes, such as %s%s%s\n", l.Interface, nodeTitle(nodes[l.To]), l.Prefixes, l.Sample, out, kindText(nodes[l.To]))
		}
	}
	return bw.Flush()
}

func nodeTitle(n Node) string {
	if n.Name != "" && n.Name != n.ID {
		return n.ID + " (" + n.Name + ")"
	}
	return n.ID
}

func nodeState(n Node) string {
	if n.Problem != "" {
		return "not read: " + n.Problem
	}
	return fmt.Sprintf("%d routes", n.Routes)
}

func kindText(n Node) string {
	switch n.Kind {
	case NodeRouter:
		return ", a router"
	case NodeSilent:
		return ", no answer"
	}
	return ""
}

// WriteDot draws the topology for Graphviz.
func (t *Topology) WriteDot(w io.Writer) error {
	bw := bufio.NewWriter(w)
	fmt.Fprintln(bw, "digraph topology {\n  rankdir=LR;\n  node [fontname=\"sans-serif\"];")
	for _, n := range t.Nodes {
		shape := "ellipse"
		if n.Kind == NodeRouter {
			shape = "box"
		}
		fmt.Fprintf(bw, "  %s [shape=%s, label=%s];\n", dotQuote(n.ID), shape, dotQuote(nodeTitle(n)))
	}
	for _, l := range t.Links {
		style := ""
		if l.Default {
			style = ", style=dashed"
		}
		fmt.Fprintf(bw, "  %s -> %s [label=%s%s];\n", dotQuote(l.From), dotQuote(l.To), dotQuote(fmt.Sprintf("%s\n%d", l.Interface, l.Prefixes)), style)
	}
	fmt.Fprintln(bw, "}")
	return bw.Flush()
}

// dotQuote writes a quoted ID of the DOT language: only quotes and backslashes matter.
func dotQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
