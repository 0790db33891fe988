package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"spoor/cmd/spoor/control"
	"spoor/flowwatch"
	"spoor/flowwatch/history"
	"spoor/flowwatch/netflow"
	"spoor/internal/unit"
)

// A readCmd is one run of spoor flows read.
type readCmd struct {
	*flowsCmd
	networks []string
	interval time.Duration
	print    string
	rank     ranking
}

func newFlowsReadCmd(f *flowsCmd) *cobra.Command {
	r := &readCmd{flowsCmd: f}
	cmd := &cobra.Command{
		Use:   "read FILE…",
		Short: "what capture files (pcap, pcapng) say, storing nothing",
		Long: `Read takes capture files of flow exports or, where a file holds none, of packets, from which it
builds flows. It needs to know which addresses are ours: from the configuration's networks, or --net.
Without either every address counts as ours.`,
		Example: `  spoor flows read --net 192.0.2.0/24 export.pcap
  spoor flows read --print hist --by pair traffic.pcapng
  spoor flows read --print flows --json export.pcap`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError("spoor flows read needs a file\nhint: name captures made with tcpdump -w")
			}
			if err := without(cmd, "takes whole files", "from", "to", "last"); err != nil {
				return err
			}
			return r.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&r.networks, "net", nil, "a `network` of ours, such as 192.0.2.0/24; may be repeated")
	flags.DurationVar(&r.interval, "interval", 5*time.Minute, "length of the intervals")
	flags.StringVar(&r.print, "print", "top", "top, hist, anomalies, exporters or flows")
	flags.StringVar(&r.rank.by, "by", "", "of top a counter, of hist host or pair")
	flags.StringVar(&r.rank.direction, "direction", "out", "of top: out, replies, in or answers")
	flags.IntVarP(&r.rank.limit, "limit", "n", 20, "of top: how many hosts")
	return cmd
}

func (r *readCmd) capture() (c flowwatch.Capture, err error) {
	cfg, err := r.app.config()
	if err != nil {
		return c, err
	}
	c.Config = cfg.Flowwatch
	c.Config.Interval = unit.Duration(r.interval)
	c.Config.Networks = append(c.Config.Networks, cfg.Site.Networks...)
	for _, s := range r.networks {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return c, usageError("--net %q is no network\nhint: write it like 192.0.2.0/24", s)
		}
		c.Config.Networks = append(c.Config.Networks, p.Masked())
	}
	if len(c.Config.Networks) == 0 {
		c.Ours = func(netip.Addr) bool { return true }
	}
	if r.interval < time.Second || r.interval > time.Hour || time.Hour%r.interval != 0 {
		return c, usageError("--interval %v does not divide an hour\nhint: use 1m, 5m, 10m or the like, at least 1s", r.interval)
	}
	return c, r.validate(&c)
}

// validate refuses what cannot be printed before anything is read.
func (r *readCmd) validate(c *flowwatch.Capture) error {
	if r.csv && r.app.json {
		return usageError("--csv and --json exclude each other")
	}
	switch r.print {
	case "anomalies", "exporters":
	case "top":
		r.rank.by = cmp.Or(r.rank.by, "flows")
		return r.rank.add(url.Values{})
	case "hist":
		if r.rank.by = cmp.Or(r.rank.by, "host"); r.rank.by != "host" && r.rank.by != "pair" {
			return usageError("--by %q is not known\nhint: use host or pair", r.rank.by)
		}
	case "flows":
		c.Each = r.flows
		if r.csv {
			fmt.Fprintln(r.app.out, "exporter,start,end,src,src_port,dst,dst_port,proto,tcp_flags,packets,bytes,sampling,in,out")
		}
	default:
		return usageError("--print %q is not known\nhint: use top, hist, anomalies, exporters or flows", r.print)
	}
	return nil
}

