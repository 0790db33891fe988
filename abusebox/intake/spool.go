package intake

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"spoor/abusebox/intake/segment"
)

// maxSpare bounds the buffer for a record that is used again, in bytes.
const maxSpare = 64 << 10

// ErrNotFound says that the spool does not hold a mail, or no longer.
var ErrNotFound = segment.ErrNotFound

// maxKept bounds what one record of the spool decompresses to, whatever the configured size of a mail was.
const maxKept = 1 << 30

// A Spool keeps mails on disk, in order, in dated segments. Which of them are done is the desk's to know.
type Spool struct {
	log     *segment.Log
	codec   *codec
	metrics *spoolMetrics
	logger  *slog.Logger
	now     func() time.Time
	putting atomic.Int64 // mails
	spare   sync.Pool    // of buffers for records, *[]byte
}

// SpoolDeps is what a Spool needs of others.
type SpoolDeps struct {
	Logger   *slog.Logger          // required
	Registry prometheus.Registerer // may be nil
	Now      func() time.Time      // time.Now if nil
}

// OpenSpool opens the spool below the store's folder. A second process is refused.
func OpenSpool(cfg SpoolConfig, deps SpoolDeps) (*Spool, error) {
	if deps.Now == nil {
		deps.Now = time.Now
	}
	codec, err := newCodec(maxKept)
	if err != nil {
		return nil, err
	}
	s := &Spool{codec: codec, metrics: newSpoolMetrics(deps.Registry), logger: deps.Logger, now: deps.Now}
	s.log, err = segment.Open(filepath.Join(cfg.Dir, "spool"), segment.Options{
		SegmentSize: cfg.SegmentSize.Bytes(), MinFree: cfg.MinFree.Bytes(), Now: deps.Now,
		Event: s.event, Group: s.metrics.group,
	})
	if err != nil {
		codec.close()
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return s, nil
}

// event tells the operator of a torn tail, of damage and of failed writes.
func (s *Spool) event(what, path string, bytes int64, err error) {
	s.metrics.events.Inc()
	s.logger.Warn("spool: "+what, "segment", filepath.Base(path), "bytes", bytes, "err", err)
}

// Put keeps a mail and returns when it is on disk. It fills in Arrived, where that is no possible time, and SHA256. Every error is temporary:
// the same mail may be put again. When ctx ended while the mail waited for its sync, it may be kept nevertheless.
func (s *Spool) Put(ctx context.Context, m Mail) (ID, error) {
	if m.Arrived = possible(m.Arrived); m.Arrived.IsZero() {
		m.Arrived = s.now().UTC()
	}
	m.Delivered = possible(m.Delivered)
	m.SHA256 = sha256.Sum256(m.Message())
	id, err := s.keep(ctx, m)
	s.metrics.put(m, err)
	if err != nil {
		return 0, fmt.Errorf("put mail: %w", err)
	}
	return id, nil
}

// crowd is how many mails at a time are a crowd, whose compression must not keep others waiting.
const crowd = 8

// keep encodes a mail and waits until it is on disk.
func (s *Spool) keep(ctx context.Context, m Mail) (ID, error) {
	p := packedZstd
	if s.putting.Add(1) > crowd {
		p = packedS2
	}
	defer s.putting.Add(-1)
	buffer, ok := s.spare.Get().(*[]byte)
	if !ok {
		buffer = new([]byte)
	}
	rec, head, err := s.codec.encode((*buffer)[:0], m, p)
	if err != nil {
		return 0, err
	}
	id, err := s.log.Append(ctx, rec[:head], rec[head:])
	if err != nil { // the log may still be about to write it
		return 0, err
	}
	if *buffer = rec; cap(rec) <= maxSpare {
		s.spare.Put(buffer)
	}
	return id, nil
}

// Get returns a mail, or ErrNotFound.
func (s *Spool) Get(id ID) (Mail, error) {
	head, body, err := s.log.Read(id)
	if err != nil {
		return Mail{}, fmt.Errorf("get mail: %w", err)
	}
	m, err := s.codec.decode(head, body)
	if err != nil {
		return Mail{}, fmt.Errorf("get mail %s: %w", id, err)
	}
	return m, nil
}

// Scan calls fn for every mail from the ID on, in order, and returns the ID at which a later Scan goes on.
// In the place of a mail that cannot be read any more fn gets one of ours that says so, of SourceSpool.
func (s *Spool) Scan(ctx context.Context, from ID, fn func(ID, Mail) error) (ID, error) {
	return s.log.Scan(ctx, from, s.each(fn))
}

// Follow calls fn for every mail from the ID on, in order, and waits for more until ctx ends or fn fails.
func (s *Spool) Follow(ctx context.Context, from ID, fn func(ID, Mail) error) error {
	return s.log.Follow(ctx, from, s.each(fn))
}

// IDs calls fn for every mail's ID from one on, in order, without reading the mails: 100,000 take well below a second.
func (s *Spool) IDs(ctx context.Context, from ID, fn func(ID) error) (ID, error) {
	return s.log.IDs(ctx, from, fn)
}

// Changed returns a channel that is closed when the next mails are kept.
func (s *Spool) Changed() <-chan struct{} { return s.log.Changed() }

func (s *Spool) each(fn func(ID, Mail) error) func(segment.Record) error {
	return func(r segment.Record) error {
		m, err := s.read(r)
		if err != nil {
			s.metrics.unreadable.Inc()
			s.logger.Error("spool: a mail cannot be read; a person is told", "mail", r.ID, "err", err)
			m = unreadable(r.ID, err, s.now())
		}
		return fn(r.ID, m)
	}
}

// read turns a record into the mail that it keeps.
func (s *Spool) read(r segment.Record) (Mail, error) {
	if r.Damaged > 0 {
		return Mail{}, fmt.Errorf("%d bytes are damaged, and with them every mail that lay there", r.Damaged)
	}
	m, err := s.codec.decode(r.Head, r.Body)
	if err == nil && sha256.Sum256(m.Message()) != m.SHA256 {
		err = errors.New("the message is not the one that came in")
	}
	return m, err
}

// unreadable is what the desk gets in the place of a mail: it alleges nothing, and so goes to a person.
func unreadable(id ID, err error, now time.Time) Mail {
	text := fmt.Sprintf("Subject: mail %s cannot be read\r\n\r\n"+
		"Spoor took a mail in and answered for it, but cannot read it back from the spool, segment %06x at byte %d:\r\n%v.\r\n"+
		"Restore that segment from a backup to see the mail, or ask those who write to you whether they miss an answer.\r\n",
		id, id.Segment(), id.Offset(), err)
	m := Mail{Envelope: Envelope{Source: SourceSpool, Arrived: now.UTC()}, Raw: []byte(text)}
	m.SHA256 = sha256.Sum256(m.Raw)
	return m
}

// Expire deletes the segments whose last day ended before a time and that hold no mail from keep on,
// the oldest that is still needed. It returns how many files went.
func (s *Spool) Expire(before time.Time, keep ID) (int, error) { return s.log.Expire(before, keep) }

// Due returns how many segments Expire would delete, and their bytes.
func (s *Spool) Due(before time.Time, keep ID) (segments int, bytes int64) {
	return s.log.Due(before, keep)
}

// Beyond has new mails numbered beyond an ID that somebody knows already: of a mail in a spool that was lost.
func (s *Spool) Beyond(id ID) { s.log.Beyond(id) }

// Reaches says whether the ID of a mail that will be kept may be id or less.
func (s *Spool) Reaches(id ID) bool { return s.log.Next() <= id.Segment() }

// Stats describe what the spool holds.
type Stats struct {
	Segments int       `json:"segments"`
	Bytes    int64     `json:"bytes"`           // on disk
	Oldest   time.Time `json:"oldest,omitzero"` // day of the oldest segment, UTC
	Newest   time.Time `json:"newest,omitzero"` // day of the newest segment, UTC
}

// Stats returns what the spool holds now.
func (s *Spool) Stats() Stats {
	infos := s.log.Segments()
	st := Stats{Segments: len(infos)}
	for _, i := range infos {
		st.Bytes += i.Bytes
	}
	if len(infos) > 0 {
		st.Oldest, st.Newest = infos[0].Day, infos[len(infos)-1].Day
	}
	return st
}

// Check reads the whole spool and calls bad for every mail that cannot be read back as it came.
func (s *Spool) Check(ctx context.Context, bad func(where, problem, mend string)) error {
	_, err := s.log.Scan(ctx, 0, func(r segment.Record) error {
		if _, err := s.read(r); err != nil {
			bad("mail "+r.ID.String(), err.Error(), fmt.Sprintf("restore segment %06x of the spool from a backup, or let it expire", r.ID.Segment()))
		}
		return nil
	})
	return err
}

// Close keeps what waits and closes the spool.
func (s *Spool) Close() error {
	err := s.log.Close()
	s.codec.close()
	return err
}

// IsFull says whether an error of Put means that the disk is full, or at min_free: 452 rather than 451.
func IsFull(err error) bool {
	return errors.Is(err, segment.ErrFull) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
