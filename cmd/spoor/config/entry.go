package config

import (
	"bytes"
	"reflect"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// An entry is one plain value of a list, as it is written.
type entry struct {
	line int
	text []byte
}

// entriesOf returns the entries of a list, and nothing for one that holds lists or tables.
func entriesOf(parser *unstable.Parser, value *unstable.Node, lines *lineCounter) (entries []entry) {
	if value.Kind != unstable.Array {
		return nil
	}
	for it := value.Children(); it.Next(); {
		node := it.Node()
		if node.Kind == unstable.Array || node.Kind == unstable.InlineTable {
			return nil
		}
		entries = append(entries, entry{lines.at(int(node.Raw.Offset)), parser.Raw(node.Raw)})
	}
	return entries
}

// decodeEntries decodes each entry of a list by itself, complains of those that are broken, and leaves the others in c.
func (d *document) decodeEntries(c *chunk) (problems Problems) {
	t := typeOf(c.key)
	if t == nil || t.Kind() != reflect.Slice {
		return nil
	}
	var good [][]byte
	var kept []int
	for i, e := range c.entries {
		text, _ := d.beneath(*c, c.list(e.text))
		err := decodeAlone(text)
		if err == nil {
			good, kept = append(good, e.text), append(kept, i)
			continue
		}
		p := d.problem(err, 0)
		p.Line, p.Key, p.Write = e.line, index(c.key, i), describe(t.Elem())
		problems = append(problems, p)
	}
	if len(problems) > 0 {
		c.text = c.list(good...)
		if !c.again {
			d.kept[c.key] = kept
		}
	}
	return problems
}

// list writes c's key with a list of these entries.
func (c chunk) list(entries ...[]byte) []byte {
	text := append(bytes.Clone(c.name), " = ["...)
	return append(append(text, bytes.Join(entries, []byte(", "))...), "]\n"...)
}

// original gives an entry of a list from which broken ones were taken the index that it has in the file.
func (d *document) original(key string) string {
	list, rest, ok := cutLast(key, "[")
	kept, thinned := d.kept[list]
	if !ok || !thinned {
		return key
	}
	digits, _ := strings.CutSuffix(rest, "]")
	i, err := strconv.Atoi(digits)
	if err != nil || i < 0 || i >= len(kept) {
		return key
	}
	return index(list, kept[i])
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// A lineCounter tells the lines of offsets that ask in rising order.
type lineCounter struct {
	data         []byte
	offset, line int
}

func (l *lineCounter) at(offset int) int {
	if offset > l.offset {
		l.line += bytes.Count(l.data[l.offset:offset], []byte("\n"))
		l.offset = offset
	}
	return l.line
}
