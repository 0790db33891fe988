//go:build !race

package main

// What a daemon may hold, in KiB of anonymous memory.
const (
	idleKB = 40 << 10
	busyKB = 100 << 10
)
