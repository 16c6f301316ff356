package ntfs

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// sid makes S-1-authority-parts.
func sid(authority byte, parts ...uint32) []byte {
	b := []byte{1, byte(len(parts)), 0, 0, 0, 0, 0, authority}
	for _, p := range parts {
		b = le.AppendUint32(b, p)
	}
	return b
}

func entryFor(typ, flags byte, mask uint32, sid []byte) ace {
	return ace{typ, flags, append(le.AppendUint32(nil, mask), sid...)}
}

// TestInherit has the entries that Windows puts on its own folders, and what
// icacls shows of files and folders made there.
func TestInherit(t *testing.T) {
	users, trusted := sid(5, 32, 545), sid(5, 80, 956008885, 3418522649)
	label := sid(16, 12288) // high mandatory level
	const oi, ci, np, io, in = aceObjectInherit, aceContainerInherit, aceNoPropagate, aceInheritOnly, aceInherited
	for name, c := range map[string]struct {
		above        []ace
		file, folder []ace
	}{
		"full control, handed down": {
			[]ace{entryFor(0, oi|ci|in, accessAll, sidSystem)},
			[]ace{entryFor(0, in, accessAll, sidSystem)},
			[]ace{entryFor(0, oi|ci|in, accessAll, sidSystem)},
		},
		"creator owner, for what is below": {
			[]ace{entryFor(0, oi|ci|io, 1<<28, sidCreatorOwner)},
			[]ace{entryFor(0, in, accessAll, sidAdministrators)},
			[]ace{entryFor(0, in, accessAll, sidAdministrators), entryFor(0, oi|ci|io|in, 1<<28, sidCreatorOwner)},
		},
		"creator group, files only": {
			[]ace{entryFor(1, oi|io, accessRead, sidCreatorGroup)},
			[]ace{entryFor(1, in, accessRead, sidSystem)},
			[]ace{entryFor(1, oi|io|in, accessRead, sidCreatorGroup)},
		},
		"generic rights": {
			[]ace{entryFor(0, oi|ci|io, 1<<31|1<<29, users), entryFor(0, 0, accessAll, trusted)},
			[]ace{entryFor(0, in, accessRead|accessExecute, users)},
			[]ace{entryFor(0, in, accessRead|accessExecute, users), entryFor(0, oi|ci|io|in, 1<<31|1<<29, users)},
		},
		"folders only": {
			[]ace{entryFor(0, ci, 4, users), entryFor(0, oi|ci, accessRead, users)},
			[]ace{entryFor(0, in, accessRead, users)},
			[]ace{entryFor(0, ci|in, 4, users), entryFor(0, oi|ci|in, accessRead, users)},
		},
		"one level": {
			[]ace{entryFor(0, oi|ci|np, accessRead, users), entryFor(0, oi|np, accessAll, sidSystem)},
			[]ace{entryFor(0, in, accessRead, users), entryFor(0, in, accessAll, sidSystem)},
			[]ace{entryFor(0, in, accessRead, users)},
		},
		"label": {
			[]ace{entryFor(17, oi|np|io, 1, label)},
			[]ace{entryFor(17, in, 1, label)},
			nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.file, inherited(c.above, false))
			require.Equal(t, c.folder, inherited(c.above, true))
		})
	}
}

