package snmp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/gosnmp/gosnmp"

	"spoor/registry"
)

// ErrTooLarge means that a routing table has more rows than the configuration allows.
var ErrTooLarge = errors.New("snmp: the routing table is too large")

// ErrNoTable means that a router shows none of the tables.
var ErrNoTable = errors.New("snmp: the router shows no routing table")

// An emptyError means that a table is counted but gives no row.
type emptyError struct{ counted int }

func (e *emptyError) Error() string {
	return fmt.Sprintf("%v: 0 rows, but the router counts %d; if its count is known to be wrong, set ignore_count = true", ErrIncomplete, e.counted)
}

func (e *emptyError) Unwrap() error { return ErrIncomplete }

// table is one of the MIB tables that hold routes.
type table struct {
	name  string
	count string // object that holds the number of rows; "" if there is none
	root  string // of the columns
	// Columns by number; 0 where a table has none. The first to be walked is ifIndex.
	ifIndex, routeType, proto, nextHop, mask uint32
	key                                      func(index oid) (key, error)
	types                                    map[int]registry.RouteType
}

// tables returns the known tables by name.
func tables() map[string]table {
	return map[string]table{
		"inetCidrRouteTable": {name: "inetCidrRouteTable", count: ".1.3.6.1.2.1.4.24.6.0", root: "1.3.6.1.2.1.4.24.7.1",
			ifIndex: 7, routeType: 8, proto: 9, key: inetKey,
			types: map[int]registry.RouteType{2: registry.TypeReject, 3: registry.TypeLocal, 4: registry.TypeRemote, 5: registry.TypeBlackhole}},
		"ipCidrRouteTable": {name: "ipCidrRouteTable", count: ".1.3.6.1.2.1.4.24.3.0", root: "1.3.6.1.2.1.4.24.4.1",
			ifIndex: 5, routeType: 6, proto: 7, key: cidrKey,
			types: map[int]registry.RouteType{2: registry.TypeReject, 3: registry.TypeLocal, 4: registry.TypeRemote}},
		"ipRouteTable": {name: "ipRouteTable", root: "1.3.6.1.2.1.4.21.1",
			ifIndex: 2, nextHop: 7, routeType: 8, proto: 9, mask: 11, key: routeKey,
			types: map[int]registry.RouteType{2: typeInvalid, 3: registry.TypeLocal, 4: registry.TypeRemote}},
		// The only table that FRR's own SNMP module fills.
		"ipForwardTable": {name: "ipForwardTable", count: ".1.3.6.1.2.1.4.24.1.0", root: "1.3.6.1.2.1.4.24.2.1",
			mask: 2, nextHop: 4, ifIndex: 5, routeType: 6, proto: 7, key: forwardKey,
			types: map[int]registry.RouteType{2: typeInvalid, 3: registry.TypeLocal, 4: registry.TypeRemote}},
	}
}

// typeInvalid marks rows of the older tables that are no routes (RFC 1213, ipRouteType; RFC 1354, ipForwardType).
const typeInvalid = registry.RouteType("invalid")

// protocols are the names of IANAipRouteProtocol-MIB.
var protocols = []string{"", "other", "local", "netmgmt", "icmp", "egp", "ggp", "hello", "rip", "isIs", "esIs", "ciscoIgrp",
	"bbnSpfIgp", "ospf", "bgp", "idpr", "ciscoEigrp", "dvmrp", "rpl", "dhcp"}

// row is one row of a routing table as it is put together from its columns.
type row struct {
	key
	ifIndex   int
	routeType int
	proto     int
	mask      netip.Addr
	columns   uint8 // how many columns gave it a value
}

// reader reads one table of one session.
type reader struct {
	table  table
	bounds bounds
	rows   map[string]*row // by index
	order  []string
	odd    int // rows of families that are not ours
}

// state is what is asked before and after a walk.
type state struct {
	count  int // -1 when the router has none
	uptime uint32
}

const sysUpTime = ".1.3.6.1.2.1.1.3.0"

func askState(a agent, t table) (state, error) {
	names := []string{sysUpTime}
	if t.count != "" {
		names = append(names, t.count)
	}
	s := state{count: -1}
	answer, err := a.Get(names)
	if err != nil {
		return s, fmt.Errorf("asking for the number of routes: %w", err)
	}
	if answer.Error != gosnmp.NoError {
		return s, nil
	}
	for _, v := range answer.Variables {
		n := gosnmp.ToBigInt(v.Value)
		switch {
		case v.Type == gosnmp.NoSuchObject || v.Type == gosnmp.NoSuchInstance || v.Type == gosnmp.Null || !n.IsInt64():
		case v.Name == sysUpTime:
			s.uptime = uint32(n.Uint64())
		case v.Name == t.count && n.Int64() >= 0:
			s.count = int(n.Int64())
		}
	}
	return s, nil
}

