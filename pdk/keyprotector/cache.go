package keyprotector

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"sync"

	"github.com/scutum-project/scutum/pdk/guardian"
)

// maxCached is how many bytes of certificates and signatures a generation of a Cache is for. In memory they take several times
// as much.
const maxCached = 2 << 20

// A Cache remembers certificates that were read and signatures that held, for a service that gets many protectors with the same
// ones in them. What it remembers depends on nothing but the bytes that it was found out from, and so is true for ever; of a
// failure it remembers nothing. Its size is bounded. It may be used by several at the same time.
//
// The nil Cache remembers nothing.
type Cache struct {
	mu         sync.Mutex
	young, old map[known]found // what was asked for last is in the first one
	size       int             // of young
}

// found is what was found out, and the bytes that it takes, about.
type found struct {
	value any
	size  int
}

// A known thing is named by the digest of all that it was found out from.
type known [sha256.Size]byte

// The kinds of known things.
const (
	knownCertificate = "certificate"
	knownUsable      = "encryption key"
	knownSignature   = "signature"
)

func nameOf(kind string, parts ...[]byte) known {
	h := sha256.New()
	h.Write([]byte(kind))
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return known(h.Sum(nil))
}

// Parse is the function Parse. The protectors that it gives use the cache, too.
func (c *Cache) Parse(data []byte) (*Protector, error) { return parseAs(data, c) }

// get gives what is known by a name, nil where nothing is.
func (c *Cache) get(name known) any {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f, ok := c.young[name]; ok {
		return f.value
	}
	f, ok := c.old[name]
	if ok {
		c.put(name, f)
	}
	return f.value
}

// put keeps what is known. When the young ones are too many, they become the old ones, and these are forgotten.
func (c *Cache) put(name known, f found) {
	if c.young == nil || c.size+f.size > maxCached {
		c.old, c.young, c.size = c.young, map[known]found{}, 0
	}
	c.young[name] = f
	c.size += f.size
}

// add keeps what was found out of so many bytes.
func (c *Cache) add(name known, v any, size int) {
	const (
		entry   = 256      // bytes that an entry takes at least
		largest = 16 << 10 // a larger thing is not kept
	)
	if size > largest {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(name, found{v, entry + size})
}

// certificate reads a certificate.
func (c *Cache) certificate(der []byte) (*x509.Certificate, error) {
	if c == nil {
		return x509.ParseCertificate(der)
	}
	name := nameOf(knownCertificate, der)
	if certificate, ok := c.get(name).(*x509.Certificate); ok {
		return certificate, nil
	}
	certificate, err := x509.ParseCertificate(der)
	if err == nil {
		c.add(name, certificate, len(der))
	}
	return certificate, err
}

// holds says whether a check that depends on these bytes alone succeeds.
func (c *Cache) holds(check func() error, kind string, parts ...[]byte) error {
	if c == nil {
		return check()
	}
	name := nameOf(kind, parts...)
	if c.get(name) != nil {
		return nil
	}
	err := check()
	if err == nil {
		c.add(name, true, 0)
	}
	return err
}

// verify checks a signature over a certificate.
func (c *Cache) verify(signer *x509.Certificate, s signature, message []byte) error {
	return c.holds(func() error { return guardian.Verify(signer, s.algorithm, message, s.value) },
		knownSignature, signer.Raw, []byte(s.algorithm), message, s.value)
}
