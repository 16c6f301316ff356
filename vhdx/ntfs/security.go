package ntfs

import (
	"errors"
	"fmt"
	"slices"
)

// A new file gets the security descriptor that Windows would give it if the
// system account made it there: owned by the administrators, with the access
// control entries that its directory hands down to it.

// securityDescriptor is a self-relative security descriptor, taken apart.
type securityDescriptor struct {
	control      uint16
	owner, group []byte // SIDs
	sacl, dacl   []ace
	noSACL       bool
	noDACL       bool // everybody may do everything
}

// An ace is an access control entry.
type ace struct {
	typ, flags byte
	body       []byte // the access mask and what follows it
}

const (
	aceObjectInherit    = 0x01
	aceContainerInherit = 0x02
	aceNoPropagate      = 0x04
	aceInheritOnly      = 0x08
	aceInherited        = 0x10
	aceHandDown         = aceObjectInherit | aceContainerInherit | aceNoPropagate | aceInheritOnly

	controlDACL           = 0x0004
	controlSACL           = 0x0010
	controlDACLInherited  = 0x0400
	controlSACLInherited  = 0x0800
	controlDACLProtected  = 0x1000
	controlSACLProtected  = 0x2000
	controlSelfRelative   = 0x8000
	accessAll             = 0x001f01ff
	accessRead            = 0x00120089
	accessWrite           = 0x00120116
	accessExecute         = 0x001200a0
	maxSecurityDescriptor = 64 << 10
)

var (
	sidAdministrators = []byte{1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0} // S-1-5-32-544
	sidSystem         = []byte{1, 1, 0, 0, 0, 0, 0, 5, 18, 0, 0, 0}                // S-1-5-18
	sidCreatorOwner   = []byte{1, 1, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0}                 // S-1-3-0
	sidCreatorGroup   = []byte{1, 1, 0, 0, 0, 0, 0, 3, 1, 0, 0, 0}                 // S-1-3-1
)

var errSecurity = errors.New("a security descriptor that is not whole")

func parseSID(b []byte, at uint32) ([]byte, error) {
	if at == 0 {
		return nil, nil
	}
	if int64(at)+8 > int64(len(b)) {
		return nil, errSecurity
	}
	b = b[at:]
	n := 8 + 4*int(b[1])
	if b[0] != 1 || b[1] > 15 || n > len(b) {
		return nil, errSecurity
	}
	return b[:n], nil
}

func parseACL(b []byte, at uint32) ([]ace, error) {
	if int64(at)+8 > int64(len(b)) {
		return nil, errSecurity
	}
	b = b[at:]
	size := int(le.Uint16(b[2:]))
	if size < 8 || size > len(b) {
		return nil, errSecurity
	}
	list := []ace{}
	left := b[8:size]
	for range le.Uint16(b[4:]) {
		if len(left) < 8 {
			return nil, errSecurity
		}
		n := int(le.Uint16(left[2:]))
		if n < 8 || n%4 != 0 || n > len(left) {
			return nil, errSecurity
		}
		list = append(list, ace{typ: left[0], flags: left[1], body: left[4:n]})
		left = left[n:]
	}
	return list, nil
}

func parseSecurityDescriptor(b []byte) (d securityDescriptor, err error) {
	if len(b) < 20 || b[0] != 1 {
		return d, errSecurity
	}
	d.control = le.Uint16(b[2:])
	if d.owner, err = parseSID(b, le.Uint32(b[4:])); err != nil {
		return d, err
	}
	if d.group, err = parseSID(b, le.Uint32(b[8:])); err != nil {
		return d, err
	}
	d.noSACL = d.control&controlSACL == 0 || le.Uint32(b[12:]) == 0
	d.noDACL = d.control&controlDACL == 0 || le.Uint32(b[16:]) == 0
	if !d.noSACL {
		if d.sacl, err = parseACL(b, le.Uint32(b[12:])); err != nil {
			return d, err
		}
	}
	if !d.noDACL {
		d.dacl, err = parseACL(b, le.Uint32(b[16:]))
	}
	return d, err
}

// encode puts the descriptor together as Windows does: lists first, then SIDs.
func (d *securityDescriptor) encode() []byte {
	b := make([]byte, 20)
	b[0] = 1
	le.PutUint16(b[2:], d.control|controlSelfRelative)
	add := func(field int, part []byte) {
		le.PutUint32(b[field:], uint32(len(b)))
		b = append(b, part...)
	}
	if !d.noSACL {
		add(12, encodeACL(d.sacl))
	}
	if !d.noDACL {
		add(16, encodeACL(d.dacl))
	}
	add(4, d.owner)
	add(8, d.group)
	return b
}

func encodeACL(list []ace) []byte {
	b := make([]byte, 8)
	b[0] = 2
	for _, a := range list {
		if a.typ >= 5 && a.typ <= 8 || a.typ == 11 || a.typ == 12 || a.typ == 15 || a.typ == 16 {
			b[0] = 4 // entries for objects of directories
		}
		b = append(b, a.typ, a.flags)
		b = append(le.AppendUint16(b, uint16(4+len(a.body))), a.body...)
	}
	le.PutUint16(b[2:], uint16(len(b)))
	le.PutUint16(b[4:], uint16(len(list)))
	return b
}

