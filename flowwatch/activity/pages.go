package activity

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hugePage is the size of a large page where it matters: to find a host among many costs more for the page tables than for
// the host, if pages are small.
const hugePage = 2 << 20

// inHugePages asks the kernel to hold what a slice has room for in large pages, as far as it fills such. A kernel that has none
// leaves it as it is.
func inHugePages[T any](list []T) {
	if len(list) == 0 {
		return
	}
	all := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(list))), len(list)*int(unsafe.Sizeof(list[0])))
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(all))) % hugePage)
	if whole := (len(all) - skip) / hugePage * hugePage; whole > 0 {
		_ = unix.Madvise(all[skip:skip+whole], unix.MADV_HUGEPAGE) // an advice
	}
}
