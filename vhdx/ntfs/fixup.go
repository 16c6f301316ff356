package ntfs

import "fmt"

// The end of every 512 bytes of an MFT record or index block is replaced by an
// update sequence number, which tells whether all of it was written; the bytes
// that belong there are in the update sequence array.

// sequenceArray finds the update sequence array of a block.
func sequenceArray(b []byte) ([]byte, error) {
	at, n := int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	switch {
	case n != len(b)/stride+1:
		return nil, fmt.Errorf("an update sequence array of %d, not %d", n, len(b)/stride+1)
	case at < 8 || at%2 != 0 || at+2*n > stride-2:
		return nil, fmt.Errorf("an update sequence array at %d of the block", at)
	}
	return b[at : at+2*n], nil
}

// unprotect checks the magic number and the update sequence of a block and
// puts the bytes that it holds where they belong.
func unprotect(b []byte, magic string) error {
	if string(b[:4]) != magic {
		return fmt.Errorf("starts with %q, not %q", b[:4], magic)
	}
	array, err := sequenceArray(b)
	if err != nil {
		return err
	}
	for i := 1; i <= len(b)/stride; i++ {
		end := b[i*stride-2 : i*stride]
		if end[0] != array[0] || end[1] != array[1] {
			return fmt.Errorf("part %d of %d was not written with the rest (update sequence)", i, len(b)/stride)
		}
	}
	for i := 1; i <= len(b)/stride; i++ {
		copy(b[i*stride-2:i*stride], array[2*i:2*i+2])
	}
	return nil
}

// protect is unprotect's inverse, with the next update sequence number.
func protect(b []byte) error {
	array, err := sequenceArray(b)
	if err != nil {
		return err
	}
	n := le.Uint16(array) + 1
	if n == 0 || n == 0xffff { // both stand for blocks never written
		n = 1
	}
	le.PutUint16(array, n)
	for i := 1; i <= len(b)/stride; i++ {
		end := b[i*stride-2 : i*stride]
		copy(array[2*i:2*i+2], end)
		copy(end, array[:2])
	}
	return nil
}