// handDown makes the descriptor of a new file or directory below one with d.
func (d *securityDescriptor) handDown(directory bool) *securityDescriptor {
	n := &securityDescriptor{owner: sidAdministrators, group: sidSystem, noSACL: true}
	n.dacl = inherited(d.dacl, directory)
	n.control = controlDACL | controlDACLInherited
	if len(n.dacl) == 0 { // what the system account gives where nothing is handed down
		n.control = controlDACL
		for _, sid := range [][]byte{sidSystem, sidAdministrators} {
			n.dacl = append(n.dacl, ace{body: append(le.AppendUint32(nil, accessAll), sid...)})
		}
	}
	if sacl := inherited(d.sacl, directory); len(sacl) > 0 {
		n.sacl, n.noSACL = sacl, false
		n.control |= controlSACL | controlSACLInherited
	}
	return n
}

// inherited gives the entries that a list hands down, as [MS-DTYP] section
// 2.5.3.4 has it: for the new object itself, and for what will be below it.
func inherited(list []ace, directory bool) []ace {
	var down []ace
	for _, a := range list {
		propagate := a.flags&aceNoPropagate == 0
		flags := a.flags &^ (aceHandDown | aceInherited)
		own, generic := a.resolve()
		switch {
		case !directory && a.flags&aceObjectInherit != 0:
			down = append(down, ace{a.typ, flags | aceInherited, own})
		case directory && a.flags&aceContainerInherit != 0:
			pass := byte(0)
			if propagate {
				pass = a.flags & (aceObjectInherit | aceContainerInherit)
			}
			if generic && propagate { // what is below must see the entry as it was
				down = append(down, ace{a.typ, flags | aceInherited, own}, ace{a.typ, flags | aceInherited | aceInheritOnly | pass, a.body})
			} else {
				down = append(down, ace{a.typ, flags | aceInherited | pass, own})
			}
		case directory && a.flags&aceObjectInherit != 0 && propagate:
			down = append(down, ace{a.typ, flags | aceInherited | aceInheritOnly | aceObjectInherit, a.body})
		}
	}
	return down
}

// resolve makes an entry's generic rights those of files and puts the owner
// and group where it speaks of the creator; changed tells whether it had to.
func (a *ace) resolve() (body []byte, changed bool) {
	body = slices.Clone(a.body)
	if a.typ > 3 { // not of the form mask, SID; mandatory labels need no change
		return body, false
	}
	mask := le.Uint32(body)
	mapped := mask &^ 0xf0000000
	for bit, rights := range map[uint32]uint32{1 << 28: accessAll, 1 << 31: accessRead, 1 << 30: accessWrite, 1 << 29: accessExecute} {
		if mask&bit != 0 {
			mapped |= rights
		}
	}
	le.PutUint32(body, mapped)
	changed = mapped != mask
	switch {
	case slices.Equal(body[4:], sidCreatorOwner):
		return append(body[:4], sidAdministrators...), true
	case slices.Equal(body[4:], sidCreatorGroup):
		return append(body[:4], sidSystem...), true
	}
	return body, changed
}

// inherit gives the security descriptor of a new file in a directory: by its ID
// if the volume's $Secure has one that is the same, otherwise the descriptor.
func (e *Editor) inherit(dir *inode, directory bool) (id uint32, descriptor []byte, err error) {
	above, err := e.v.securityDescriptor(dir)
	if err != nil {
		return 0, nil, err
	}
	d, err := parseSecurityDescriptor(above)
	if err != nil {
		return 0, nil, dir.base.damage(0, "%w", err)
	}
	own := d.handDown(directory).encode()
	if len(own) > maxSecurityDescriptor {
		return 0, nil, fmt.Errorf("a security descriptor of %d bytes: %w", len(own), ErrTooLarge)
	}
	return e.identify(own)
}

// private is the descriptor of a directory that is the system's alone, with all
// that comes to be in it, as Windows gives it to System Volume Information.
func private() []byte {
	d := &securityDescriptor{
		control: controlDACL | controlDACLProtected, owner: sidAdministrators, group: sidSystem, noSACL: true,
		dacl: []ace{{flags: aceObjectInherit | aceContainerInherit, body: append(le.AppendUint32(nil, accessAll), sidSystem...)}},
	}
	return d.encode()
}

// identify gives the ID that the volume's $Secure has for a descriptor, or 0,
// and the descriptor.
func (e *Editor) identify(own []byte) (id uint32, descriptor []byte, err error) {
	id, ok := e.known[string(own)]
	if !ok {
		if id, err = e.v.securityID(own); err != nil {
			return 0, nil, err
		}
		if len(e.known) > 64 {
			clear(e.known)
		}
		e.known[string(own)] = id
	}
	return id, own, nil
}
