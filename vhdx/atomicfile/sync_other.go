//go:build !unix

package atomicfile

// syncDir has nothing to do: folders cannot be synced on these systems.
func syncDir(string) {}
