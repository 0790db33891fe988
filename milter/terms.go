package milter

import (
	"encoding/binary"

	gomilter "github.com/emersion/go-milter"
)

// A terms is what was agreed with one MTA: of what we would like, what it offers.
type terms struct {
	actions  gomilter.OptAction
	protocol gomilter.OptProtocol
	version  uint32
	macros   string // that we ask for at the connection stage, where the MTA lets us choose

	silent       [stages]bool // no reply is expected
	headerReply  bool
	eohReply     bool
	leadingSpace bool // values come and go with the space behind the colon
	skip         bool // the MTA understands that we have seen enough of a body
}

// terms asks for the steps that the policy needs, and for silence wherever no rule may refuse:
// each reply saved is a round trip less for the sender.
func (s *Server) terms(o offer) terms {
	t := terms{actions: s.actions & o.actions, protocol: s.protocol & o.protocol, version: min(version, o.version)}
	has := func(p gomilter.OptProtocol) bool { return t.protocol&p != 0 }
	t.silent = [stages]bool{
		stageConnect: has(gomilter.OptNoConnReply), stageHelo: has(gomilter.OptNoHeloReply),
		stageMail: has(gomilter.OptNoMailReply), stageRcpt: has(gomilter.OptNoRcptReply),
	}
	t.headerReply = !has(gomilter.OptNoHeaderReply)
	t.eohReply = !has(gomilter.OptNoEOHReply)
	t.leadingSpace = has(gomilter.OptHeaderLeadingSpace)
	t.skip = has(gomilter.OptSkip)
	if t.actions&gomilter.OptSetSymList != 0 {
		t.macros = connectMacros
	}
	return t
}

const connectMacros = "j _ {daemon_name} {daemon_addr} {daemon_port} {client_resolve}"

func wantedActions(p policy) gomilter.OptAction {
	want := gomilter.OptAddHeader | gomilter.OptChangeHeader | gomilter.OptSetSymList
	for _, r := range p.rules {
		if r.Action == ActionQuarantine {
			want |= gomilter.OptQuarantine
		}
	}
	return want
}

func wantedProtocol(p policy, dryRun bool) gomilter.OptProtocol {
	want := gomilter.OptNoUnknown | gomilter.OptNoData | gomilter.OptNoEOH | gomilter.OptRcptRej |
		gomilter.OptNoHeaderReply | gomilter.OptNoEOHReply | gomilter.OptHeaderLeadingSpace | gomilter.OptSkip
	if !p.wantsBody() {
		want |= gomilter.OptNoBody
	}
	silent := map[stage]gomilter.OptProtocol{
		stageConnect: gomilter.OptNoConnReply, stageHelo: gomilter.OptNoHeloReply,
		stageMail: gomilter.OptNoMailReply, stageRcpt: gomilter.OptNoRcptReply,
	}
	judges := p.judges()
	for at, flag := range silent {
		if !judges[at] || dryRun {
			want |= flag
		}
	}
	return want
}

// An offer is what an MTA can do, as it says first.
type offer struct {
	version  uint32
	actions  gomilter.OptAction
	protocol gomilter.OptProtocol
}

// version is what we speak.
const version = 6

// negotiate reads the MTA's offer and answers it. go-milter, which has one answer for every MTA, never sees it.
func (w *wire) negotiate() error {
	packet, err := w.readPacket()
	if err == nil && (packet[4] != codeNegotiate || len(packet) < 5+12) {
		err = errOrder
	}
	if err != nil {
		w.report(err)
		return err
	}
	w.agree(w.to.offered(offer{
		version:  binary.BigEndian.Uint32(packet[5:]),
		actions:  gomilter.OptAction(binary.BigEndian.Uint32(packet[9:])),
		protocol: gomilter.OptProtocol(binary.BigEndian.Uint32(packet[13:])),
	}))
	return nil
}

// agree answers an offer.
func (w *wire) agree(t terms) {
	at := len(w.replies)
	w.replies = append(w.replies, 0, 0, 0, 0, codeNegotiate)
	for _, n := range []uint32{t.version, uint32(t.actions), uint32(t.protocol)} {
		w.replies = binary.BigEndian.AppendUint32(w.replies, n)
	}
	if t.macros != "" {
		w.replies = binary.BigEndian.AppendUint32(w.replies, uint32(gomilter.StageConnect))
		w.replies = append(append(w.replies, t.macros...), 0)
	}
	binary.BigEndian.PutUint32(w.replies[at:], uint32(len(w.replies)-at-4))
}
