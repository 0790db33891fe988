package flowwatch_test

import (
	"bytes"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"testing"
	"time"

	goflow "github.com/netsampler/goflow2/v2/decoders/netflow"
	legacy "github.com/netsampler/goflow2/v2/decoders/netflowlegacy"
	"github.com/netsampler/goflow2/v2/format"
	_ "github.com/netsampler/goflow2/v2/format/binary"
	"github.com/netsampler/goflow2/v2/producer"
	protoproducer "github.com/netsampler/goflow2/v2/producer/proto"
	"github.com/netsampler/goflow2/v2/transport"
	_ "github.com/netsampler/goflow2/v2/transport/file"

	"spoor/flowwatch"
	"spoor/flowwatch/netflow/netflowtest"
)

// A goflowPipe is what goflow2 does with a datagram once it is received: its decoder, its producer of protocol buffers, its
// shortest format (binary; JSON is its default) and its transport to a file, here /dev/null. It is put together as goflow2's
// own utils.NetFlowPipe does; that package asks for github.com/libp2p/go-reuseport, which nothing else here needs.
type goflowPipe struct {
	templates goflow.NetFlowTemplateSystem
	producer  producer.ProducerInterface
	format    format.FormatInterface
	transport *transport.Transport
}

func newGoflowPipe(b *testing.B) *goflowPipe {
	b.Helper()
	config, err := (*protoproducer.ProducerConfig)(nil).Compile()
	if err == nil {
		err = flag.Set("transport.file", os.DevNull)
	}
	p := &goflowPipe{templates: goflow.CreateTemplateSystem()}
	if err == nil {
		p.producer, err = protoproducer.CreateProtoProducer(config, protoproducer.CreateSamplingSystem)
	}
	if err == nil {
		p.format, err = format.FindFormat("bin")
	}
	if err == nil {
		p.transport, err = transport.FindTransport("file")
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := p.transport.Close(); err != nil {
			b.Error(err)
		}
	})
	return p
}

// take takes one datagram all the way.
func (p *goflowPipe) take(d []byte) error {
	packet, err := p.decode(d)
	if err != nil {
		return err
	}
	messages, err := p.producer.Produce(packet, &producer.ProduceArgs{
		Src: netip.AddrPortFrom(router, 40000), SamplerAddress: router, TimeReceived: time.Now().UTC(),
	})
	defer p.producer.Commit(messages)
	if err != nil {
		return err
	}
	for _, m := range messages {
		key, data, err := p.format.Format(m)
		if err != nil {
			return err
		}
		if err := p.transport.Send(key, data); err != nil {
			return err
		}
	}
	return nil
}

func (p *goflowPipe) decode(d []byte) (any, error) {
	if d[1] == 5 {
		packet := new(legacy.PacketNetFlowV5)
		return packet, legacy.DecodeMessageVersion(bytes.NewBuffer(d), packet)
	}
	v9, ipfix := new(goflow.NFv9Packet), new(goflow.IPFIXPacket)
	err := goflow.DecodeMessageVersion(bytes.NewBuffer(d), p.templates, v9, ipfix)
	if d[1] == 9 {
		return v9, err
	}
	return ipfix, err
}

// BenchmarkPipe measures decoding and counting, pairs of hosts and peers included as they are by default, beside the whole of
// goflow2's pipe after its socket, which hands the flows on and counts nothing.
func BenchmarkPipe(b *testing.B) {
	for _, f := range []netflowtest.Format{netflowtest.V5, netflowtest.V9, netflowtest.IPFIX} {
		list := exports(f, 10_000, 4096)
		var ours, theirs float64
		b.Run(string(f)+"/spoor", func(b *testing.B) { ours = benchTake(b, benchWatcher(b, flowwatch.DefaultConfig().MaxPairs), list) })
		b.Run(string(f)+"/goflow2", func(b *testing.B) {
			p := newGoflowPipe(b)
			if err := p.take(list[0]); err != nil { // the template
				b.Fatal(err)
			}
			theirs = perRecord(b, list, p.take)
		})
		if ours > 0 && theirs > 0 {
			fmt.Printf("ratio %s-vs-goflow2-pipe %.2f\n", f, theirs/ours)
		}
	}
}
