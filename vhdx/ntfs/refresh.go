package ntfs

// Attributes that a name in a directory repeats from $STANDARD_INFORMATION.
const repeated = fileReadOnly | fileHidden | fileSystem | fileArchive | 0x0100 | fileSparse | fileReparse | fileCompressed | 0x1000 | 0x2000 | fileEncrypted

// refresh repeats what changed of a file in the directories that name it.
func (e *Editor) refresh(number uint64) error {
	n, err := e.v.inode(number)
	if err != nil {
		return err
	}
	information, err := n.resident(typeStandardInformation, "", 36)
	if err != nil {
		return err
	}
	for _, a := range n.attributes {
		if a.typ != typeFileName {
			continue
		}
		f, err := parseFileName(a.value)
		if err != nil {
			return n.base.damage(0, "%w", err)
		}
		if err := e.refreshName(n, f, information); err != nil {
			return err
		}
	}
	return nil
}

func (e *Editor) refreshName(n *inode, f fileName, information []byte) error {
	dir, err := e.v.referenced(f.parent)
	if err != nil {
		return err
	}
	x, err := e.v.directory(dir)
	if err != nil {
		return err
	}
	way, found, err := x.exactly(f.units)
	if err != nil {
		return err
	}
	level := len(way) - 1
	s := way[level]
	if !found || s.entries[s.i].reference != n.reference() {
		return damage(x.what(s.vcn), s.at, "does not lead to record %d, whose name is there", n.number())
	}
	key := s.entries[s.i].key // in the node's own memory
	copy(key[8:40], information[:32])
	if !n.isDirectory() {
		allocated, size := int64(0), int64(0)
		if data := n.find(typeData, ""); data != nil {
			allocated, size = data.allocated, data.size
			if data.hasPacked() {
				allocated = data.packed
			}
		}
		le.PutUint64(key[40:], uint64(allocated))
		le.PutUint64(key[48:], uint64(size))
	}
	le.PutUint32(key[56:], le.Uint32(key[56:])&^repeated|le.Uint32(information[32:])&repeated)
	if level == 0 {
		return e.save(dir, phaseLink)
	}
	return e.putBlock(x, s.vcn, s.b, s.entries, phaseIndex+level)
}
