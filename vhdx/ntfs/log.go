package ntfs

// log gives the data of $LogFile.
func (v *Volume) log() (*stream, error) {
	n, err := v.inode(recordLogFile)
	if err != nil {
		return nil, err
	}
	a, err := n.need(typeData, "")
	if err != nil {
		return nil, err
	}
	if err := a.readable(); err != nil || a.resident {
		return nil, n.base.damage(0, "$LogFile's data are resident, compressed or encrypted")
	}
	if all, real := clustersOf(a.runs); all != real || a.size > maxLog || a.initialized != a.size {
		return nil, n.base.damage(0, "$LogFile of %d bytes, %d of them initialized, with %d of %d clusters", a.size, a.initialized, real, all)
	}
	return &stream{v: v, a: a, what: n.name()}, nil
}

const (
	logNoClient    = 0xffff
	logVolumeClean = 2
	logNeverUsed   = 0xffffffff

	maxLogPage = 64 << 10
	maxLog     = 4 << 30 // the largest that Windows makes
)

// logInUse looks at the restart pages of the log: the newest that is whole says
// whether the volume was left clean. A log of ones was emptied when the volume
// was clean. Windows keeps version 2 of the log only while it has the volume,
// also through a fast start.
func logInUse(s *stream) (bool, error) {
	used, found, inUse := false, false, false
	newest := int64(0)
	for _, at := range []int64{0, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536} {
		head := make([]byte, stride)
		if at+stride > s.a.size {
			break
		}
		if err := s.read(head, at); err != nil {
			return false, err
		}
		magic := string(head[:4])
		if le.Uint32(head) == logNeverUsed {
			continue
		}
		used = true
		if magic == "RCRD" { // no restart page comes behind the records
			break
		}
		if magic != "RSTR" && magic != "CHKD" {
			continue
		}
		lsn, busy, ok, err := restartPage(s, at, head)
		if err != nil {
			return false, err
		}
		if ok && (!found || lsn > newest) {
			found, newest, inUse = true, lsn, busy
		}
	}
	return used && (!found || inUse), nil
}

// restartPage reads the restart page whose beginning is given; ok is false for
// one that is not whole.
func restartPage(s *stream, at int64, head []byte) (lsn int64, inUse, ok bool, err error) {
	size := int64(le.Uint32(head[16:]))
	if !powerOfTwo(size) || size < stride || size > maxLogPage || at+size > s.a.size || at != 0 && at != size {
		return 0, false, false, nil
	}
	page := make([]byte, size)
	if err := s.read(page, at); err != nil {
		return 0, false, false, err
	}
	if unprotect(page, string(head[:4])) != nil {
		return 0, false, false, nil
	}
	area := int64(le.Uint16(page[24:]))
	if area < 30 || area+48 > size {
		return 0, false, false, nil
	}
	minor, major := le.Uint16(page[26:]), le.Uint16(page[28:])
	a := page[area:]
	inUse = le.Uint16(a[12:]) != logNoClient && le.Uint16(a[14:])&logVolumeClean == 0
	if major != 1 || minor > 1 {
		inUse = true
	}
	return int64(le.Uint64(a)), inUse, true, nil
}
