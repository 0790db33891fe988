package config

import (
	"encoding"
	"reflect"
	"sort"
	"strings"

	"spoor/internal/unit"
)

// A Key is one setting that spoor.toml may hold.
type Key struct {
	Name    string // such as "registry.router.address"
	Type    reflect.Type
	Default any // nil inside arrays of tables
}

// Keys lists every key of the configuration, sorted by name: the manual is held against it.
func Keys() []Key {
	var keys []Key
	walk("", reflect.ValueOf(Default()), true, func(k Key) { keys = append(keys, k) })
	sort.Slice(keys, func(i, j int) bool { return keys[i].Name < keys[j].Name })
	return keys
}

var textType = reflect.TypeFor[encoding.TextUnmarshaler]()

// walk visits every leaf of a configuration struct; hasValue is false inside arrays of tables, which begin empty.
func walk(prefix string, v reflect.Value, hasValue bool, visit func(Key)) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("toml"), ",")
		if !field.IsExported() || name == "-" || name == "" {
			if field.Anonymous && field.IsExported() && name == "" {
				walk(prefix, v.Field(i), hasValue, visit)
			}
			continue
		}
		key, t := join(prefix, name), field.Type
		switch {
		case isTable(t):
			walk(key, v.Field(i), hasValue, visit)
		case t.Kind() == reflect.Slice && isTable(t.Elem()), t.Kind() == reflect.Map && isTable(t.Elem()):
			walk(key, reflect.New(t.Elem()).Elem(), false, visit)
		case hasValue:
			visit(Key{key, t, v.Field(i).Interface()})
		default:
			visit(Key{key, t, nil})
		}
	}
}

func isTable(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(textType)
}

// wanted says in words what a key takes, or nothing where the key is not known.
func wanted(key string) string {
	if t := typeOf(key); t != nil {
		return describe(t)
	}
	return ""
}

// typeOf is the type of a key, nil where the key is not known.
func typeOf(key string) reflect.Type {
	plain := withoutIndexes(key)
	for _, k := range Keys() {
		if k.Name == plain {
			return k.Type
		}
	}
	return nil
}

func describe(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[unit.Duration](), t.Name() == "Duration":
		return `a length of time, such as "30s", "5m", "12h" or "7d"`
	case t == reflect.TypeFor[unit.Size]():
		return `a size, such as "64KB", "25MB" or "1GB"`
	case t.Name() == "Prefix":
		return `a network in quotes, such as "192.0.2.0/24"`
	case t.Name() == "Addr":
		return `an IP address in quotes, such as "192.0.2.1"`
	case t.Name() == "AddrPort":
		return `an address with a port in quotes, such as "127.0.0.1:25" or "[::]:25"`
	}
	switch t.Kind() {
	case reflect.String:
		return "text in double quotes"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Float32, reflect.Float64:
		return "a number, such as 0.5"
	case reflect.Slice:
		return "a list in [brackets]; each entry: " + describe(t.Elem())
	case reflect.Map:
		return "a table; each value: " + describe(t.Elem())
	}
	return ""
}

func withoutIndexes(key string) string {
	var b strings.Builder
	inside := false
	for _, r := range key {
		switch {
		case r == '[':
			inside = true
		case r == ']':
			inside = false
		case !inside:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// suggest names the known key or section that looks most like key.
func suggest(key string) string {
	plain := withoutIndexes(key)
	best, distance := "", len(plain)/3+2
	consider := func(name string) {
		if d := editDistance(plain, name); d < distance {
			best, distance = name, d
		}
	}
	for _, k := range Keys() {
		consider(k.Name)
		if cut := strings.LastIndexByte(k.Name, '.'); cut > 0 {
			consider(k.Name[:cut])
		}
	}
	if best == "" {
		return "one of the keys in docs/config.md, or take it out"
	}
	return quote(best) + " if that is meant, or take it out"
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
