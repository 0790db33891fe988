package snmptest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gosnmp/gosnmp"
)

// maxPacket is how large an answer may grow before it is cut off, as agents do.
const maxPacket = 1400

// answer makes the packet for a request; nil is silence.
func (a *Agent) answer(request *gosnmp.SnmpPacket) []byte {
	var names [][]uint32
	for _, v := range request.Variables {
		id, err := parse(v.Name)
		if err != nil {
			return nil
		}
		names = append(names, id)
	}
	reply := &gosnmp.SnmpPacket{Version: gosnmp.Version2c, Community: request.Community, PDUType: gosnmp.GetResponse, RequestID: request.RequestID}
	switch request.PDUType {
	case gosnmp.GetRequest:
		for _, id := range names {
			reply.Variables = append(reply.Variables, a.get(id))
		}
	case gosnmp.GetNextRequest:
		reply.Variables = a.repeat(names, 1, false)
	case gosnmp.GetBulkRequest:
		if a.active(names) {
			if packet, done := a.misbehave(reply, names, int(request.MaxRepetitions)); done {
				return packet
			}
		}
		reply.Variables = a.repeat(names, int(request.MaxRepetitions), true)
		a.disorder(reply, names)
	default:
		return nil
	}
	return encode(reply)
}

func encode(p *gosnmp.SnmpPacket) []byte {
	out, err := p.MarshalMsg()
	if err != nil {
		panic(fmt.Sprintf("snmptest: encode: %v", err)) // a record that cannot be sent is a mistake of the test
	}
	return out
}

func name(id []uint32) string {
	var b strings.Builder
	for _, n := range id {
		fmt.Fprintf(&b, ".%d", n)
	}
	return b.String()
}

func (a *Agent) get(id []uint32) gosnmp.SnmpPDU {
	i, found := a.find(id)
	if !found {
		return gosnmp.SnmpPDU{Name: name(id), Type: gosnmp.NoSuchInstance}
	}
	return pdu(a.options.Records[i])
}

func pdu(r Record) gosnmp.SnmpPDU {
	return gosnmp.SnmpPDU{Name: name(r.OID), Type: r.Type, Value: r.Value}
}

func (a *Agent) find(id []uint32) (int, bool) {
	return slices.BinarySearchFunc(a.options.Records, id, func(r Record, id []uint32) int { return slices.Compare(r.OID, id) })
}

// next returns the index of the record after id.
func (a *Agent) next(id []uint32) int {
	i, found := a.find(id)
	if found {
		i++
	}
	return i
}

// repeat answers GetNext and GetBulk: for each repetition the successor of each name.
func (a *Agent) repeat(names [][]uint32, repetitions int, bulk bool) []gosnmp.SnmpPDU {
	var out []gosnmp.SnmpPDU
	current := slices.Clone(names)
	size := 60
	for range repetitions {
		for i, id := range current {
			v := a.successor(id, i == len(current)-1, bulk)
			next, _ := parse(v.Name)
			current[i] = next
			size += len(v.Name) + 16
			out = append(out, v)
		}
		if size > maxPacket {
			break
		}
	}
	return out
}

func (a *Agent) successor(id []uint32, lastColumn, bulk bool) gosnmp.SnmpPDU {
	end := gosnmp.SnmpPDU{Name: name(id), Type: gosnmp.EndOfMibView}
	i := a.next(id)
	if a.reached(id) {
		switch f := a.options.Fault; {
		case f == EarlyEnd, f == EarlyOnce && bulk, f == ShortColumn && lastColumn:
			return end
		case f == NextTable:
			for i < len(a.options.Records) && a.inside(a.options.Records[i].OID) {
				i++
			}
		case f == Endless:
			return gosnmp.SnmpPDU{Name: name(bump(id)), Type: gosnmp.Integer, Value: 1}
		}
	}
	if i >= len(a.options.Records) {
		return end
	}
	return pdu(a.options.Records[i])
}

// bump invents the next index: the last but one part of an IPv4 next hop counts up.
func bump(id []uint32) []uint32 {
	id = slices.Clone(id)
	for i := len(id) - 1; i > 0; i-- {
		if id[i] < 255 {
			id[i]++
			return id
		}
		id[i] = 0
	}
	return id
}

func (a *Agent) inside(id []uint32) bool {
	return len(id) > len(a.under) && slices.Equal(id[:len(a.under)], a.under)
}

// reached reports whether id lies After rows or more into a column of the table.
func (a *Agent) reached(id []uint32) bool {
	if a.options.Fault == None || !a.inside(id) || len(id) < len(a.under)+2 {
		return false
	}
	column := id[:len(a.under)+1]
	first := a.next(column)
	at, _ := a.find(id)
	return at-first+1 >= a.options.After
}

// active reports whether the fault has begun for a request.
func (a *Agent) active(names [][]uint32) bool {
	if a.options.After == 0 {
		return a.options.Fault != None && slices.ContainsFunc(names, func(id []uint32) bool { return a.inside(append(slices.Clone(id), 0)) })
	}
	return slices.ContainsFunc(names, a.reached)
}

// misbehave answers a GetBulk in place of the records.
func (a *Agent) misbehave(reply *gosnmp.SnmpPacket, names [][]uint32, repetitions int) (packet []byte, done bool) {
	a.faulted++
	fail := func(status gosnmp.SNMPError) ([]byte, bool) {
		reply.Error, reply.ErrorIndex = status, 1
		for _, id := range names {
			reply.Variables = append(reply.Variables, gosnmp.SnmpPDU{Name: name(id), Type: gosnmp.Null})
		}
		return encode(reply), true
	}
	switch a.options.Fault {
	case GenErr:
		return fail(gosnmp.GenErr)
	case GenErrOnce:
		if a.faulted == 1 {
			return fail(gosnmp.GenErr)
		}
	case TooBig:
		if repetitions > 4 {
			return fail(gosnmp.TooBig)
		}
	case AlwaysBig:
		return fail(gosnmp.TooBig)
	case Empty:
		return encode(reply), true
	case Silent:
		return nil, true
	case Garbage:
		return []byte{0x30, 0x82, 0xff, 0xff, 0x02, 0x01}, true
	case Looping:
		for _, id := range names {
			reply.Variables = append(reply.Variables, a.successor(id[:len(a.under)+1], false, true))
		}
		return encode(reply), true
	case NoInstance:
		for _, id := range names {
			reply.Variables = append(reply.Variables, gosnmp.SnmpPDU{Name: name(id), Type: gosnmp.NoSuchInstance})
		}
		return encode(reply), true
	}
	return nil, false
}

// disorder changes an answer that is otherwise right.
func (a *Agent) disorder(reply *gosnmp.SnmpPacket, names [][]uint32) {
	v, n := reply.Variables, len(names)
	switch {
	case a.options.Fault == Swapped && len(v) >= 3*n && a.active(names):
		for i := range n {
			v[n+i], v[2*n+i] = v[2*n+i], v[n+i]
		}
	case a.options.Fault == WrongType && a.active(names) && len(v) > 0:
		v[0].Type, v[0].Value = gosnmp.OctetString, []byte("x")
	}
}
