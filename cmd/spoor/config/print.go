package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// secretKeys are the settings whose values are never shown.
var secretKeys = map[string]bool{"abusebox.users": true}

// PrintChanged writes the settings that differ from the defaults, as TOML, with secrets hidden.
func (c Config) PrintChanged(w io.Writer) error {
	section := ""
	var failed error
	changedIn("", reflect.ValueOf(c), reflect.ValueOf(Default()), func(table, key string, value any) {
		if failed != nil {
			return
		}
		if table != section {
			section = table
			_, failed = fmt.Fprintf(w, "[%s]\n", table)
		}
		if secretKeys[join(table, key)] {
			value = "(hidden)"
		}
		var text []byte
		if text, failed = toml.Marshal(map[string]any{key: value}); failed == nil {
			_, failed = fmt.Fprint(w, string(nested(table, text)))
		}
	})
	return failed
}

// nested gives the tables that stand for a value their full name.
func nested(table string, text []byte) []byte {
	s := strings.ReplaceAll(string(text), "\n[[", "\n[["+table+".")
	if strings.HasPrefix(s, "[[") {
		s = "[[" + table + "." + s[2:]
	}
	return []byte(s)
}

// changedIn visits the leaves in which two configurations differ, in the order of the structs.
func changedIn(table string, have, def reflect.Value, visit func(table, key string, value any)) {
	var tables []func()
	for i := range have.NumField() {
		field := have.Type().Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("toml"), ",")
		switch {
		case !field.IsExported() || name == "-":
		case field.Anonymous && name == "":
			changedIn(table, have.Field(i), def.Field(i), visit)
		case isTable(field.Type):
			tables = append(tables, func() { changedIn(join(table, name), have.Field(i), def.Field(i), visit) })
		case !reflect.DeepEqual(have.Field(i).Interface(), def.Field(i).Interface()):
			visit(table, name, have.Field(i).Interface())
		}
	}
	for _, t := range tables { // a table's own keys come before the tables below it
		t()
	}
}
