package vhdx

import (
	"cmp"
	"container/heap"
	"fmt"
	"io"
	"slices"
)

// A replayedFile is a file as it is once its log has been replayed. Without a
// log to replay it is the file itself.
type replayedFile struct {
	file   io.ReaderAt
	size   int64 // after the replay, section 2.3.3
	stored int64 // of the file as it is
	ring   logRing
	writes []logWrite // sorted, not overlapping
	active bool       // there is a log to replay
}

// openLog finds what there is to replay in the log that h names.
func openLog(file io.ReaderAt, size int64, h header, headerOffset int64, f *findings) (*replayedFile, error) {
	r := &replayedFile{file: file, size: size, stored: size}
	if h.log.IsZero() {
		return r, nil
	}
	if h.logLength == 0 || int64(h.logOffset)+int64(h.logLength) > size {
		return nil, f.fatal(headerOffset+72, "2.2.2", "the log at %#x of %#x bytes lies outside the file of %#x bytes", h.logOffset, h.logLength, size)
	}
	r.ring = logRing{file, int64(h.logOffset), int64(h.logLength)}
	l := newLogReader(r.ring, h.log)
	active, err := l.activeSequence()
	if err != nil {
		return nil, f.fatal(r.ring.offset, "2.3.3", "the log cannot be replayed: %v", err)
	}
	if len(active) == 0 {
		return nil, f.fatal(r.ring.offset, "2.3.3", "the header names a log, and the log holds no valid sequence: the file is corrupt")
	}
	head := active[len(active)-1]
	if size < head.flushedOffset {
		return nil, f.fatal(size, "2.3.3", "the file is truncated: it was %d bytes long when its log was written, and is %d", head.flushedOffset, size)
	}
	if head.lastOffset > maxFileSize {
		return nil, f.fatal(r.ring.offset+head.offset+56, "2.3.1.1", "the log's last file offset %#x is not believable", head.lastOffset)
	}
	var writes []logWrite
	l.budget += 2 * r.ring.length
	for _, e := range active {
		_, w, err := l.parseEntry(e.offset, true)
		if err != nil {
			return nil, f.fatal(r.ring.offset+e.offset, "2.3.3", "the log cannot be replayed: %v", err)
		}
		e.checkDetails(r.ring.offset+e.offset, f)
		if writes = append(writes, w...); len(writes) > maxLogDescriptors {
			return nil, f.fatal(r.ring.offset, "2.3.3", "the log holds more than %d updates", maxLogDescriptors)
		}
	}
	r.writes = flatten(writes)
	r.active = true
	for _, w := range r.writes {
		if w.offset < regionOffsets[0] || w.offset < r.ring.offset+r.ring.length && w.end() > r.ring.offset {
			return nil, f.fatal(r.ring.offset, "2.3", "the log holds an update to the headers or to itself, at %#x", w.offset)
		}
		r.size = max(r.size, w.end())
	}
	r.size = max(r.size, head.lastOffset)
	return r, nil
}

// checkDetails notes what does not keep an entry at a file offset from being replayed.
func (e *logEntry) checkDetails(at int64, f *findings) {
	switch {
	case e.reservedAt == 0:
	case e.reservedAt < logEntryHeaderSize:
		f.fault(at+e.reservedAt, "2.3.1.1", "log entry: reserved bytes are not zero")
	default:
		f.fault(at+e.reservedAt, "2.3.1.2", "zero descriptor in the log: reserved bytes are not zero")
	}
	if e.flushedOffset%mib != 0 {
		f.fault(at+48, "2.3.1.1", "log entry: flushed file offset %#x is not a multiple of 1 MiB", e.flushedOffset)
	}
	if e.lastOffset%mib != 0 {
		f.fault(at+56, "2.3.1.1", "log entry: last file offset %#x is not a multiple of 1 MiB", e.lastOffset)
	}
}

