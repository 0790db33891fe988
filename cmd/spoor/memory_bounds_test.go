//go:build !race

package main

// What a daemon may hold, in KiB of anonymous memory, when idle and with manyMails stored.
const (
	manyMails = 100_000
	idleKB    = 40 << 10
	busyKB    = 100 << 10
)
