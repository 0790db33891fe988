package registry

import (
	"net/netip"
	"sync"
	"time"
)

// Bounds of Answers.
const (
	maxAnswers     = 10_000
	maxAnswerBytes = 64 << 10
	answersLive    = time.Minute // records begin and end to hold while a Table lives
)

// Answers keeps the texts that a server wrote for networks of one Table, so that a
// question that comes again costs little more than a look-up. Its zero value is empty.
type Answers struct {
	mu   sync.RWMutex
	of   *Table
	made time.Time
	text map[answerKey][]byte
}

type answerKey struct {
	prefix  netip.Prefix
	variant string
}

// Get returns the text for what encloses a prefix, written by write when it is not kept.
// The variant tells apart texts for different clients. ok is false when nothing encloses
// the prefix; write is not called then.
func (a *Answers) Get(t *Table, p netip.Prefix, variant string, write func() []byte) (text []byte, ok bool) {
	longest, _, ok := t.lpm.LookupPrefixLPM(p)
	if !ok {
		return nil, false
	}
	key := answerKey{longest, variant}
	now := t.now()
	a.mu.RLock()
	if a.of == t && now.Sub(a.made) < answersLive {
		text = a.text[key]
	}
	a.mu.RUnlock()
	if text != nil {
		return text, true
	}
	if text = write(); len(text) == 0 || len(text) > maxAnswerBytes || len(variant) > 256 {
		return text, true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.of != t || now.Sub(a.made) >= answersLive || len(a.text) >= maxAnswers {
		a.of, a.made, a.text = t, now, map[answerKey][]byte{}
	}
	a.text[key] = text
	return text, true
}