// TestSecurity has ntfs-3g set and read descriptors.
func TestSecurity(t *testing.T) {
	image := shapes[3].mkntfs(t)
	users := sid(5, 32, 545)
	above := (&securityDescriptor{
		control: controlDACL | controlDACLInherited, owner: sidAdministrators, group: sidSystem, noSACL: true,
		dacl: []ace{entryFor(0, aceObjectInherit|aceContainerInherit, accessAll, sidSystem), entryFor(0, aceObjectInherit|aceContainerInherit, accessRead|accessExecute, users)},
	}).encode()
	const name = "system.ntfs_acl"
	descriptor := func(path string) []byte {
		b := make([]byte, 64<<10)
		n, err := syscall.Getxattr(path, name, b)
		require.NoError(t, err)
		return b[:n]
	}
	mount(t, image, "permissions", func(dir string) {
		require.NoError(t, syscall.Mkdir(filepath.Join(dir, "set"), 0o755))
		require.NoError(t, syscall.Setxattr(filepath.Join(dir, "set"), name, above, 0))
		require.Equal(t, above, descriptor(filepath.Join(dir, "set")))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "set/made"), []byte("x"), 0o644))
	})
	e := editImage(t, image)
	require.NoError(t, e.WriteFile("set/ours", []byte("x")))
	require.NoError(t, e.Mkdir("set/ours below"))
	require.NoError(t, e.WriteFile("set/ours below/file", nil))
	require.NoError(t, e.WriteFile("in the root", nil))
	own := func(path string) bool {
		n, _, err := e.v.lookup(path)
		require.NoError(t, err)
		return n.find(typeSecurityDescriptor, "") != nil
	}
	require.True(t, own("set/ours"))
	require.NoError(t, e.Close())
	dacl := func(b []byte) (list []ace) {
		d, err := parseSecurityDescriptor(b)
		require.NoError(t, err)
		require.False(t, d.noDACL)
		return d.dacl
	}
	var ours []byte
	mount(t, image, "ro,permissions", func(dir string) {
		ours = descriptor(filepath.Join(dir, "set/ours"))
		file := []ace{entryFor(0, aceInherited, accessAll, sidSystem), entryFor(0, aceInherited, accessRead|accessExecute, users)}
		require.Equal(t, file, dacl(ours))
		require.Equal(t, file, dacl(descriptor(filepath.Join(dir, "set/ours below/file"))))
		const both = aceInherited | aceObjectInherit | aceContainerInherit
		require.Equal(t, []ace{entryFor(0, both, accessAll, sidSystem), entryFor(0, both, accessRead|accessExecute, users)}, dacl(descriptor(filepath.Join(dir, "set/ours below"))))
		d, err := parseSecurityDescriptor(ours)
		require.NoError(t, err)
		require.Equal(t, sidAdministrators, d.owner)
		require.Equal(t, sidSystem, d.group)
		require.NotEmpty(t, dacl(descriptor(filepath.Join(dir, "in the root"))))
	})
	// What $Secure knows is not kept a second time.
	mount(t, image, "permissions", func(dir string) {
		require.NoError(t, syscall.Setxattr(filepath.Join(dir, "set/made"), name, ours, 0))
	})
	e = editImage(t, image)
	require.NoError(t, e.WriteFile("set/known", []byte("x")))
	require.False(t, own("set/known"))
	require.NoError(t, e.Close())
	mount(t, image, "ro,permissions", func(dir string) {
		require.Equal(t, ours, descriptor(filepath.Join(dir, "set/known")))
	})
	judge(t, image, read(t, openImage(t, image)))
}

// TestPrivate makes a directory for the system alone, in one that hands down rights to everybody.
func TestPrivate(t *testing.T) {
	image := shapes[3].mkntfs(t)
	e := editImage(t, image)
	require.NoError(t, e.MkdirPrivate("System Volume Information"))
	require.ErrorIs(t, e.MkdirPrivate("system volume information"), os.ErrExist)
	require.NoError(t, e.WriteFile("System Volume Information/file", []byte("x")))
	require.NoError(t, e.Mkdir("System Volume Information/folder"))
	require.NoError(t, e.WriteFile("System Volume Information/folder/file", []byte("x")))
	require.NoError(t, e.Close())
	out := tool(t, "ntfsinfo", "-F", "System Volume Information", image)
	require.Contains(t, out, "HIDDEN SYSTEM")
	mount(t, image, "ro,permissions", func(dir string) {
		for path, flags := range map[string]byte{
			"": aceObjectInherit | aceContainerInherit, "folder": aceObjectInherit | aceContainerInherit | aceInherited,
			"file": aceInherited, "folder/file": aceInherited,
		} {
			b := make([]byte, 64<<10)
			n, err := syscall.Getxattr(filepath.Join(dir, "System Volume Information", path), "system.ntfs_acl", b)
			require.NoError(t, err)
			d, err := parseSecurityDescriptor(b[:n])
			require.NoError(t, err)
			require.Equal(t, []ace{entryFor(0, flags, accessAll, sidSystem)}, d.dacl, path)
			require.Equal(t, path == "", d.control&controlDACLProtected != 0)
		}
	})
	judge(t, image, read(t, openImage(t, image)))
}
