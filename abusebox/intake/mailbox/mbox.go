package mailbox

import (
	"bufio"
	"bytes"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Quoting is how an mbox's writer kept a body's lines that begin with "From " apart from From_ lines.
type Quoting string

const (
	Auto   Quoting = "auto"   // by Content-Length where that fits, else as Mboxo
	Mboxo  Quoting = "mboxo"  // ">From " for "From ": Postfix, procmail, mail.local
	Mboxrd Quoting = "mboxrd" // one more ">" for any number of them: qmail, git
	Mboxcl Quoting = "mboxcl" // not at all: Content-Length says where a mail ends
)

// Quotings lists all.
func Quotings() []Quoting { return []Quoting{Auto, Mboxo, Mboxrd, Mboxcl} }

const (
	lineBuffer     = 64 << 10
	maxHeaderBytes = 1 << 20 // in which a Content-Length is looked for
)

// An Mbox reads the mails of an mbox file one after the other.
type Mbox struct {
	src io.ReaderAt
	in  *bufio.Reader
	off int64 // of the next byte of in
	opt Options
	// what follows a mail's text: the From_ line that ended it
	fromLine []byte
	fromAt   int64
}

// NewMbox reads from an offset on, at which a From_ line begins (or, with leniency, text before the first).
func NewMbox(src io.ReaderAt, from int64, opt Options) *Mbox {
	section := io.NewSectionReader(src, from, math.MaxInt64-from)
	return &Mbox{src: src, in: bufio.NewReaderSize(section, lineBuffer), off: from, opt: opt}
}

// Next returns the next mail, or io.EOF.
func (r *Mbox) Next() (Message, error) {
	if r.fromLine == nil {
		if err := r.findFrom(); err != nil {
			return Message{}, err
		}
	}
	m := Message{Offset: r.fromAt, From: sender(r.fromLine), Time: fromTime(r.fromLine)}
	r.fromLine = nil
	b := builder{max: r.opt.maxSize(), quoting: r.opt.Quoting}
	if err := r.read(&b); err != nil {
		return Message{}, err
	}
	m.End = r.off
	if r.fromLine != nil {
		m.End = r.fromAt
	}
	m.Raw, m.Err = b.result()
	return m, nil
}

// findFrom goes to the next From_ line. QUIRK: text before the first belongs to no mail; only damaged files have it. But a
// file's own first line, behind empty ones of an mbox that was put together by hand, is one however it tells the date.
func (r *Mbox) findFrom() error {
	first := r.off == 0
	for {
		at := r.off
		line, whole, err := r.line()
		if err != nil {
			return err
		}
		if whole && (isFromLine(line) || first && bytes.HasPrefix(line, []byte("From ")) && line[len(line)-1] == '\n') {
			r.fromLine, r.fromAt = bytes.Clone(line), at
			return nil
		}
		first = first && len(bytes.TrimRight(line, "\r\n")) == 0
		for !whole {
			if _, whole, err = r.line(); err != nil {
				return err
			}
		}
	}
}

// line reads a line with its end, or as much of it as fits the buffer: whole is false then.
func (r *Mbox) line() (line []byte, whole bool, err error) {
	line, err = r.in.ReadSlice('\n')
	r.off += int64(len(line))
	if err == bufio.ErrBufferFull {
		return line, false, nil
	}
	if err == io.EOF && len(line) > 0 {
		return line, true, nil
	}
	return line, true, err
}

// read reads a mail up to the next From_ line or the end of the file.
func (r *Mbox) read(b *builder) error {
	continued := false
	for {
		at := r.off
		line, whole, err := r.line()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if !continued && b.blank && whole && isFromLine(line) {
			r.fromLine, r.fromAt = bytes.Clone(line), at
			return nil
		}
		b.add(line, !continued, whole)
		continued = !whole
		if n, ok := b.contentLength(); ok && r.fits(n) {
			if err := r.copyBody(b, n); err != nil {
				return err
			}
		}
	}
}

// fits says whether a mail's body of n bytes ends where a mailbox or its next mail would.
func (r *Mbox) fits(n int64) bool {
	if r.opt.Quoting == Mboxo || r.opt.Quoting == Mboxrd || n < 0 || n > math.MaxInt64/2 {
		return false
	}
	var next [7]byte
	got, err := r.src.ReadAt(next[:], r.off+n)
	if err != nil && err != io.EOF {
		return false
	}
	rest := next[:got]
	if got == 0 { // the end, or beyond it: then the byte before is missing as well
		before := make([]byte, 1)
		k, _ := r.src.ReadAt(before, max(r.off+n-1, 0))
		return k == 1
	}
	rest = bytes.TrimPrefix(bytes.TrimPrefix(rest, []byte("\r")), []byte("\n"))
	return len(rest) == 0 || bytes.HasPrefix(rest, []byte("From "))
}

// copyBody takes n bytes as they are.
func (r *Mbox) copyBody(b *builder, n int64) error {
	b.exact = true
	for n > 0 {
		chunk := min(n, lineBuffer)
		part, err := r.in.Peek(int(chunk))
		if len(part) == 0 {
			return err
		}
		b.take(part)
		k, err := r.in.Discard(len(part))
		r.off += int64(k)
		n -= int64(k)
		if err != nil {
			return err
		}
	}
	b.blank = true // whatever precedes it, what follows is a From_ line
	return nil
}

// isFromLine knows "From sender date", with a time and a year in it: a text's line that begins with "From " seldom has both.
func isFromLine(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("From ")) {
		return false
	}
	s := string(bytes.TrimRight(line, "\r\n"))
	fields := strings.Fields(s[5:])
	hasTime, hasYear := false, false
	for _, f := range fields {
		hasTime = hasTime || len(f) >= 4 && strings.Count(f, ":") >= 1 && strings.Trim(f, "0123456789:") == ""
		hasYear = hasYear || len(f) == 4 && strings.Trim(f, "0123456789") == ""
	}
	return hasTime && hasYear && len(fields) <= 14
}

