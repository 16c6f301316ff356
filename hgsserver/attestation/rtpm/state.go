package rtpm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
)

// A step says which command was sent.
type step uint8

const (
	stepCreatePrimary step = iota + 1
	stepStartSession
	stepReadPCRs
)

// A state is what the server needs to know to go on. The secret is the salt of a session that was asked for, then its key; the
// nonce is the server's last in that session.
type state struct {
	step    step
	expires time.Time
	secret  [32]byte
	nonce   [32]byte
}

func (st *state) clear() {
	clear(st.secret[:])
	clear(st.nonce[:])
}

// The encrypted state is its version, the step, the time in milliseconds since 1970, secret and nonce, and zeros.
const stateVersion = 1

// EncContext is the nonce, four zeros and the tag of AES-256-GCM.
const (
	nonceSize = 12
	tagOffset = 16
	tagSize   = 16
)

// newAEAD gives AES-256-GCM. The nonces are random: at 2^32 states the key should be another.
func newAEAD(key [32]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the block has 16 bytes
	}
	return aead
}

// boundTo is the additional data: a state serves one session with one endorsement key.
func boundTo(session uuid.UUID, ek *EndorsementKey) []byte {
	return slices.Concat([]byte("scutum rtpm state\x00"), session[:], ek.Bytes())
}

func (s *Server) seal(session uuid.UUID, ek *EndorsementKey, st *state) (sealed hgsa.State) {
	plain := make([]byte, 0, hgsa.StateSize)
	plain = append(plain, stateVersion, byte(st.step))
	plain = binary.LittleEndian.AppendUint64(plain, uint64(st.expires.UnixMilli()))
	plain = append(append(plain, st.secret[:]...), st.nonce[:]...)
	defer clear(plain)

	nonce := sealed.EncContext[:nonceSize]
	_, _ = rand.Read(nonce)
	out := s.aead.Seal(nil, nonce, plain[:hgsa.StateSize], boundTo(session, ek))
	copy(sealed.Buffer[:], out)
	copy(sealed.EncContext[tagOffset:], out[hgsa.StateSize:])
	return sealed
}

// open decrypts a state that was sealed for the session and the key, is not too old and was not used before.
func (s *Server) open(session uuid.UUID, ek *EndorsementKey, sealed *hgsa.State) (*state, error) {
	nonce, gap := sealed.EncContext[:nonceSize], sealed.EncContext[nonceSize:tagOffset]
	plain, err := s.aead.Open(nil, nonce, slices.Concat(sealed.Buffer[:], sealed.EncContext[tagOffset:]), boundTo(session, ek))
	if err != nil || binary.LittleEndian.Uint32(gap) != 0 {
		return nil, fmt.Errorf("%w: it was altered, or is of another session, host or service", ErrContext)
	}
	defer clear(plain)
	st := &state{step: step(plain[1]), expires: time.UnixMilli(int64(binary.LittleEndian.Uint64(plain[2:])))}
	copy(st.secret[:], plain[10:])
	copy(st.nonce[:], plain[42:])
	switch {
	case plain[0] != stateVersion || st.step < stepCreatePrimary || st.step > stepReadPCRs:
		err = fmt.Errorf("%w: it is of another version of the service", ErrContext)
	case !s.now().Before(st.expires):
		err = fmt.Errorf("%w: it is too old", ErrContext)
	case !s.used.add([nonceSize]byte(nonce)):
		err = fmt.Errorf("%w: it was used before", ErrContext)
	}
	if err != nil {
		st.clear()
		return nil, err
	}
	return st, nil
}

// maxUsed is how many states are remembered: those of some 20,000 hosts, in 4 MB.
const maxUsed = 1 << 16

// A memory knows which states were used: the last ones, up to its size.
type memory struct {
	mu     sync.Mutex
	known  map[[nonceSize]byte]struct{}
	oldest [][nonceSize]byte // a ring
	next   int
}

func newMemory(size int) *memory {
	return &memory{known: map[[nonceSize]byte]struct{}{}, oldest: make([][nonceSize]byte, 0, size)}
}

// add says whether the nonce is new, and remembers it.
func (m *memory) add(nonce [nonceSize]byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, known := m.known[nonce]; known {
		return false
	}
	m.known[nonce] = struct{}{}
	if len(m.oldest) < cap(m.oldest) {
		m.oldest = append(m.oldest, nonce)
		return true
	}
	delete(m.known, m.oldest[m.next])
	m.oldest[m.next] = nonce
	m.next = (m.next + 1) % len(m.oldest)
	return true
}
