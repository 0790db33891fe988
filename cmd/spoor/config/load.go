package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// maxFile bounds the configuration file: a larger one is a mistake.
const maxFile = 4 << 20

// Load reads the file at path. An empty path means $SPOOR_CONFIG, or else DefaultPath if that exists.
// Its error is a Problems when the file was read and is wrong.
func Load(path string) (Config, error) {
	optional := false
	if path == "" {
		path = os.Getenv("SPOOR_CONFIG")
	}
	if path == "" {
		path, optional = DefaultPath, true
	}
	info, err := os.Stat(path)
	if optional && errors.Is(err, os.ErrNotExist) {
		return Default(), nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w\nhint: name the file with --config, or see docs/config.md for a first one", err)
	}
	if info.Size() > maxFile {
		return Config{}, fmt.Errorf("read configuration: %s is larger than %d bytes", path, maxFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(path, data)
}

// Parse reads a configuration from data; path is only named in errors.
func Parse(path string, data []byte) (Config, error) {
	doc, problems := split(path, data)
	problems = append(problems, doc.decodeEach()...)
	cfg := Default()
	if err := toml.Unmarshal(doc.sound(), &cfg); err != nil && len(problems) == 0 {
		p := doc.problem(err, 0)
		p.Write = "each key and each section in one place only" // nothing else is left that passes alone and not together
		problems = append(problems, p)
	}
	cfg.present = doc.sections
	cfg.validate(func(key, problem, write string) {
		key = doc.original(key)
		problems = append(problems, Problem{path, doc.lineOf(key), key, problem, write})
	})
	if len(problems) > 0 {
		slices.SortStableFunc(problems, func(a, b Problem) int { return a.Line - b.Line })
		return Config{}, problems
	}
	cfg.Path = path
	return cfg, nil
}

// A Problem is one mistake in the configuration.
type Problem struct {
	File  string
	Line  int    // 0 where the key is not in the file
	Key   string // such as "abusebox.smtp[0]"
	What  string // what is wrong with it
	Write string // what to write instead
}

func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Key != "" {
		fmt.Fprintf(&b, ": %s", p.Key)
	}
	fmt.Fprintf(&b, ": %s", p.What)
	if p.Write != "" {
		fmt.Fprintf(&b, "; write %s", p.Write)
	}
	return b.String()
}

// Problems are all mistakes in one configuration, in the order of the file.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.Error()
	}
	if len(p) == 1 {
		return lines[0]
	}
	return fmt.Sprintf("%d mistakes in the configuration:\n%s", len(p), strings.Join(lines, "\n"))
}

func quote(s string) string { return strconv.Quote(s) }

func index(key string, i int) string { return key + "[" + strconv.Itoa(i) + "]" }
