package activity

import (
	"testing"
	"unsafe"
)

// TestHostSize holds the layout to the five cache lines that the memory of a million hosts is reckoned by.
func TestHostSize(t *testing.T) {
	if size := unsafe.Sizeof(hot{}) + unsafe.Sizeof(cold{}); size != 320 {
		t.Errorf("a host takes %d bytes, want 320", size)
	}
	if size := unsafe.Sizeof(hot{}); size != 128 {
		t.Errorf("what every outgoing flow touches takes %d bytes, want 128", size)
	}
	if at := unsafe.Offsetof(hot{}.peers); at != 64 {
		t.Errorf("the peers begin at byte %d, want 64", at)
	}
}