// sender is the address of a From_ line; "MAILER-DAEMON" stands for the null sender.
func sender(line []byte) string {
	rest := strings.TrimPrefix(string(line), "From ")
	if strings.HasPrefix(rest, " ") { // an empty sender
		return ""
	}
	from, _, _ := strings.Cut(rest, " ")
	from = strings.Trim(from, "<>\r\n")
	if strings.EqualFold(from, "MAILER-DAEMON") {
		return ""
	}
	return from
}

// fromTime is the time of a From_ line, as asctime(3) writes it, with or without a zone; zero if it is written otherwise.
func fromTime(line []byte) time.Time {
	fields := strings.Fields(string(line))
	if len(fields) < 7 {
		return time.Time{}
	}
	for _, layout := range []string{"Mon Jan 2 15:04:05 2006", "Mon Jan 2 15:04:05 2006 -0700", "Mon Jan 2 15:04:05 -0700 2006"} {
		if t, err := time.Parse(layout, strings.Join(fields[2:], " ")); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// A builder gathers a mail's bytes.
type builder struct {
	raw      []byte
	max      int64
	quoting  Quoting
	tooLarge bool
	blank    bool // the last line was empty
	exact    bool // the body was taken by its length: no separator is part of it
	inBody   bool
	asked    bool
	length   int64 // of the body, by Content-Length; -1 if there is none
	hasLen   bool
}

// add takes a line, or a piece of one.
func (b *builder) add(line []byte, begins, whole bool) {
	empty := begins && whole && len(bytes.TrimRight(line, "\r\n")) == 0
	if b.exact { // what follows a body of known length is the separator
		b.blank = true
		return
	}
	if begins && !b.inBody {
		b.header(line)
	}
	if empty {
		b.inBody = true
	}
	b.blank = empty
	if begins {
		line = b.unquote(line)
	}
	b.take(line)
}

func (b *builder) take(p []byte) {
	if b.tooLarge || int64(len(b.raw)+len(p)) > b.max+2 { // the separator is no part of the mail
		b.tooLarge, b.raw = true, nil
		return
	}
	b.raw = append(b.raw, p...)
}

// header notes the Content-Length.
func (b *builder) header(line []byte) {
	const name = "content-length:"
	if len(line) > len(name) && len(line) < 64 && strings.EqualFold(string(line[:len(name)]), name) {
		n, err := strconv.ParseInt(strings.TrimSpace(string(line[len(name):])), 10, 62)
		b.length, b.hasLen = n, err == nil && n >= 0
	}
}

// contentLength is asked after each line, and answers once: when the body begins.
func (b *builder) contentLength() (int64, bool) {
	if !b.inBody || b.asked {
		return 0, false
	}
	b.asked = true
	return b.length, b.hasLen && len(b.raw) < maxHeaderBytes
}

// unquote takes the quoting off a line of the body.
func (b *builder) unquote(line []byte) []byte {
	if !b.inBody || len(line) == 0 || line[0] != '>' {
		return line
	}
	switch b.quoting {
	case Mboxrd:
		if bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte("From ")) {
			return line[1:]
		}
	case Mboxcl:
	default:
		if bytes.HasPrefix(line, []byte(">From ")) {
			return line[1:]
		}
	}
	return line
}

// result is the mail without the empty line that separates it from the next.
func (b *builder) result() ([]byte, error) {
	raw := b.raw
	if !b.exact && b.blank {
		if bytes.HasSuffix(raw, []byte("\r\n\r\n")) {
			raw = raw[:len(raw)-2]
		} else if bytes.HasSuffix(raw, []byte("\n\n")) || len(raw) == 1 {
			raw = raw[:len(raw)-1]
		}
	}
	if b.tooLarge || int64(len(raw)) > b.max {
		return nil, ErrTooLarge
	}
	return raw, nil
}
