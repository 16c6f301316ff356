package ntfs

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzRuns requires that what was decoded and is encoded again means the same.
func FuzzRuns(f *testing.F) {
	f.Add([]byte{0x21, 0x40, 0xaa, 0x2a, 0x00}, int64(0), int64(1<<20))
	f.Add([]byte{0x11, 0x01, 0x05, 0x01, 0x10, 0x11, 0x02, 0xfe, 0x00}, int64(7), int64(100))
	f.Add([]byte{0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0x80, 0}, int64(0), int64(1<<40))
	f.Add([]byte{0x0f}, int64(1), int64(1))
	f.Fuzz(func(t *testing.T, pairs []byte, vcn, clusters int64) {
		vcn, clusters = vcn&(1<<61-1), clusters&(1<<50-1)
		runs, end, err := decodeRuns(nil, pairs, vcn, clusters)
		if err != nil {
			return
		}
		next := vcn
		for _, r := range runs {
			require.Equal(t, next, r.vcn)
			require.Positive(t, r.count)
			require.True(t, r.lcn == hole || r.lcn >= 0 && r.lcn+r.count <= clusters)
			next += r.count
		}
		require.Equal(t, end, next)
		again, end2, err := decodeRuns(nil, encodeRuns(runs), vcn, clusters)
		require.NoError(t, err)
		require.Equal(t, end, end2)
		require.Equal(t, runs, again)
	})
}

// FuzzStructures gives the parsers of single structures bytes of any kind.
func FuzzStructures(f *testing.F) {
	e := &Editor{v: &Volume{geometry: geometry{recordSize: 1024}, info: Info{Minor: 1}}}
	r := e.newRecord(9, 3, recordInUse, 0)
	name := newFileName(5, 1, 0, namePOSIX, []uint16{'n', 'a'})
	at := int(le.Uint16(r.b[20:]))
	body := append((&piece{a: resident(typeFileName, "", name)}).encode(), (&piece{a: &attribute{typ: typeData, name: "s", size: 9, allocated: 512}, runs: []run{{0, 5, 1}}}).encode()...)
	copy(r.b[at:], body)
	le.PutUint32(r.b[at+len(body):], typeEnd)
	le.PutUint32(r.b[24:], uint32(at+len(body)+8))
	_ = protect(r.b)
	f.Add(r.b)
	boot := make([]byte, 512)
	copy(boot[3:], "NTFS    ")
	copy(boot[11:], []byte{0, 2, 8})
	boot[40], boot[48], boot[56], boot[64], boot[68] = 200, 4, 2, 0xf6, 1
	f.Add(boot)
	f.Add(restartPage0())
	f.Add((&securityDescriptor{owner: sidAdministrators, group: sidSystem, control: controlDACL | controlSACL, dacl: []ace{{0, 3, append([]byte{0, 0, 0, 16}, sidCreatorOwner...)}}}).encode())
	f.Add(append(make([]byte, indexRootHeader), nodeBytes([]entry{{reference: 5, key: name, sub: 3}, {end: true, sub: 4}}, nodeHeader, 0)...))
	f.Add(encodeList([]*piece{{a: resident(typeFileName, "", name)}, {a: resident(typeData, "stream", nil)}}))
	f.Add(name)
	f.Fuzz(func(t *testing.T, b []byte) {
		if g, err := parseBoot(b, 1<<40); err == nil {
			require.Positive(t, g.clusters)
			require.LessOrEqual(t, g.bytes(), int64(1<<40))
		}
		if len(b) >= 1024 && len(b)%512 == 0 && len(b) <= maxRecord {
			own := append([]byte{}, b...)
			if r, err := parseRecord(9, 0, own); err == nil {
				if list, err := r.extents(); err == nil {
					v := &Volume{geometry: geometry{recordSize: len(b), clusterSize: 512, clusters: 1000}}
					if n, err := v.assemble(r); err == nil {
						require.LessOrEqual(t, len(n.attributes), len(list))
					}
				}
			}
		}
		if f, err := parseFileName(b); err == nil {
			units, ok := encodeName(f.name)
			require.True(t, ok)
			require.Equal(t, f.units, units)
		}
		n := &inode{base: &record{b: make([]byte, 1024)}}
		_, _ = parseList(n, b)
		if d, err := parseSecurityDescriptor(b); err == nil {
			for _, directory := range []bool{false, true} {
				again, err := parseSecurityDescriptor(d.handDown(directory).encode())
				if len(b) < 20_000 {
					require.NoError(t, err)
					require.NotEmpty(t, again.dacl)
				}
			}
		}
		if len(b) > indexRootHeader+nodeHeader {
			x := &index{v: &Volume{}, n: n, name: indexDirectory, root: b, blockSize: 4096}
			if nd, err := x.node(-1); err == nil {
				require.NotEmpty(t, nd.entries)
			}
		}
		s := &stream{v: &Volume{}, a: resident(typeData, "", b)}
		_, _ = logInUse(s)
		if _, err := checkName(string(b)); err == nil {
			require.LessOrEqual(t, len(b), 3*maxName)
		}
	})
}

// restartPage0 makes a restart page.
func restartPage0() []byte {
	p := make([]byte, 4096)
	copy(p, "RSTR")
	le.PutUint16(p[4:], 30)
	le.PutUint16(p[6:], 9)
	le.PutUint32(p[16:], 4096)
	le.PutUint16(p[24:], 64)
	le.PutUint16(p[26:], 1)
	le.PutUint16(p[28:], 1)
	_ = protect(p)
	return p
}