// run reads into a store that lives as long as the command.
func (r *readCmd) run(ctx context.Context, files []string) (err error) {
	c, err := r.capture()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "spoor-read-")
	if err != nil {
		return fmt.Errorf("make a folder for the reading: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if c.Store, err = history.Open(filepath.Join(dir, "flows.db"), history.Keep{}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Store.Close()) }()
	w, reading, err := flowwatch.Read(ctx, c, files)
	if err != nil {
		return err
	}
	if !r.app.json && !r.csv {
		r.summary(reading)
	}
	mux := http.NewServeMux()
	control.Flows(mux, w)
	// An entry of the list begins with the end of its interval, so the time reaches past that.
	r.from, r.to = reading.From.Truncate(r.interval).Format(time.RFC3339), reading.To.Add(2*r.interval).Truncate(r.interval).Format(time.RFC3339)
	return r.answer(ctx, control.Local(mux))
}

func (r *readCmd) summary(s flowwatch.Reading) {
	kind := "packets, made into flows"
	if s.Exports > 0 {
		kind = fmt.Sprintf("packets, %d of them flow exports", s.Exports)
	}
	fmt.Fprintf(r.app.errw, "%d %s; %s; %d not read\n", s.Packets, kind, plural(int(s.Flows), "flow"), s.Unread)
	if s.Truncated {
		fmt.Fprintln(r.app.errw, "a file ends within a packet: it was cut off")
	}
}

func (r *readCmd) answer(ctx context.Context, c *control.Client) error {
	switch r.print {
	case "hist":
		return r.hist(ctx, c, r.rank.by)
	case "anomalies":
		return r.anomalies(ctx, c, false, false)
	case "exporters":
		return r.exporters(ctx, c)
	case "top":
		return r.top(ctx, c, &r.rank)
	}
	return nil
}

// A flowLine is one line of `spoor flows read --print flows --json`.
type flowLine struct {
	Exporter string    `json:"exporter"`
	Start    time.Time `json:"start"`
	End      time.Time `json:"end"`
	Src      string    `json:"src"`
	SrcPort  uint16    `json:"src_port"`
	Dst      string    `json:"dst"`
	DstPort  uint16    `json:"dst_port"`
	Proto    uint8     `json:"proto"`
	Flags    uint8     `json:"tcp_flags"`
	Packets  uint64    `json:"packets"`
	Bytes    uint64    `json:"bytes"`
	Sampling uint32    `json:"sampling"`
	In       uint32    `json:"in"`
	Out      uint32    `json:"out"`
}

func (r *readCmd) flows(list []netflow.Flow) {
	for i := range list {
		r.flow(&list[i])
	}
}

// flow prints one flow; a reader of ours that left is no reason to stop counting.
func (r *readCmd) flow(f *netflow.Flow) {
	l := flowLine{"", f.Start.Time(), f.End.Time(), f.Src.String(), f.SrcPort, f.Dst.String(), f.DstPort, f.Proto, f.Flags,
		f.Packets, f.Bytes, f.Sampling, f.In, f.Out}
	if f.Exporter.IsValid() {
		l.Exporter = f.Exporter.String()
	}
	switch {
	case r.app.json:
		_ = r.app.emit(l)
	case r.csv:
		fmt.Fprintf(r.app.out, "%s,%s,%s,%s,%d,%s,%d,%d,%d,%d,%d,%d,%d,%d\n", l.Exporter, l.Start.Format(millis), l.End.Format(millis),
			l.Src, l.SrcPort, l.Dst, l.DstPort, l.Proto, l.Flags, l.Packets, l.Bytes, l.Sampling, l.In, l.Out)
	default:
		fmt.Fprintf(r.app.out, "%s %6dms %3d %s > %s packets %d bytes %d flags %#02x\n", l.Start.Format(millis), l.End.Sub(l.Start).Milliseconds(),
			f.Proto, netip.AddrPortFrom(f.Src, f.SrcPort), netip.AddrPortFrom(f.Dst, f.DstPort), f.Packets, f.Bytes, f.Flags)
	}
}

const millis = "2006-01-02T15:04:05.000Z"
