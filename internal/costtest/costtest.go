// Package costtest tells tests what code costs in processor time of its own thread, which other work on a busy machine
// does not change as it changes the clock on the wall.
package costtest

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// Thread is the processor time that this thread has used so far; who compares two of them keeps its goroutine on the
// thread (runtime.LockOSThread).
func Thread() time.Duration {
	var t unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) // it cannot fail for oneself (clock_gettime(2))
	return time.Duration(t.Nano())
}

// Least is the least processor time that one of several runs of f took.
func Least(runs int, f func()) time.Duration {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	best := time.Duration(1 << 62)
	for range runs {
		start := Thread()
		f()
		best = min(best, Thread()-start)
	}
	return best
}
