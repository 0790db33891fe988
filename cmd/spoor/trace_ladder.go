package main

import (
	"fmt"
	"io"

	"spoor/internal/trace"
)

func (t *traceCmd) ladder(w io.Writer, r *trace.Result) {
	if r.Origin != nil {
		fmt.Fprintln(w, r.Origin.IP)
	}
}
