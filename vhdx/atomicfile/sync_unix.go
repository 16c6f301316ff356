//go:build unix

package atomicfile

import "os"

// syncDir makes a rename in the folder durable, where its file system can: the
// file is in place either way.
func syncDir(path string) {
	if d, err := os.Open(path); err == nil {
		_ = d.Sync()
		_ = d.Close()
	}
}
