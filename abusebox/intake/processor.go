package intake

import (
	"os"
	"runtime"
)

// SpareProcessor lets the program run on one processor more than Go would use: the thread that syncs the spool keeps one
// for most of the sync, though it waits for the disk, and on a small machine that is half of all work. An operator's own
// GOMAXPROCS stays. It is for a process that takes mail in, and may be called again.
func SpareProcessor() {
	if os.Getenv("GOMAXPROCS") != "" {
		return
	}
	runtime.SetDefaultGOMAXPROCS() // what was added before must not count
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
}
