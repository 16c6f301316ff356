package vhdx

import (
	"os"

	"golang.org/x/sys/unix"
)

// nextData returns where the next data of a file begin at or after off, and
// where they end; both are end when only a hole is left.
func nextData(f *os.File, off, end int64) (data, hole int64) {
	data, err := f.Seek(off, unix.SEEK_DATA)
	switch {
	case err != nil && isNoData(err):
		return end, end
	case err != nil:
		return off, end // no such knowledge here: all of it may be data
	}
	if hole, err = f.Seek(data, unix.SEEK_HOLE); err != nil {
		hole = end
	}
	return min(data, end), min(hole, end)
}

func isNoData(err error) bool {
	pathError, ok := err.(*os.PathError)
	return ok && pathError.Err == unix.ENXIO
}
