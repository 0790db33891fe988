package main

import "spoor/internal/trace"

// organisations names who answers for the addresses of a result, by the
// registry, where one is configured.
func (t *traceCmd) organisations(*trace.Result) map[string]string { return nil }
