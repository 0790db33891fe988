package config

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A document is spoor.toml cut into its expressions, so that each is decoded, and complained of, by itself:
// the TOML library stops at its first error.
type document struct {
	path     string
	chunks   []chunk
	first    map[string]int   // key with indexes → the chunk where it stands first
	lines    map[string]int   // key with indexes → its line; of lists, each entry's too
	kept     map[string][]int // list with broken entries → the indexes of those that are left
	sections map[string]bool  // top-level tables that the file names
}

// A chunk is one expression, a table's head or a key with its value, with the lines it stands on.
type chunk struct {
	header  int // index of the head above a key, -1 for none; of a section in two pieces, the first
	isHead  bool
	again   bool // its key has stood before
	line    int
	last    int    // line
	key     string // full key, with indexes for arrays of tables
	name    []byte // the key as it is written
	entries []entry
	wrong   bool // it, or the head above it, cannot be decoded
	text    []byte
}

// split cuts data into expressions; text that is no TOML gives one problem, since what follows cannot be trusted.
func split(path string, data []byte) (doc *document, problems Problems) {
	doc = &document{path: path, first: map[string]int{}, lines: map[string]int{}, kept: map[string][]int{}, sections: map[string]bool{}}
	var parser unstable.Parser
	parser.Reset(data)
	lines := lineCounter{data: data, line: 1}
	table, header := "", -1
	counts := map[string]int{}
	for parser.NextExpression() {
		node := parser.Expression()
		key, name := keyOf(&parser, node)
		c := chunk{header: header, line: lines.at(int(name.Offset)), name: parser.Raw(name)}
		switch node.Kind {
		case unstable.Table:
			table, header = indexed(key, counts), len(doc.chunks)
			c.isHead, c.key = true, table
		case unstable.ArrayTable:
			table, header = index(indexed(key, counts), counts[strings.Join(key, ".")]), len(doc.chunks)
			counts[strings.Join(key, ".")]++
			c.isHead, c.key = true, table
		case unstable.KeyValue:
			c.key = join(table, strings.Join(key, "."))
			c.entries = entriesOf(&parser, node.Value(), &lines)
		default:
			continue
		}
		c.last = lines.at(int(max(name.Offset+name.Length, node.Raw.Offset+node.Raw.Length)))
		if problem, again := doc.add(c); again {
			problems = append(problems, problem)
			if c.isHead {
				header = doc.first[c.key]
			}
		}
	}
	doc.cut(data)
	if err := parser.Error(); err != nil {
		problems = append(problems, doc.syntax(data, err))
	}
	return doc, problems
}

// add takes up an expression, and complains where its key has stood before.
func (d *document) add(c chunk) (p Problem, again bool) {
	d.sections[strings.SplitN(strings.SplitN(c.key, ".", 2)[0], "[", 2)[0]] = true
	i, again := d.first[c.key]
	if again {
		c.again = true
		p = d.duplicate(c, d.chunks[i])
	} else {
		d.first[c.key] = len(d.chunks)
		d.lines[c.key] = c.line
		for i, e := range c.entries {
			d.lines[index(c.key, i)] = e.line
		}
	}
	d.chunks = append(d.chunks, c)
	return p, again
}

func (d *document) duplicate(second, first chunk) Problem {
	p := Problem{File: d.path, Line: second.line, Key: second.key, Write: "keep one of the two"}
	p.What = fmt.Sprintf("it stands in line %d already", first.line)
	if second.isHead && first.isHead {
		p.What = fmt.Sprintf("the section [%s] begins in line %d already", second.key, first.line)
		p.Write = fmt.Sprintf("put its keys under the first [%s]", second.key)
	}
	return p
}

// keyOf returns the parts of an expression's key and where it is written.
func keyOf(parser *unstable.Parser, node *unstable.Node) (parts []string, name unstable.Range) {
	for it := node.Key(); it.Next(); {
		part := it.Node()
		if parts == nil {
			name = part.Raw
		}
		name.Length = part.Raw.Offset + part.Raw.Length - name.Offset
		parts = append(parts, string(part.Data))
	}
	return parts, name
}

// indexed writes a table's key with the index of each array of tables that it stands in.
func indexed(key []string, counts map[string]int) string {
	out := ""
	for i, part := range key {
		out = join(out, part)
		if n := counts[strings.Join(key[:i+1], ".")]; n > 0 && i < len(key)-1 {
			out = index(out, n-1)
		}
	}
	return out
}

func join(table, key string) string {
	if table == "" {
		return key
	}
	return table + "." + key
}

