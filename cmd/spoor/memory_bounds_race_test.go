//go:build race

package main

// The race detector multiplies memory by five to ten and time by more, so that these bounds catch a leak only; CI runs
// the test without it as well.
const (
	manyMails = 10_000
	idleKB    = 400 << 10
	busyKB    = 1000 << 10
)
