package rwhois

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"spoor/registry"
)

// An Export says what Export writes.
type Export struct {
	Table    *registry.Table
	AuthArea string // "" writes one area for IPv4 and one for IPv6
	Hostname string // of the primary server
	Personal bool   // with telephone numbers and street addresses
	Now      time.Time
}

// A Sink takes one file of an export, by its path below the export's folder.
type Sink func(path string, write func(io.Writer) error) error

// Write writes the text database that rwhoisd's indexer reads: the list of authority
// areas, and for each its soa, schema, templates and records.
func (e Export) Write(file Sink) (objects int, err error) {
	area := areas{e.AuthArea}
	var list bytes.Buffer
	for i, name := range area.names() {
		if i > 0 {
			list.WriteString("---\n")
		}
		folder := "net-" + strings.ReplaceAll(name, "/", "-")
		fmt.Fprintf(&list, "type: master\nname: %s\ndata-dir: %s/data\nschema-file: %s/schema\nsoa-file: %s/soa\n", name, folder, folder, folder)
		n, err := e.writeArea(file, folder, name, area)
		if err != nil {
			return objects, fmt.Errorf("exporting area %s: %w", name, err)
		}
		objects += n
	}
	return objects, file("rwhoisd.auth_area", func(w io.Writer) error {
		_, err := w.Write(list.Bytes())
		return err
	})
}

func (e Export) writeArea(file Sink, folder, name string, area areas) (objects int, err error) {
	serial := e.Now.UTC().Format("20060102150405") + "000"
	err = file(folder+"/soa", func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "Serial-Number: %s\nRefresh-Interval: 3600\nIncrement-Interval: 1800\nRetry-Interval: 60\nTime-To-Live: 86400\n"+
			"Primary-Server: %s:4321\nHostmaster: hostmaster@%s\n", serial, e.Hostname, e.Hostname)
		return err
	})
	if err != nil {
		return 0, err
	}
	err = file(folder+"/schema", func(w io.Writer) error { return writeSchema(w, folder) })
	if err != nil {
		return 0, err
	}
	for _, class := range classes() {
		if err := file(folder+"/attribute_defs/"+class+".tmpl", func(w io.Writer) error { return writeTemplate(w, class) }); err != nil {
			return 0, err
		}
		err := file(folder+"/data/"+class+"/"+class+".txt", func(w io.Writer) error {
			n, err := e.writeRecords(w, class, name, area)
			objects += n
			return err
		})
		if err != nil {
			return objects, err
		}
	}
	return objects, nil
}

func writeSchema(w io.Writer, folder string) error {
	for i, class := range classes() {
		if i > 0 {
			fmt.Fprintln(w, "---")
		}
		if _, err := fmt.Fprintf(w, "name: %s\nattributedef: %s/attribute_defs/%s.tmpl\ndbdir: %s/data/%s\nSchema-Version: %s\n",
			class, folder, class, folder, class, schemaVersion); err != nil {
			return err
		}
	}
	return nil
}

func writeTemplate(w io.Writer, class string) error {
	for i, f := range fields(class) {
		if i > 0 {
			fmt.Fprintln(w, "---")
		}
		kind := "TEXT"
		if f.isID {
			kind = "ID"
		}
		if _, err := fmt.Fprintf(w, "attribute: %s\nattribute-alias: %s\ndescription: %s\nis-primary-key: %s\nis-required: %s\nis-repeatable: %s\n"+
			"is-multi-line: FALSE\nis-hierarchical: %s\nindex: %s\ntype: %s\n", f.name, f.alias, f.description, boolean(f.primary),
			boolean(f.required), boolean(f.repeats), boolean(f.hierarchical), f.index, kind); err != nil {
			return err
		}
	}
	return nil
}

// writeRecords writes the objects of one class in one area, "---" between them. Every
// record of rwhoisd has a day of update: where none is known, that of the export.
func (e Export) writeRecords(w io.Writer, class, area string, all areas) (n int, err error) {
	seen := map[string]bool{}
	for network := range e.Table.AllNetworks(e.Now) {
		if all.of(network.Prefix) != area {
			continue
		}
		objects := []object{networkObject(network, all)}
		if class == "contact" {
			objects = nil
			if network.Contact != nil {
				objects = contactsOf(network.Contact, area)
			}
		}
		for _, o := range objects {
			if id := o.attrs[1].value; seen[id] {
				continue
			} else {
				seen[id] = true
			}
			if n > 0 {
				fmt.Fprintln(w, "---")
			}
			if err := e.writeRecord(w, o); err != nil {
				return n, err
			}
			n++
		}
	}
	return n, nil
}

func (e Export) writeRecord(w io.Writer, o object) error {
	updated := false
	for _, a := range o.attrs {
		if a.name == "Class-Name" || a.personal && !e.Personal {
			continue
		}
		updated = updated || a.name == "Updated"
		if _, err := fmt.Fprintf(w, "%s: %s\n", a.name, a.value); err != nil {
			return err
		}
	}
	if !updated {
		_, err := fmt.Fprintf(w, "Updated: %s\n", day(e.Now))
		return err
	}
	return nil
}
