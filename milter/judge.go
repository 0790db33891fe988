package milter

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"sync/atomic"
	"time"

	"spoor/internal/message"
	"spoor/internal/trace"
)

// A Verdict is what is known and decided about one message.
type Verdict struct {
	Traced trace.Result
	Score  float64
	// Direction is the message's way; empty while it is not known.
	Direction Direction
	Parts     []Part
	// Undecided says why there is no judgement; then the message passes.
	Undecided string
	decision  decision
}

// A mail is what the MTA told about one message, owned by one goroutine at a time.
type mail struct {
	peer    Peer
	by      string // the MTA's own name
	queueID string
	env     envelope
	at      time.Time
	fields  []message.Field
	body    []byte
}

// A judge turns a mail into a Verdict within its deadline, whatever happens to its sources.
type judge struct {
	tracer   Tracer
	lookups  Lookups
	policy   policy
	rates    *rateTable
	now      func() time.Time
	watch    *watch
	log      *slog.Logger
	counters *counters
	// abandoned counts judgements that went past their deadline and still run.
	abandoned atomic.Int64
}

// maxAbandoned bounds the goroutines that a source which never answers may cost.
const maxAbandoned = 64

// judge asks the rules at a stage, on the caller's own goroutine. When the
// deadline passes, late is called beside it with an undecided verdict, and the
// one that comes in the end is not ok: the caller must leave what m refers to alone.
func (j *judge) judge(m mail, s stage, late func(Verdict)) (v Verdict, ok bool) {
	if j.abandoned.Load() >= maxAbandoned {
		return j.undecided("busy", "earlier judgements still wait"), true
	}
	this := &judgement{began: j.watch.now()}
	this.late = func() {
		j.abandoned.Add(1)
		late(j.undecided("deadline", fmt.Sprintf("no judgement within %v", j.watch.deadline)))
	}
	j.watch.begin(this)
	v = j.contained(m, s)
	if !j.watch.end(this) {
		j.abandoned.Add(-1)
		return v, false
	}
	return v, true
}

func (j *judge) undecided(reason, why string) Verdict {
	j.counters.undecided.WithLabelValues(reason).Inc()
	return Verdict{Undecided: why}
}

// contained turns a panic into an undecided message: a fault of ours must not stop mail.
func (j *judge) contained(m mail, s stage) (v Verdict) {
	defer func() {
		if p := recover(); p != nil {
			j.log.Error("judgement panicked, the message passes", "panic", p, "queue_id", m.queueID, "stack", string(debug.Stack()))
			v = j.undecided("panic", "a fault in the judgement")
		}
	}()
	return j.think(m, s, false)
}

func (j *judge) think(m mail, s stage, explain bool) Verdict {
	f := &facts{
		stage: s, peer: m.peer, env: m.env, body: bytes.ToLower(m.body), lookups: j.lookups,
		trusted: j.tracer.Trusts(m.peer),
		rates:   func(host netip.Addr) rates { return j.rates.get(host, j.now()) },
	}
	var v Verdict
	if s == stageEnd {
		f.traced = j.tracer.Trace(m.connection(), message.Header{Fields: m.fields})
		v.Traced = f.traced
		v.Score, v.Parts = f.score(j.policy.weights, false)
		v.Direction = f.way()
	}
	v.decision = j.policy.decide(f, explain)
	return v
}
