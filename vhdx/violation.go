package vhdx

import (
	"errors"
	"fmt"
)

// Errors that a caller may want to tell apart. A file that breaks the
// specification gives a *Violation.
var (
	ErrNotVHDX        = errors.New("not a VHDX file")
	ErrReadOnly       = errors.New("the disk is open read-only")
	ErrClosed         = errors.New("the disk is closed")
	ErrNoItem         = errors.New("no such metadata item")
	ErrParentNotFound = errors.New("the parent disk was not found")
	ErrWithoutParent  = errors.New("the data are in the parent of this differencing disk, which is not open")
	ErrParentChanged  = errors.New("the parent disk is not the one this disk was made from, or has been changed since")
)

// A Violation is one place where a file breaks the specification.
type Violation struct {
	Offset  int64  `json:"offset"`  // in the file, in bytes
	Section string `json:"section"` // of MS-VHDX
	Text    string `json:"text"`
	Fatal   bool   `json:"fatal"` // the disk cannot be used as it is
}

func (v *Violation) Error() string {
	return fmt.Sprintf("at file offset %#x: %s (MS-VHDX %s)", v.Offset, v.Text, v.Section)
}

// findings collects violations. Opening a disk stops at the first fatal one;
// checking it goes on as far as there is something to go on with.
type findings struct {
	list    []Violation
	dropped int
}

// maxFindings keeps a report on a file full of faults readable and bounded.
const maxFindings = 1000

func (f *findings) add(v Violation) {
	if len(f.list) == maxFindings {
		f.dropped++
		return
	}
	f.list = append(f.list, v)
}

// fault notes a violation in spite of which the disk can be read.
func (f *findings) fault(offset int64, section, format string, args ...any) {
	f.add(Violation{Offset: offset, Section: section, Text: fmt.Sprintf(format, args...)})
}

// fatal notes a violation that makes the disk unusable and returns it.
func (f *findings) fatal(offset int64, section, format string, args ...any) error {
	v := Violation{Offset: offset, Section: section, Text: fmt.Sprintf(format, args...), Fatal: true}
	f.add(v)
	return &v
}
