package ntfs

import "cmp"

// upcase maps each UTF-16 unit to its upper case, as the volume's $UpCase has it.
type upcase []uint16

func (v *Volume) loadUpcase() error {
	n, err := v.inode(recordUpCase)
	if err != nil {
		return err
	}
	a, err := n.need(typeData, "")
	if err != nil {
		return err
	}
	if a.size != 1<<17 {
		return n.base.damage(0, "$UpCase of %d bytes, not %d", a.size, 1<<17)
	}
	b, err := (&stream{v: v, a: a, what: n.name()}).readAll(1 << 17)
	if err != nil {
		return err
	}
	u := upcase(unitsOf(b))
	// Versions of Windows differ in what they make of other letters, but never in ASCII.
	for c := range uint16(0x80) {
		want := c
		if c >= 'a' && c <= 'z' {
			want -= 'a' - 'A'
		}
		if u[c] != want {
			return n.base.damage(0, "$UpCase makes %#x of the unit %#x", u[c], c)
		}
	}
	v.upcase = u
	return nil
}

// fold compares two names regardless of case.
func (u upcase) fold(a, b []uint16) int {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			if c := cmp.Compare(u[a[i]], u[b[i]]); c != 0 {
				return c
			}
		}
	}
	return cmp.Compare(len(a), len(b))
}

// collate is the order of a directory: regardless of case, and names that are
// the same so by the first unit in which they differ.
func (u upcase) collate(a, b []uint16) int {
	if c := u.fold(a, b); c != 0 {
		return c
	}
	for i := range a {
		if a[i] != b[i] {
			return cmp.Compare(a[i], b[i])
		}
	}
	return 0
}