// read walks the table once and returns its rows and how they were verified. A table
// that the router does not show gives no rows and no error.
func (r *reader) read(ctx context.Context, a agent, ignoreCount bool) (rows []*row, verified string, err error) {
	before, err := askState(a, r.table)
	if err != nil {
		return nil, "", err
	}
	if !ignoreCount && before.count > r.bounds.maxRows {
		return nil, "", fmt.Errorf("%w: %d routes, max_rows is %d: a full BGP table says nothing of customers; "+
			"poll the router that they are connected to, show it a part by an SNMP view or context, or raise max_rows",
			ErrTooLarge, before.count, r.bounds.maxRows)
	}
	w := walker{agent: a, bounds: r.bounds, columns: r.columns()}
	if err := w.walk(ctx); err != nil {
		return nil, "", err
	}
	after, err := askState(a, r.table)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	if after.uptime < before.uptime && before.uptime < 1<<32-1-uint32(100*3600) {
		return nil, "", fmt.Errorf("%w: the router restarted meanwhile", ErrIncomplete)
	}
	verified, err = r.verify(w.columns, before.count, after.count, ignoreCount)
	if err != nil {
		return nil, "", err
	}
	for _, index := range r.order {
		rows = append(rows, r.rows[index])
	}
	return rows, verified, nil
}

// verify compares the rows with the router's counts and the columns with one another.
func (r *reader) verify(columns []*column, before, after int, ignoreCount bool) (string, error) {
	n := columns[0].rows
	low, high := min(before, after), max(before, after)
	slack := n / 100 // routes come and go during a walk
	for _, c := range columns[1:] {
		if c.rows < n-slack || c.rows > n+slack {
			return "", fmt.Errorf("%w: %d rows in one column and %d in another", ErrIncomplete, n, c.rows)
		}
	}
	switch {
	case ignoreCount || low < 0:
		return "end of the table confirmed, all columns alike", nil
	case n == 0 && low > 0:
		return "", &emptyError{low}
	case n < low:
		return "", fmt.Errorf("%w: %d rows, but the router counts %d; if its count is known to be wrong, set ignore_count = true",
			ErrIncomplete, n, low)
	case n > high:
		return fmt.Sprintf("end of the table confirmed; the router counts only %d", high), nil
	}
	return registry.VerifiedByCount, nil
}

func (r *reader) columns() []*column {
	r.rows = map[string]*row{}
	add := func(number uint32, set func(*row, gosnmp.SnmpPDU) error) *column {
		root := append(mustOID(r.table.root), number)
		return &column{root: root, last: root, each: func(index oid, v gosnmp.SnmpPDU) error {
			return r.set(index, v, set)
		}}
	}
	all := []*column{add(r.table.ifIndex, func(w *row, v gosnmp.SnmpPDU) error { return setInt(&w.ifIndex, v) })}
	if r.table.mask != 0 {
		all = append(all,
			add(r.table.mask, func(w *row, v gosnmp.SnmpPDU) error { return setAddr(&w.mask, v) }),
			add(r.table.nextHop, func(w *row, v gosnmp.SnmpPDU) error { return setAddr(&w.nextHop, v) }))
	}
	return append(all,
		add(r.table.routeType, func(w *row, v gosnmp.SnmpPDU) error { return setInt(&w.routeType, v) }),
		add(r.table.proto, func(w *row, v gosnmp.SnmpPDU) error { return setInt(&w.proto, v) }))
}

func (r *reader) set(index oid, v gosnmp.SnmpPDU, set func(*row, gosnmp.SnmpPDU) error) error {
	name := index.String()
	w := r.rows[name]
	if w == nil {
		k, err := r.table.key(index)
		if errors.Is(err, errNoRoute) {
			r.odd++
			return nil
		}
		if err != nil {
			return err
		}
		w = &row{key: k}
		r.rows[name] = w
		r.order = append(r.order, name)
	}
	w.columns++
	return set(w, v)
}

func setInt(into *int, v gosnmp.SnmpPDU) error {
	n := gosnmp.ToBigInt(v.Value)
	switch v.Value.(type) {
	case string, []byte, nil:
		return fmt.Errorf("value of type %s is no number", v.Type)
	}
	if !n.IsInt64() || n.Int64() < 0 || n.Int64() > 1<<31-1 {
		return fmt.Errorf("value %v of type %s is no small number", v.Value, v.Type)
	}
	*into = int(n.Int64())
	return nil
}

func setAddr(into *netip.Addr, v gosnmp.SnmpPDU) error {
	text, ok := v.Value.(string)
	if !ok {
		return fmt.Errorf("value of type %s is no address", v.Type)
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return fmt.Errorf("value %q is no address", text)
	}
	*into = a
	return nil
}

// complete finishes rows of the tables whose mask is a column: rows that lack it or
// the next hop changed during the walk.
func (t table) complete(w *row) (ok bool, err error) {
	if t.mask == 0 {
		return true, nil
	}
	if !w.mask.IsValid() || !w.nextHop.IsValid() {
		return false, nil
	}
	w.prefix, err = registry.PrefixFromMask(w.prefix.Addr(), w.mask)
	w.nextHop = given(w.nextHop)
	return err == nil, err
}

func (t table) typeOf(w *row) registry.RouteType { return t.types[w.routeType] }

func protocolOf(w *row) string {
	if w.proto > 0 && w.proto < len(protocols) {
		return protocols[w.proto]
	}
	return ""
}

func hasFold(list []string, s string) bool {
	return slices.ContainsFunc(list, func(x string) bool { return strings.EqualFold(x, s) })
}
