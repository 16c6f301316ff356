package hostsim

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/scutum-project/scutum/hostsim/measuredboot"
	"github.com/scutum-project/scutum/hostsim/tpm"
)

// An identity is the two keys of a host's protected memory: for encryption (IDK), and for signing (IDKS).
type identity struct{ encryption, signing *rsa.PrivateKey }

const (
	identityBits = 2048
	identityData = "scutum host identity" // additional data
)

// A sealedIdentity is how the keys lie in the folder: encrypted under a key that the TPM gives back in a boot like that one, and
// only until the boot loader hands over.
type sealedIdentity struct {
	Key   *tpm.Sealed `json:"key"`
	Nonce []byte      `json:"nonce"`
	Keys  []byte      `json:"keys"` // AES-256-GCM of identityKeys
}

// identityKeys are PKCS #8.
type identityKeys struct {
	Encryption []byte `json:"encryption"`
	Signing    []byte `json:"signing"`
}

func sealing() []uint {
	var pcrs []uint
	for _, n := range measuredboot.Sealing {
		pcrs = append(pcrs, uint(n))
	}
	return pcrs
}

// identity gives the keys of the host in this boot: those of the boot before where it was the same configuration, else new ones,
// which take their place.
func (h *Host) identity(t *tpm.TPM) (*identity, error) {
	id, err := h.unsealIdentity(t)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, tpm.ErrSealed) {
		id, err = h.newIdentity(t)
	}
	if err != nil {
		return nil, fmt.Errorf("the identity keys of the host: %w", err)
	}
	return id, nil
}

func (h *Host) unsealIdentity(t *tpm.TPM) (*identity, error) {
	var s sealedIdentity
	if err := h.read(identityFile, &s); err != nil {
		return nil, err
	}
	if s.Key == nil {
		return nil, fmt.Errorf("%s is not whole: remove it, and attest again", h.path(identityFile))
	}
	key, err := t.Unseal(s.Key, sealing())
	if err != nil {
		return nil, err
	}
	defer clear(key)
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	if len(s.Nonce) != aead.NonceSize() {
		return nil, fmt.Errorf("%s is not whole: remove it, and attest again", h.path(identityFile))
	}
	plain, err := aead.Open(nil, s.Nonce, s.Keys, []byte(identityData))
	if err != nil {
		return nil, fmt.Errorf("%s was altered: remove it, and attest again", h.path(identityFile))
	}
	defer clear(plain)
	var keys identityKeys
	if err := json.Unmarshal(plain, &keys); err != nil {
		return nil, err
	}
	defer clear(keys.Encryption)
	defer clear(keys.Signing)
	id := &identity{}
	if id.encryption, err = parseKey(keys.Encryption); err == nil {
		id.signing, err = parseKey(keys.Signing)
	}
	return id, err
}

func parseKey(der []byte) (*rsa.PrivateKey, error) {
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, err
	}
	private, ok := key.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("it is not an RSA key")
	}
	return private, nil
}

func (h *Host) newIdentity(t *tpm.TPM) (*identity, error) {
	id := &identity{}
	var keys identityKeys
	for _, k := range []struct {
		key **rsa.PrivateKey
		der *[]byte
	}{{&id.encryption, &keys.Encryption}, {&id.signing, &keys.Signing}} {
		var err error
		if *k.key, err = rsa.GenerateKey(rand.Reader, identityBits); err != nil {
			return nil, err
		}
		if *k.der, err = x509.MarshalPKCS8PrivateKey(*k.key); err != nil {
			return nil, err
		}
		defer clear(*k.der)
	}
	plain, err := json.Marshal(keys)
	if err != nil {
		return nil, err
	}
	defer clear(plain)
	key := make([]byte, 32)
	defer clear(key)
	_, _ = rand.Read(key) // crypto/rand never fails
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	s := &sealedIdentity{Nonce: make([]byte, aead.NonceSize())}
	_, _ = rand.Read(s.Nonce)
	s.Keys = aead.Seal(nil, s.Nonce, plain, []byte(identityData))
	if s.Key, err = t.Seal(key, sealing()); err != nil {
		return nil, err
	}
	return id, h.write(identityFile, s, true)
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}
