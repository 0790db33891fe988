package segment

import (
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// turn is how long the thread that syncs wants the processor at a time. Linux gives a thread that asks for short turns the
// processor as soon as its sync is done (EEVDF, 6.12 and later), where it would else wait for the turns of those who run:
// some milliseconds on a busy machine, in which everybody waits for the next sync.
const turn = 100 * time.Microsecond

// takeShortTurns keeps the calling goroutine on a thread of its own that asks for short turns, until it calls what is
// returned. Where the kernel does not know them, all stays as it was.
func takeShortTurns() (giveUp func()) {
	runtime.LockOSThread()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL {
		return runtime.UnlockOSThread
	}
	before := *attr
	attr.Runtime = uint64(turn)
	if unix.SchedSetAttr(0, attr, 0) != nil {
		return runtime.UnlockOSThread
	}
	return func() {
		if unix.SchedSetAttr(0, &before, 0) == nil { // else the thread ends with the goroutine
			runtime.UnlockOSThread()
		}
	}
}
