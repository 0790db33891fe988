package main

func (t *traceCmd) prepareDNS() error { return nil }
