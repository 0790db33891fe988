package report

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"time"

	"spoor/internal/message"
)

// isWorkbook knows spreadsheets in Office Open XML (ECMA-376).
func isWorkbook(p *message.Part, name string) bool {
	return strings.HasSuffix(name, ".xlsx") || p.MediaType == "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
}

// Bounds of one workbook, beside those of every archive.
const (
	maxSheets  = 16
	maxStrings = 1 << 20
	maxColumns = 1024
	maxSheet   = 64 << 20
)

// readWorkbook hands the sheets of an .xlsx on as comma-separated tables.
func (d *document) readWorkbook(p *message.Part, read func(name string, r io.Reader)) {
	b := p.Body()
	zr, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		d.unread(p, err.Error())
		return
	}
	wb := workbook{d: d}
	var sheets []*zip.File
	for _, f := range zr.File {
		name := strings.ToLower(f.Name)
		switch {
		case name == "xl/sharedstrings.xml":
			wb.open(f, wb.readStrings)
		case name == "xl/styles.xml":
			wb.open(f, wb.readStyles)
		case strings.HasPrefix(name, "xl/worksheets/") && strings.HasSuffix(name, ".xml") && len(sheets) < maxSheets:
			sheets = append(sheets, f)
		}
	}
	for _, f := range sheets {
		wb.open(f, func(x *xml.Decoder) {
			read(strings.TrimSuffix(strings.ToLower(p.Filename), ".xlsx")+".csv", &sheet{workbook: &wb, x: x})
		})
	}
}

// A workbook is what the sheets of a file share.
type workbook struct {
	d       *document
	strings []string
	dates   []bool // of each cell style: it shows a date
}

// open reads one part of the file within the bounds of archives.
func (w *workbook) open(f *zip.File, read func(*xml.Decoder)) {
	if !w.d.mayUnpack() {
		return
	}
	rc, err := f.Open()
	if err != nil {
		w.d.unreadName(f.Name, err.Error())
		return
	}
	defer rc.Close()
	bounded := &boundedReader{r: rc, d: w.d, left: min(max(int64(f.CompressedSize64)*maxRatio, 4<<20), maxSheet), lineless: true}
	read(xml.NewDecoder(bounded))
}

// readStrings reads the shared strings: <si> with one or more <t>.
func (w *workbook) readStrings(x *xml.Decoder) {
	var text strings.Builder
	for {
		switch t, err := x.Token(); e := t.(type) {
		case xml.StartElement:
			if e.Name.Local == "t" {
				text.WriteString(elementText(x))
			}
		case xml.EndElement:
			if e.Name.Local == "si" && len(w.strings) < maxStrings {
				w.strings = append(w.strings, text.String())
				text.Reset()
			}
		default:
			if err != nil {
				return
			}
		}
	}
}

// elementText returns the text up to the end of the element that was begun.
func elementText(x *xml.Decoder) string {
	var b strings.Builder
	for depth := 1; depth > 0; {
		t, err := x.Token()
		if err != nil {
			break
		}
		switch e := t.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		case xml.CharData:
			if b.Len() < maxRow {
				b.Write(e)
			}
		}
	}
	return b.String()
}

// readStyles finds which styles show a number as a date.
func (w *workbook) readStyles(x *xml.Decoder) {
	custom := map[string]bool{}
	inCells := false
	for {
		t, err := x.Token()
		if err != nil {
			return
		}
		switch e := t.(type) {
		case xml.StartElement:
			switch e.Name.Local {
			case "numFmt":
				custom[attr(e, "numFmtId")] = showsDate(attr(e, "formatCode"))
			case "cellXfs":
				inCells = true
			case "xf":
				if id := attr(e, "numFmtId"); inCells && len(w.dates) < 1<<16 {
					w.dates = append(w.dates, custom[id] || builtinDate(id))
				}
			}
		case xml.EndElement:
			inCells = inCells && e.Name.Local != "cellXfs"
		}
	}
}

func attr(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// builtinDate knows the formats that need no definition (ECMA-376 §18.8.30).
func builtinDate(id string) bool {
	n, _ := strconv.Atoi(id)
	return n >= 14 && n <= 22 || n >= 27 && n <= 36 || n >= 45 && n <= 47 || n >= 50 && n <= 58
}

func showsDate(format string) bool {
	quoted := false
	for _, r := range strings.ToLower(format) {
		switch {
		case r == '"':
			quoted = !quoted
		case !quoted && (r == 'y' || r == 'd' || r == 'h'):
			return true
		}
	}
	return false
}

// A sheet reads as comma-separated text, made row by row.
type sheet struct {
	*workbook
	x    *xml.Decoder
	left bytes.Buffer // of the row that is being read out
}

func (s *sheet) Read(p []byte) (int, error) {
	for s.left.Len() == 0 {
		row, ok := s.row()
		if !ok || s.d.budget.unpacked > s.d.lim.MaxUnpacked {
			return 0, io.EOF
		}
		cw := csv.NewWriter(&s.left)
		cw.Write(row) // a Buffer takes everything
		cw.Flush()
		s.d.budget.unpacked += int64(s.left.Len()) // one shared string can stand in many cells
	}
	return s.left.Read(p)
}

// row reads the next row that has cells; cells past the bound of a row are empty.
func (s *sheet) row() (row []string, ok bool) {
	size := 0
	for {
		t, err := s.x.Token()
		if err != nil {
			return nil, false
		}
		switch e := t.(type) {
		case xml.StartElement:
			if e.Name.Local != "c" {
				continue
			}
			at := columnOf(attr(e, "r"), len(row))
			for len(row) <= at {
				row = append(row, "")
			}
			value := s.cell(s.x, attr(e, "t"), attr(e, "s"))
			if size += len(value); size <= maxRow {
				row[at] = value
			}
		case xml.EndElement:
			if e.Name.Local == "row" && len(row) > 0 {
				return row, true
			}
		}
	}
}

// columnOf reads the column of "AB12"; next where it states none.
func columnOf(ref string, next int) int {
	n := 0
	for i := 0; i < len(ref) && isAlpha(ref[i]) && n < maxColumns; i++ {
		n = n*26 + int(ref[i]&^0x20-'A') + 1
	}
	if n == 0 {
		n = next + 1
	}
	return min(n, maxColumns) - 1
}

// cell reads the value of a cell up to its end.
func (w *workbook) cell(x *xml.Decoder, kind, style string) string {
	value := ""
	for {
		t, err := x.Token()
		if err != nil {
			return value
		}
		switch e := t.(type) {
		case xml.StartElement:
			if e.Name.Local == "v" || e.Name.Local == "t" {
				value += elementText(x)
			}
		case xml.EndElement:
			if e.Name.Local == "c" {
				return w.shown(value, kind, style)
			}
		}
	}
}

// shown is the value as a person sees it.
func (w *workbook) shown(value, kind, style string) string {
	switch kind {
	case "s":
		if n, err := strconv.Atoi(value); err == nil && n >= 0 && n < len(w.strings) {
			return w.strings[n]
		}
		return ""
	case "", "n":
		if n, err := strconv.Atoi(style); err == nil && n >= 0 && n < len(w.dates) && w.dates[n] {
			return serialDate(value)
		}
	}
	return value
}

// serialDate writes days since 1899-12-30 as a time.
func serialDate(value string) string {
	days, err := strconv.ParseFloat(value, 64)
	if err != nil || days < 1 || days > 100_000 {
		return value
	}
	at := time.Date(1899, 12, 30, 0, 0, 0, 0, time.UTC).Add(time.Duration(days*86400+0.5) * time.Second)
	return at.Format("2006-01-02 15:04:05")
}
