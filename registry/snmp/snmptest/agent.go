// Package snmptest replays recorded SNMP walks as an agent on loopback, and can lie on
// request: error answers, early ends, wrong order, loops.
package snmptest

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gosnmp/gosnmp"
)

// A Fault is a way in which the agent misbehaves.
type Fault string

// The faults. Each begins at Agent.After rows below Agent.Under.
const (
	None        Fault = ""
	GenErr      Fault = "genErr"       // always answers with genErr
	GenErrOnce  Fault = "genErr once"  // answers with genErr, once
	TooBig      Fault = "tooBig"       // answers tooBig for more than 4 repetitions
	AlwaysBig   Fault = "always big"   // answers tooBig for everything
	Empty       Fault = "empty"        // answers without any value
	EarlyEnd    Fault = "early end"    // says that the view ends, however often it is asked
	EarlyOnce   Fault = "early once"   // says that the view ends, in GetBulk only
	NextTable   Fault = "next table"   // skips to what follows the table
	Swapped     Fault = "swapped"      // swaps two neighbouring rows of an answer
	Looping     Fault = "looping"      // begins the table anew
	Silent      Fault = "silent"       // answers no more
	WrongType   Fault = "wrong type"   // gives text where a number belongs
	NoInstance  Fault = "no instance"  // answers noSuchInstance to GetBulk
	ShortColumn Fault = "short column" // ends the last column early
	Garbage     Fault = "garbage"      // sends bytes that are no SNMP
	Endless     Fault = "endless"      // invents rows without an end
)

// Options say what an Agent serves and how it lies.
type Options struct {
	Records   []Record // sorted by OID
	Community string
	Address   string // host:port to listen at; "" is a free port on 127.0.0.1
	Fault     Fault
	After     int    // rows of the first column after which the fault begins
	Under     string // OID of the table, such as "1.3.6.1.2.1.4.24.7.1"
	Mangle    func([]Record) []Record
}

// A Record is one value of a recorded walk.
type Record struct {
	OID   []uint32
	Type  gosnmp.Asn1BER
	Value any
}

// An Agent answers version 2c on a UDP socket of its own until Close.
type Agent struct {
	options Options
	conn    *net.UDPConn
	codec   *gosnmp.GoSNMP
	wait    sync.WaitGroup
	mu      sync.Mutex
	asked   map[gosnmp.PDUType]int
	faulted int
	under   []uint32
}

// Start opens the agent.
func Start(options Options) (*Agent, error) {
	if options.Mangle != nil {
		options.Records = options.Mangle(slices.Clone(options.Records))
	}
	if options.Address == "" {
		options.Address = "127.0.0.1:0"
	}
	at, err := netip.ParseAddrPort(options.Address)
	if err != nil {
		return nil, fmt.Errorf("snmptest: %w", err)
	}
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, fmt.Errorf("snmptest: %w", err)
	}
	a := &Agent{options: options, conn: conn, asked: map[gosnmp.PDUType]int{},
		codec: &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: options.Community, MaxOids: 200, Timeout: time.Second}}
	if options.Under != "" {
		if a.under, err = parse(options.Under); err != nil {
			return nil, err
		}
	}
	a.wait.Go(a.serve)
	return a, nil
}

// Port is its UDP port.
func (a *Agent) Port() uint16 { return a.conn.LocalAddr().(*net.UDPAddr).AddrPort().Port() }

// Close ends the agent.
func (a *Agent) Close() error {
	err := a.conn.Close()
	a.wait.Wait()
	return err
}

// Asked counts the requests of one kind.
func (a *Agent) Asked(kind gosnmp.PDUType) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[kind]
}

func (a *Agent) serve() {
	buf := make([]byte, 64<<10)
	for {
		n, peer, err := a.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		request, err := a.codec.SnmpDecodePacket(buf[:n])
		if err != nil || request.Community != a.options.Community {
			continue
		}
		a.mu.Lock()
		a.asked[request.PDUType]++
		a.mu.Unlock()
		if answer := a.answer(request); answer != nil {
			_, _ = a.conn.WriteToUDPAddrPort(answer, peer)
		}
	}
}

// ReadRecords reads a walk in the form of snmprec: OID, type tag and value between bars.
func ReadRecords(r io.Reader) ([]Record, error) {
	var all []Record
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		parts := strings.SplitN(s.Text(), "|", 3)
		if len(parts) != 3 {
			continue
		}
		rec, err := record(parts[0], parts[1], parts[2])
		if err != nil {
			return nil, err
		}
		all = append(all, rec)
	}
	slices.SortStableFunc(all, func(x, y Record) int { return slices.Compare(x.OID, y.OID) })
	return all, s.Err()
}

func parse(s string) ([]uint32, error) {
	var out []uint32
	for part := range strings.SplitSeq(strings.Trim(s, "."), ".") {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("snmptest: OID %q: %w", s, err)
		}
		out = append(out, uint32(n))
	}
	return out, nil
}

func record(name, tag, value string) (Record, error) {
	id, err := parse(name)
	if err != nil {
		return Record{}, err
	}
	raw := []byte(value)
	if hexTag, isHex := strings.CutSuffix(tag, "x"); isHex {
		tag = hexTag
		if raw, err = hex.DecodeString(value); err != nil {
			return Record{}, fmt.Errorf("snmptest: %s: %w", name, err)
		}
	}
	r := Record{OID: id}
	switch tag {
	case "2", "65", "66", "67", "70":
		n, err := strconv.ParseInt(string(raw), 10, 64)
		if err != nil {
			return Record{}, fmt.Errorf("snmptest: %s: %w", name, err)
		}
		r.Type, r.Value = map[string]gosnmp.Asn1BER{"2": gosnmp.Integer, "65": gosnmp.Counter32, "66": gosnmp.Gauge32,
			"67": gosnmp.TimeTicks, "70": gosnmp.Counter64}[tag], uint32(n)
		if tag == "2" {
			r.Value = int(n)
		} else if tag == "70" {
			r.Value = uint64(n)
		}
	case "6":
		r.Type, r.Value = gosnmp.ObjectIdentifier, "."+strings.Trim(string(raw), ".")
	case "64":
		addr, ok := netip.AddrFromSlice(raw)
		if !ok {
			addr, err = netip.ParseAddr(string(raw))
		}
		if err != nil {
			return Record{}, fmt.Errorf("snmptest: %s: %w", name, err)
		}
		r.Type, r.Value = gosnmp.IPAddress, addr.String()
	default:
		r.Type, r.Value = gosnmp.OctetString, raw
	}
	return r, nil
}
