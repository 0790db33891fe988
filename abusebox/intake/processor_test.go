package intake

import (
	"runtime"
	"testing"
)

func TestSpareProcessor(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(before)
	t.Setenv("GOMAXPROCS", "")
	runtime.SetDefaultGOMAXPROCS()
	want := runtime.GOMAXPROCS(0) + 1
	for range 2 {
		if SpareProcessor(); runtime.GOMAXPROCS(0) != want {
			t.Errorf("it runs on %d processors, want %d", runtime.GOMAXPROCS(0), want)
		}
	}
	t.Setenv("GOMAXPROCS", "5")
	runtime.GOMAXPROCS(5)
	if SpareProcessor(); runtime.GOMAXPROCS(0) != 5 {
		t.Errorf("the operator's 5 processors became %d", runtime.GOMAXPROCS(0))
	}
}
