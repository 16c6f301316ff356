package ntfs

import (
	"errors"
	"fmt"
	"sort"
)

// hole is the first cluster of a run that has none.
const hole = -1

// A run is clusters that follow each other in a stream and on the volume.
type run struct{ vcn, lcn, count int64 }

var errRuns = fmt.Errorf("a run list of more than %d runs: %w", maxRuns, ErrTooLarge)

// decodeRuns appends the runs of mapping pairs to runs, which end at the
// virtual cluster where these begin, and returns the one behind the last.
func decodeRuns(runs []run, pairs []byte, vcn, clusters int64) ([]run, int64, error) {
	lcn := int64(0)
	for {
		if len(pairs) == 0 {
			return nil, 0, errors.New("a run list without end")
		}
		if pairs[0] == 0 {
			return runs, vcn, nil
		}
		nc, nl := int(pairs[0]&15), int(pairs[0]>>4)
		if nc == 0 || nc > 8 || nl > 8 || len(pairs) < 1+nc+nl {
			return nil, 0, fmt.Errorf("a run with header %#x in a run list of %d bytes", pairs[0], len(pairs))
		}
		count := signed(pairs[1 : 1+nc])
		if count <= 0 || count > 1<<62-vcn {
			return nil, 0, fmt.Errorf("a run of %d clusters", count)
		}
		at := int64(hole)
		if nl > 0 {
			delta := signed(pairs[1+nc : 1+nc+nl])
			// Both are checked before they are added: neither sum can overflow.
			if delta < -clusters || delta > clusters || lcn+delta < 0 || count > clusters-(lcn+delta) {
				return nil, 0, fmt.Errorf("a run of %d clusters, %d behind cluster %d, on a volume of %d", count, delta, lcn, clusters)
			}
			lcn += delta
			at = lcn
		}
		runs = appendRun(runs, run{vcn: vcn, lcn: at, count: count})
		if len(runs) > maxRuns {
			return nil, 0, errRuns
		}
		vcn += count
		pairs = pairs[1+nc+nl:]
	}
}

// appendRun appends a run that follows the last one, as part of it if it can be.
func appendRun(runs []run, r run) []run {
	if len(runs) > 0 {
		last := &runs[len(runs)-1]
		if last.lcn == hole && r.lcn == hole || last.lcn != hole && r.lcn == last.lcn+last.count {
			last.count += r.count
			return runs
		}
	}
	return append(runs, r)
}

// signed is a little-endian two's complement number of up to 8 bytes.
func signed(b []byte) int64 {
	n := int64(0)
	for i, c := range b {
		n |= int64(c) << (8 * i)
	}
	shift := 64 - 8*len(b)
	return n << shift >> shift
}

// encodeRuns makes the mapping pairs of runs, with the end mark.
func encodeRuns(runs []run) []byte {
	var b []byte
	lcn := int64(0)
	for _, r := range runs {
		header := len(b)
		b = append(b, 0)
		b = appendSigned(b, r.count)
		nc := len(b) - header - 1
		if r.lcn != hole {
			b = appendSigned(b, r.lcn-lcn)
			lcn = r.lcn
		}
		b[header] = byte(nc | (len(b)-header-1-nc)<<4)
	}
	return append(b, 0)
}

func appendSigned(b []byte, n int64) []byte {
	for {
		b = append(b, byte(n))
		if n >= -128 && n < 128 {
			return b
		}
		n >>= 8
	}
}

// findRun gives the index of the run that holds a virtual cluster, or len(runs).
func findRun(runs []run, vcn int64) int {
	return sort.Search(len(runs), func(i int) bool { return runs[i].vcn+runs[i].count > vcn })
}

// clustersOf counts the clusters of runs, holes included, and those on the volume.
func clustersOf(runs []run) (all, real int64) {
	for _, r := range runs {
		all += r.count
		if r.lcn != hole {
			real += r.count
		}
	}
	return all, real
}
