//go:build !amd64 && !arm64

package xts

// engines are the ways in which this machine can do it, the fastest first.
func engines() []engineKind { return []engineKind{{"portable", newPortable}} }
