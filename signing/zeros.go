package signing

import (
	"bytes"
	"crypto/sha256"
	"hash"
	"sync"
)

// chunkSize is how much is read and hashed at a time, in bytes: it stays in a core's own cache between the two.
const chunkSize = 256 << 10

var zeroChunk [chunkSize]byte

// isZero looks at no more than chunkSize bytes, and only as far as the first that is not zero.
func isZero(p []byte) bool { return bytes.Equal(p, zeroChunk[:len(p)]) }

// zeroStep is the distance between the remembered states of a SHA-256 over zeros, in bytes.
const zeroStep = minSegment

// zeroHashes remembers how SHA-256 goes over zeros, so that no run of zeros at the beginning of a segment is hashed twice.
// It holds a state of about 100 bytes for each zeroStep of the longest run.
type zeroHashes struct {
	mu     sync.Mutex
	states []hash.Cloner // states[n] has seen n*zeroStep zeros
}

// after gives a SHA-256 that has seen n zeros.
func (z *zeroHashes) after(n int64) hash.Cloner {
	h := clone(z.state(int(n / zeroStep)))
	writeZeros(h, n%zeroStep)
	return h
}

// sum is the SHA-256 of n zeros.
func (z *zeroHashes) sum(n int64) [sha256.Size]byte { return sumOf(z.after(n)) }

// state gives states[n], which nobody writes to.
func (z *zeroHashes) state(n int) hash.Cloner {
	for {
		if s := z.step(n); s != nil {
			return s
		}
	}
}

// step gives states[n], or makes one more state on the way there. It holds the lock no longer than that takes, because
// others want states that are there already.
func (z *zeroHashes) step(n int) hash.Cloner {
	z.mu.Lock()
	defer z.mu.Unlock()
	if n < len(z.states) {
		return z.states[n]
	}
	next := sha256.New().(hash.Cloner)
	if len(z.states) > 0 {
		next = clone(z.states[len(z.states)-1])
		writeZeros(next, zeroStep)
	}
	z.states = append(z.states, next)
	return nil
}

func clone(h hash.Cloner) hash.Cloner {
	c, err := h.Clone()
	if err != nil {
		panic(err) // only wrappers of other hashes fail
	}
	return c
}

func sumOf(h hash.Hash) [sha256.Size]byte { return [sha256.Size]byte(h.Sum(nil)) }

func writeZeros(h hash.Hash, n int64) {
	for ; n > 0; n -= chunkSize {
		h.Write(zeroChunk[:min(n, chunkSize)])
	}
}

// A segmentHash is the SHA-256 of one segment in the making.
type segmentHash struct {
	zeros   *zeroHashes
	leading int64       // zeros seen, as long as there was nothing else
	rest    hash.Cloner // nil for so long
}

func (s *segmentHash) write(p []byte) {
	if s.rest == nil {
		if isZero(p) {
			s.leading += int64(len(p))
			return
		}
		s.rest = s.zeros.after(s.leading)
	}
	s.rest.Write(p)
}

// state gives a SHA-256 that has seen the same.
func (s *segmentHash) state() hash.Cloner {
	if s.rest == nil {
		return s.zeros.after(s.leading)
	}
	return clone(s.rest)
}

func (s *segmentHash) sum() [sha256.Size]byte {
	if s.rest == nil {
		return s.zeros.sum(s.leading)
	}
	return sumOf(s.rest)
}