// flatten turns updates in the order of the log, where a later one hides what
// it covers of an earlier one, into sorted ones that do not overlap.
func flatten(writes []logWrite) []logWrite {
	byOffset := make([]int, len(writes))
	for i := range byOffset {
		byOffset[i] = i
	}
	slices.SortStableFunc(byOffset, func(a, b int) int { return cmp.Compare(writes[a].offset, writes[b].offset) })

	var out []logWrite
	open := &newestFirst{} // updates that cover pos, or did
	pos := int64(0)
	for len(byOffset) > 0 || open.Len() > 0 {
		for open.Len() > 0 && writes[(*open)[0]].end() <= pos {
			heap.Pop(open)
		}
		if open.Len() == 0 {
			if len(byOffset) == 0 {
				break
			}
			pos = max(pos, writes[byOffset[0]].offset)
		}
		for len(byOffset) > 0 && writes[byOffset[0]].offset <= pos {
			heap.Push(open, byOffset[0])
			byOffset = byOffset[1:]
		}
		w := writes[(*open)[0]]
		end := w.end()
		if len(byOffset) > 0 {
			end = min(end, writes[byOffset[0]].offset)
		}
		if end <= pos {
			continue // the newest has ended: the next round takes it out
		}
		w.offset, w.length = pos, end-pos
		out = append(out, w)
		pos = end
	}
	return out
}

func (w logWrite) end() int64 { return w.offset + w.length }

// newestFirst is a heap of indices into the updates, the latest on top.
type newestFirst []int

func (h newestFirst) Len() int           { return len(h) }
func (h newestFirst) Less(i, j int) bool { return h[i] > h[j] }
func (h newestFirst) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *newestFirst) Push(x any)        { *h = append(*h, x.(int)) }
func (h *newestFirst) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}

// ReadAt reads the file as replayed. Reading beyond its size is an error.
func (r *replayedFile) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 || off > r.size || int64(len(p)) > r.size-off {
		return 0, fmt.Errorf("read of %d bytes at file offset %#x: %w", len(p), off, io.ErrUnexpectedEOF)
	}
	if !r.active {
		return readFull(r.file, p, off)
	}
	// What the replay adds to the file's length reads as zeros.
	n := int(max(0, min(int64(len(p)), r.stored-off)))
	if _, err := readFull(r.file, p[:n], off); err != nil {
		return 0, err
	}
	clear(p[n:])
	i, _ := slices.BinarySearchFunc(r.writes, off, func(w logWrite, off int64) int { return cmp.Compare(w.end()-1, off) })
	for ; i < len(r.writes) && r.writes[i].offset < off+int64(len(p)); i++ {
		w := r.writes[i]
		from, to := max(w.offset, off), min(w.end(), off+int64(len(p)))
		if w.source < 0 {
			clear(p[from-off : to-off])
			continue
		}
		sector, err := r.sector(w)
		if err != nil {
			return 0, err
		}
		copy(p[from-off:to-off], sector[from-w.offset:])
	}
	return len(p), nil
}

// sector restores a data sector: the first eight and the last four of its
// bytes stand in the descriptor, section 2.3.1.3.
func (r *replayedFile) sector(w logWrite) ([]byte, error) {
	b := make([]byte, logSectorSize)
	if _, err := r.ring.ReadAt(b, w.source); err != nil {
		return nil, err
	}
	copy(b, w.leading[:])
	copy(b[logSectorSize-4:], w.trailing[:])
	return b, nil
}

// readFull is ReadAt that returns io.ErrUnexpectedEOF where the file ends, and
// no io.EOF where p ends with the file.
func readFull(file io.ReaderAt, p []byte, off int64) (int, error) {
	n, err := file.ReadAt(p, off)
	if n == len(p) {
		return n, nil
	}
	if err == io.EOF {
		err = fmt.Errorf("read of %d bytes at file offset %#x: %w", len(p), off, io.ErrUnexpectedEOF)
	}
	return n, err
}
