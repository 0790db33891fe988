package config

import (
	"bytes"
	"errors"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A document is spoor.toml cut into its expressions, so that each is decoded, and complained of, by itself:
// the TOML library stops at its first error.
type document struct {
	path     string
	chunks   []chunk
	lines    map[string]int  // key with indexes → its line
	sections map[string]bool // top-level tables that the file names
}

// A chunk is one expression, a table's head or a key with its value, with the lines it stands on.
type chunk struct {
	header int // index of the head above a key, -1 for none
	isHead bool
	line   int
	key    string // full key, with indexes for arrays of tables
	wrong  bool   // it, or the head above it, cannot be decoded
	text   []byte
}

// split cuts data into expressions; text that is no TOML gives one problem, since what follows cannot be trusted.
func split(path string, data []byte) (*document, Problems) {
	doc := &document{path: path, lines: map[string]int{}, sections: map[string]bool{}}
	var parser unstable.Parser
	parser.Reset(data)
	table, header := "", -1
	counts := map[string]int{}
	for parser.NextExpression() {
		node := parser.Expression()
		key, line := keyOf(&parser, node)
		c := chunk{header: header, line: line}
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
		default:
			continue
		}
		doc.sections[strings.SplitN(strings.SplitN(c.key, ".", 2)[0], "[", 2)[0]] = true
		doc.lines[c.key] = line
		doc.chunks = append(doc.chunks, c)
	}
	doc.cut(data)
	if err := parser.Error(); err != nil {
		return doc, Problems{doc.syntax(data, err)}
	}
	return doc, nil
}

// keyOf returns the parts of an expression's key and the line on which it stands.
func keyOf(parser *unstable.Parser, node *unstable.Node) (parts []string, line int) {
	for it := node.Key(); it.Next(); {
		part := it.Node()
		if line == 0 {
			line = parser.Shape(part.Raw).Start.Line
		}
		parts = append(parts, string(part.Data))
	}
	return parts, line
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

// cut gives each chunk its lines, up to where the next begins.
func (d *document) cut(data []byte) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	for i := range d.chunks {
		end := len(lines)
		if i+1 < len(d.chunks) {
			end = d.chunks[i+1].line - 1
		}
		start := d.chunks[i].line - 1
		if start >= 0 && start < end {
			d.chunks[i].text = bytes.Join(lines[start:end], nil)
		}
	}
}

// decodeEach decodes every expression beneath its own head and collects what is wrong.
func (d *document) decodeEach() (problems Problems) {
	for i, c := range d.chunks {
		text, shift := c.text, c.line-1
		if c.header >= 0 && !c.isHead {
			if d.chunks[c.header].wrong {
				d.chunks[i].wrong = true
				continue
			}
			head := d.chunks[c.header].text
			text = append(bytes.TrimRight(bytes.Clone(head), "\n"), append([]byte("\n"), c.text...)...)
			shift -= bytes.Count(bytes.TrimRight(head, "\n"), []byte("\n")) + 1
		}
		scratch := Default()
		err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&scratch)
		if err == nil {
			continue
		}
		d.chunks[i].wrong = true
		problem := d.problem(err, shift)
		problem.Line, problem.Key = max(problem.Line, c.line), c.key
		if _, unknown := errors.AsType[*toml.StrictMissingError](err); unknown {
			problem.What, problem.Write = "unknown "+kindOf(c), suggest(c.key)
		} else if want := wanted(c.key); want != "" {
			problem.Write = want
		}
		problems = append(problems, problem)
	}
	return problems
}

// sound is the text without what decodeEach found wrong, so that the rest can be judged in the same run.
func (d *document) sound() []byte {
	var out []byte
	for _, c := range d.chunks {
		if !c.wrong {
			out = append(append(out, c.text...), '\n')
		}
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

// syntax says where the text stops being TOML.
func (d *document) syntax(data []byte, err error) Problem {
	var any map[string]any
	if decodeErr := toml.Unmarshal(data, &any); decodeErr != nil {
		err = decodeErr
	}
	p := d.problem(err, 0)
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
