package activity

import (
	"testing"
	"unsafe"
)

// TestHostSize holds the layout to the five cache lines that the memory of a million hosts is reckoned by.
func TestHostSize(t *testing.T) {
	if size := unsafe.Sizeof(host{}); size != 320 {
		t.Errorf("a host takes %d bytes, want 320", size)
	}
	if at := unsafe.Offsetof(host{}.others); at != 64 {
		t.Errorf("what every outgoing flow touches ends at byte %d, want 64", at)
	}
	if at := unsafe.Offsetof(host{}.sets); at != 128 {
		t.Errorf("the peers begin at byte %d, want 128", at)
	}
}
