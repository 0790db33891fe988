package segment

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The thread asks for short turns where the kernel knows them, keeps its priority, and is given back as it was.
func TestShortTurnsAreGivenBack(t *testing.T) {
	runtime.LockOSThread() // the test's own lock keeps the thread after giveUp, to be looked at
	defer runtime.UnlockOSThread()
	attributes := func() *unix.SchedAttr {
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Skipf("the kernel does not tell a thread's attributes: %v", err)
		}
		return attr
	}
	before := attributes()
	if before.Policy != unix.SCHED_NORMAL {
		t.Skip("the tests do not run with the usual policy, which is left alone")
	}
	giveUp := takeShortTurns()
	during := attributes()
	giveUp()
	if after := attributes(); *after != *before {
		t.Errorf("the thread has %+v after it, had %+v", after, before)
	}
	if during.Policy != before.Policy || during.Nice != before.Nice || during.Flags != before.Flags {
		t.Errorf("more than the turns was changed: %+v, was %+v", during, before)
	}
	if got := time.Duration(during.Runtime); got != turn && during.Runtime != before.Runtime {
		t.Errorf("turns of %v", got)
	}
}
