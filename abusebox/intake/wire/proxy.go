package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

const (
	maxProxyV1 = 107 // bytes, as the specification says
	maxProxyV2 = 4096
	proxyV2Sig = "\r\n\r\n\x00\r\nQUIT\n"
)

var errProxy = errors.New("wire: no PROXY header")

// readProxyHeader reads the header of HAProxy's PROXY protocol, version 1 or 2, and returns the client's address. That is
// invalid where the proxy speaks for itself (UNKNOWN, LOCAL).
func readProxyHeader(r *bufio.Reader) (netip.Addr, error) {
	sig, err := r.Peek(6)
	if err != nil {
		return netip.Addr{}, err
	}
	if string(sig) == "PROXY " {
		return readProxyV1(r)
	}
	if sig, err = r.Peek(len(proxyV2Sig)); err != nil {
		return netip.Addr{}, err
	}
	if string(sig) == proxyV2Sig {
		return readProxyV2(r)
	}
	return netip.Addr{}, errProxy
}

func readProxyV1(r *bufio.Reader) (netip.Addr, error) {
	var line []byte
	for len(line) < maxProxyV1 && (len(line) < 2 || line[len(line)-1] != '\n') {
		b, err := r.ReadByte()
		if err != nil {
			return netip.Addr{}, err
		}
		line = append(line, b)
	}
	text, ok := strings.CutSuffix(string(line), "\r\n")
	f := strings.Split(text, " ")
	if !ok || len(f) < 2 {
		return netip.Addr{}, errProxy
	}
	if f[1] == "UNKNOWN" {
		return netip.Addr{}, nil
	}
	if len(f) != 6 || f[1] != "TCP4" && f[1] != "TCP6" {
		return netip.Addr{}, errProxy
	}
	a, err := netip.ParseAddr(f[2])
	if err != nil || a.Is4() != (f[1] == "TCP4") || a.Zone() != "" {
		return netip.Addr{}, fmt.Errorf("%w: bad source address %q", errProxy, f[2])
	}
	return a.Unmap(), nil
}

func readProxyV2(r *bufio.Reader) (netip.Addr, error) {
	head, err := r.Peek(16)
	if err != nil {
		return netip.Addr{}, err
	}
	version, command, family := head[12]>>4, head[12]&15, head[13]>>4
	length := int(binary.BigEndian.Uint16(head[14:]))
	if version != 2 || command > 1 || length > maxProxyV2 {
		return netip.Addr{}, errProxy
	}
	whole, err := r.Peek(16 + length)
	if err != nil {
		return netip.Addr{}, err
	}
	a, err := sourceV2(command, family, whole[16:])
	if err != nil {
		return netip.Addr{}, err
	}
	_, err = r.Discard(16 + length)
	return a, err
}

func sourceV2(command, family byte, addresses []byte) (netip.Addr, error) {
	const inet, inet6 = 1, 2
	switch {
	case command == 0: // LOCAL: a health check
		return netip.Addr{}, nil
	case family == inet && len(addresses) >= 12:
		return netip.AddrFrom4([4]byte(addresses[:4])), nil
	case family == inet6 && len(addresses) >= 36:
		return netip.AddrFrom16([16]byte(addresses[:16])).Unmap(), nil
	case family == inet || family == inet6:
		return netip.Addr{}, errProxy
	}
	return netip.Addr{}, nil
}
