//go:build race

package main

// The race detector multiplies memory by five to ten, so that these bounds catch a leak only.
const (
	idleKB = 400 << 10
	busyKB = 1000 << 10
)
