package report

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"io"
	"strings"

	"spoor/internal/message"
)

// openFile calls read for the table in an attachment, and for each table in an
// archive. Unpacking is bounded: what passes the limit or unpacks to an
// unlikely size is refused, and the result says so.
func (d *document) openFile(p *message.Part, read func(name string, r io.Reader)) {
	name := strings.ToLower(p.Filename)
	switch {
	case isWorkbook(p, name):
		d.readWorkbook(p, read)
	case isZip(p, name):
		d.unzip(p, read)
	case strings.HasSuffix(name, ".gz") || p.MediaType == "application/gzip" || p.MediaType == "application/x-gzip":
		zr, err := gzip.NewReader(p.Reader())
		if err != nil || !d.mayUnpack() {
			return
		}
		read(strings.TrimSuffix(name, ".gz"), d.bounded(zr, int64(len(p.Raw))))
	case isTableFile(p, name):
		read(name, &boundedReader{r: utf8Reader(p), d: d, left: 1 << 40})
	}
}

// archivedText returns the text of log files in an attached archive.
func (d *document) archivedText(p *message.Part) string {
	name := strings.ToLower(p.Filename)
	if !isZip(p, name) && !strings.HasSuffix(name, ".gz") {
		return ""
	}
	var b strings.Builder
	d.openFile(p, func(_ string, r io.Reader) {
		raw, _ := io.ReadAll(io.LimitReader(r, int64(max(0, d.lim.MaxText-b.Len()))))
		text, _ := message.DecodeCharset(raw, "")
		b.WriteString(text + "\n")
	})
	return b.String()
}

func isZip(p *message.Part, name string) bool {
	return strings.HasSuffix(name, ".zip") || p.MediaType == "application/zip" || p.MediaType == "application/x-zip-compressed" || p.MediaType == "application/x-zip"
}

func isTableFile(p *message.Part, name string) bool {
	return p.MediaType == "text/csv" || p.MediaType == "text/tab-separated-values" || p.MediaType == "text/comma-separated-values" || p.MediaType == "application/csv" ||
		strings.HasSuffix(name, ".csv") || strings.HasSuffix(name, ".tsv") || strings.HasSuffix(name, ".txt") || strings.HasSuffix(name, ".log") || p.MediaType == "text/plain" || p.MediaType == "application/vnd.ms-excel"
}

// utf8Reader reads a part as UTF-8; a large one is decoded as it is read.
func utf8Reader(p *message.Part) io.Reader {
	if len(p.Raw) > maxWhole {
		return message.DecodeReader(p.Reader(), p.Params["charset"])
	}
	return strings.NewReader(p.Text())
}

// headText returns the first n bytes of a part's text; of a large part no more is decoded.
func headText(p *message.Part, n int) string {
	if len(p.Raw) <= maxWhole {
		return limitText(p.Text(), n)
	}
	b, _ := io.ReadAll(io.LimitReader(utf8Reader(p), int64(n)))
	return strings.ToValidUTF8(string(b), "")
}

// maxWhole is the largest part that is decoded at once.
const maxWhole = 4 << 20

// beginsWith looks at a part's first bytes without decoding the rest.
func beginsWith(p *message.Part, mark string) bool {
	b := make([]byte, len(mark))
	n, _ := io.ReadFull(p.Reader(), b)
	return string(b[:n]) == mark
}

// mayUnpack counts an archived file.
func (d *document) mayUnpack() bool {
	if d.budget.archives++; d.budget.archives > d.lim.MaxArchives {
		d.budget.truncated = "archives"
		return false
	}
	return true
}

// unzip reads the tables of a zip file.
func (d *document) unzip(p *message.Part, read func(name string, r io.Reader)) {
	b := p.Body()
	zr, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		d.opt.explain("zip: " + err.Error())
		return
	}
	for _, f := range zr.File {
		name := strings.ToLower(f.Name)
		if f.FileInfo().IsDir() || !(strings.HasSuffix(name, ".csv") || strings.HasSuffix(name, ".txt") || strings.HasSuffix(name, ".tsv") || strings.HasSuffix(name, ".log")) {
			continue
		}
		if !d.mayUnpack() {
			return
		}
		if f.Flags&1 != 0 {
			d.unreadName(p.Filename+"/"+f.Name, "encrypted with a password")
			continue
		}
		rc, err := f.Open()
		if err != nil {
			d.unreadName(p.Filename+"/"+f.Name, err.Error())
			continue
		}
		read(name, d.bounded(rc, int64(f.CompressedSize64)))
		rc.Close()
	}
}

// A packedName says which files of which archive are meant.
type packedName struct {
	part   *message.Part
	suffix string
}

// archivedDocuments returns the files of a kind within an attached zip, which is
// unpacked once however many readers ask.
func (d *document) archivedDocuments(p *message.Part, suffix string) [][]byte {
	if !isZip(p, strings.ToLower(p.Filename)) || len(p.Raw) > 2*maxJSON {
		return nil
	}
	name := packedName{p, suffix}
	out, known := d.unpacked[name]
	if !known {
		if out = d.unpackDocuments(p, suffix); d.unpacked == nil {
			d.unpacked = map[packedName][][]byte{}
		}
		d.unpacked[name] = out
	}
	return out
}

func (d *document) unpackDocuments(p *message.Part, suffix string) [][]byte {
	b := p.Body()
	zr, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil
	}
	var out [][]byte
	for _, f := range zr.File {
		if !strings.HasSuffix(strings.ToLower(f.Name), suffix) || f.Flags&1 != 0 || !d.mayUnpack() {
			continue
		}
		rc, err := f.Open()
		if err != nil {
			continue
		}
		r := d.bounded(rc, int64(f.CompressedSize64))
		r.lineless = true
		if doc, err := io.ReadAll(io.LimitReader(r, maxJSON+1)); err == nil && len(doc) <= maxJSON {
			out = append(out, doc)
		}
		rc.Close()
	}
	return out
}

// maxRatio is more than any honest table is packed.
const maxRatio = 100

// maxRow is more than any honest row of a table measures.
const maxRow = 1 << 20

// bounded limits what one packed file may become.
func (d *document) bounded(r io.Reader, packed int64) *boundedReader {
	return &boundedReader{r: r, d: d, left: max(packed*maxRatio, 4<<20)}
}

// A boundedReader ends a stream that unpacks to more than its limits.
type boundedReader struct {
	r    io.Reader
	d    *document
	left int64
	row  int // bytes since the last line end
	// lineless streams have no rows that could be too long.
	lineless bool
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.left <= 0 || b.row > maxRow && !b.lineless || b.d.budget.unpacked > b.d.lim.MaxUnpacked {
		b.d.budget.truncated = "archive"
		return 0, io.EOF
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if i := bytes.LastIndexByte(p[:n], '\n'); i >= 0 {
		b.row = n - i
	} else {
		b.row += n
	}
	b.d.budget.unpacked += int64(n)
	return n, err
}
