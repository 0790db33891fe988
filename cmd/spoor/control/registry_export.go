package control

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"net/http"
	"time"

	"spoor/registry"
	"spoor/registry/rwhois"
)

// A RegistryFile is a piece of a file of an export; the pieces of one file follow one another.
type RegistryFile struct {
	Path string `json:"path"`
	Text []byte `json:"text"` // a piece may end inside of a character
}

// exportPiece is about how large a piece is.
const exportPiece = 256 << 10

func registryExports(mux *http.ServeMux, room RegistryRoom) {
	mux.HandleFunc("GET /registry/export/rwhoisd", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		e := rwhois.Export{Table: room.Table(), AuthArea: room.Serving().AuthArea, Hostname: q.Get("hostname"), Personal: q.Get("personal") == "true", Now: time.Now()}
		if e.Hostname == "" {
			e.Hostname = room.Serving().Hostname
		}
		Stream(w, exportPieces(func(file rwhois.Sink) error {
			_, err := e.Write(file)
			return err
		}))
	})
	mux.HandleFunc("GET /registry/export/contacts", func(w http.ResponseWriter, r *http.Request) {
		write := registry.WriteContactsTOML
		if r.URL.Query().Get("format") == "csv" {
			write = registry.WriteContactsCSV
		}
		var contacts []registry.Contact
		for _, c := range room.Table().Contacts() {
			if c.Until.IsZero() {
				contacts = append(contacts, c)
			}
		}
		Stream(w, exportPieces(func(file rwhois.Sink) error {
			return file("contacts", func(w io.Writer) error { return write(w, contacts) })
		}))
	})
}

// errLeft ends an export whose client has gone.
var errLeft = errors.New("the client has gone")

// exportPieces yields what an export writes.
func exportPieces(export func(rwhois.Sink) error) iter.Seq2[RegistryFile, error] {
	return func(yield func(RegistryFile, error) bool) {
		err := export(func(path string, write func(io.Writer) error) error {
			p := pieces{path: path, yield: yield}
			w := bufio.NewWriterSize(&p, exportPiece)
			if err := write(w); err != nil {
				return err
			}
			if err := w.Flush(); err != nil || p.sent {
				return err
			}
			_, err := p.Write(nil) // a file of nothing is a file
			return err
		})
		if err != nil && !errors.Is(err, errLeft) {
			yield(RegistryFile{}, err)
		}
	}
}

// pieces yields each write as a piece of one file.
type pieces struct {
	path  string
	yield func(RegistryFile, error) bool
	sent  bool
}

func (p *pieces) Write(text []byte) (int, error) {
	p.sent = true
	if !p.yield(RegistryFile{p.path, text}, nil) {
		return 0, errLeft
	}
	return len(text), nil
}