// cut gives each chunk its lines.
func (d *document) cut(data []byte) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	for i, c := range d.chunks {
		d.chunks[i].text = bytes.Join(lines[c.line-1:c.last], nil)
	}
}

// decodeEach decodes every expression beneath its own head and collects what is wrong.
func (d *document) decodeEach() (problems Problems) {
	for i := range d.chunks {
		c := &d.chunks[i]
		if c.isHead && c.again {
			continue
		}
		if !c.isHead && c.header >= 0 && d.chunks[c.header].wrong {
			c.wrong = true
			continue
		}
		text, shift := d.beneath(*c, c.text)
		err := decodeAlone(text)
		if err == nil {
			continue
		}
		if broken := d.decodeEntries(c); len(broken) > 0 {
			problems = append(problems, broken...)
			continue
		}
		c.wrong = true
		problem := d.problem(err, c.line-1-shift)
		problem.Line, problem.Key = max(problem.Line, c.line), c.key
		if _, unknown := errors.AsType[*toml.StrictMissingError](err); unknown {
			problem.What, problem.Write = "unknown "+kindOf(*c), suggest(c.key)
		} else if want := wanted(c.key); want != "" {
			problem.Write = want
		}
		problems = append(problems, problem)
	}
	return problems
}

// beneath puts the head of a chunk's section above text, and says how many lines that takes.
func (d *document) beneath(c chunk, text []byte) (whole []byte, lines int) {
	if c.isHead || c.header < 0 {
		return text, 0
	}
	head := append(bytes.TrimRight(bytes.Clone(d.chunks[c.header].text), "\n"), '\n')
	return append(head, text...), bytes.Count(head, []byte("\n"))
}

func decodeAlone(text []byte) error {
	scratch := Default()
	return toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&scratch)
}

// sound is the text without what was found wrong, so that the rest can be judged in the same run. What is left stands on
// the lines of the file; only the keys of a section in two pieces move up to the first.
func (d *document) sound() []byte {
	order := slices.Clone(d.chunks)
	for i := range order {
		if order[i].isHead {
			order[i].header = i
		}
	}
	slices.SortStableFunc(order, func(a, b chunk) int { return a.header - b.header })
	var out []byte
	lines := 0
	for _, c := range order {
		if c.wrong || c.again {
			continue
		}
		if missing := c.line - 1 - lines; missing > 0 {
			out, lines = append(out, strings.Repeat("\n", missing)...), c.line-1
		}
		out = append(out, c.text...)
		if !bytes.HasSuffix(c.text, []byte("\n")) {
			out = append(out, '\n')
		}
		lines += max(1, bytes.Count(c.text, []byte("\n")))
	}
	return out
}

func kindOf(c chunk) string {
	if c.isHead {
		return "section"
	}
	return "key"
}

// problem turns an error of the TOML library into ours; shift is how many lines stand before the decoded text.
func (d *document) problem(err error, shift int) Problem {
	what := strings.TrimPrefix(err.Error(), "toml: ")
	if found, ok := strings.CutPrefix(what, "cannot decode TOML "); ok {
		kind, _, _ := strings.Cut(found, " into ")
		what = "the value is of the wrong kind: " + kind
	}
	p := Problem{File: d.path, What: what}
	if e, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, _ := e.Position()
		p.Line = row + shift
		p.Key = strings.Join(e.Key(), ".")
	}
	return p
}

// syntax says where the text stops being TOML. Only what follows the last whole expression is read again, since the TOML
// library would stop at a key that stands twice before that.
func (d *document) syntax(data []byte, err error) Problem {
	shift := 0
	if n := len(d.chunks); n > 0 {
		shift = d.chunks[n-1].line - 1
	}
	rest := bytes.Join(bytes.SplitAfter(data, []byte("\n"))[shift:], nil)
	var any map[string]any
	if decodeErr := toml.Unmarshal(rest, &any); decodeErr != nil {
		err = decodeErr
	}
	p := d.problem(err, shift)
	p.What = "this is no TOML: " + p.What
	p.Write = `a key, "=", and a value: text in double quotes, lists in [brackets]`
	return p
}

// lineOf is the line of a key, or of the nearest key around it that the file has.
func (d *document) lineOf(key string) int {
	for key != "" {
		if line, ok := d.lines[key]; ok {
			return line
		}
		cut := strings.LastIndexAny(key, ".[")
		if cut < 0 {
			return 0
		}
		key = key[:cut]
	}
	return 0
}
