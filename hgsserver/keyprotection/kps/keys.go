package kps

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/scutum-project/scutum/pdk/excc14n"
	"github.com/scutum-project/scutum/pdk/keyprotector"
)

// ErrCannotOpen says that the keys in a response cannot be opened. What is wrong remains unsaid, as it could help to guess at
// them.
var ErrCannotOpen = errors.New("the keys in the response cannot be opened: they are for another host, or were altered")

// Keys are what a service gives to a host.
type Keys struct {
	Ingress, Egress keyprotector.TransportKey // of the protector that was sent, and of the one that comes back

	// MaxOfflineUnwraps says how often the host may use Egress again without asking the service; 0 is never. It travels in
	// version 2 alone.
	MaxOfflineUnwraps uint32
}

// Clear overwrites the keys.
func (k *Keys) Clear() {
	k.Ingress.Clear()
	k.Egress.Clear()
}

// The encrypted data of RSA-OAEP with SHA-256 twice and no label (XML Encryption 1.1, section 5.5.2), and of AES-256-GCM, where
// the cipher value is nonce, ciphertext and tag (section 5.2.4).
const (
	oaepParameters = `<Parameters><ds:DigestMethod xmlns:ds="http://www.w3.org/2000/09/xmldsig#" Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>` +
		`<xenc11:MGF xmlns:xenc11="http://www.w3.org/2009/xmlenc11#" Algorithm="http://www.w3.org/2009/xmlenc11#mgf1sha256"></xenc11:MGF></Parameters>`
	encryptedXML = `<EncryptedData xmlns="` + cryptoNamespace + `" Algorithm="%s">%s<CipherValue>%s</CipherValue></EncryptedData>`
	nonceSize    = 12
)

var oaep = &rsa.OAEPOptions{Hash: crypto.SHA256, MGFHash: crypto.SHA256}

// NewResponse makes a response with an egress protector, and the keys encrypted so that only the host with the private key of
// its health certificate reads them: a new transfer key to that key, a new wrapping key under it, and under the wrapping key the
// payloads of ingress and egress key, one after the other. Transfer key and wrapping key are payloads of version 1, too.
func NewResponse(v Version, host *rsa.PublicKey, egress []byte, keys *Keys) (*Response, error) {
	var transfer, wrapping keyprotector.TransportKey
	defer transfer.Clear()
	defer wrapping.Clear()
	_, _ = rand.Read(transfer[:])
	_, _ = rand.Read(wrapping[:])

	plain := appendPayload(make([]byte, 0, payloadV1Size), V1, &transfer, 0)
	defer clear(plain)
	sealed, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, host, plain, nil)
	if err != nil {
		return nil, fmt.Errorf("encrypting a transfer key to a health certificate: %w", err)
	}
	r := &Response{Egress: egress}
	r.TransferKey = fmt.Appendf(nil, encryptedXML, algOAEP, oaepParameters, toBase64(sealed))

	plain = appendPayload(make([]byte, 0, payloadV1Size), V1, &wrapping, 0)
	defer clear(plain)
	r.WrappingKey = seal(&transfer, plain)

	plain = appendPayload(make([]byte, 0, 2*(payloadV2Size+fullPolicy)), v, &keys.Ingress, 0)
	plain = appendPayload(plain, v, &keys.Egress, keys.MaxOfflineUnwraps)
	defer clear(plain)
	r.TransportKeys = seal(&wrapping, plain)
	return r, nil
}

// Open gives the keys to the host whose health certificate the response is for. The version is that of the request.
//
// Keys that open are not therefore keys of the service. Whether the ingress key is that of the protector that was sent, and the
// egress key that of Egress, shows in the transport key signatures of the two.
//
// The error is ErrMessage where a part has another form, else ErrCannotOpen.
func (r *Response) Open(v Version, key crypto.Decrypter) (*Keys, error) {
	sealed, err := parseEncrypted(r.TransferKey, algOAEP)
	if err != nil {
		return nil, err
	}
	wrapped, err := parseEncrypted(r.WrappingKey, algGCM)
	if err != nil {
		return nil, err
	}
	encrypted, err := parseEncrypted(r.TransportKeys, algGCM)
	if err != nil {
		return nil, err
	}

	// All steps are taken, with a random key if need be: a failure must not show at which of them it was.
	var transfer, wrapping keyprotector.TransportKey
	defer transfer.Clear()
	defer wrapping.Clear()
	_, _ = rand.Read(transfer[:])
	_, _ = rand.Read(wrapping[:])
	plain, err := key.Decrypt(rand.Reader, sealed, oaep)
	defer clear(plain)
	ok := cutOnly(plain, &transfer) && err == nil
	plain, opened := open(&transfer, wrapped)
	defer clear(plain)
	ok = cutOnly(plain, &wrapping) && opened && ok
	plain, opened = open(&wrapping, encrypted)
	defer clear(plain)

	var keys Keys
	offline, rest, ingressOK := cutPayload(plain, v, &keys.Ingress)
	maxOffline, rest, egressOK := cutPayload(rest, v, &keys.Egress)
	if !ok || !opened || !ingressOK || !egressOK || offline != 0 || len(rest) > 0 {
		keys.Clear()
		return nil, ErrCannotOpen
	}
	keys.MaxOfflineUnwraps = maxOffline
	return &keys, nil
}

// cutOnly reads a payload of version 1 and nothing besides.
func cutOnly(b []byte, key *keyprotector.TransportKey) bool {
	_, rest, ok := cutPayload(b, V1, key)
	return ok && len(rest) == 0
}

// newGCM takes every key for one use alone, so that a random nonce never comes twice.
func newGCM(key *keyprotector.TransportKey) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has 32 bytes
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err) // the block has 16 bytes
	}
	return gcm
}

func seal(key *keyprotector.TransportKey, plain []byte) []byte {
	nonce := make([]byte, nonceSize)
	_, _ = rand.Read(nonce)
	return fmt.Appendf(nil, encryptedXML, algGCM, "", toBase64(newGCM(key).Seal(nonce, nonce, plain, nil)))
}

func open(key *keyprotector.TransportKey, sealed []byte) (plain []byte, ok bool) {
	if len(sealed) < nonceSize {
		return nil, false
	}
	plain, err := newGCM(key).Open(nil, sealed[:nonceSize], sealed[nonceSize:], nil)
	return plain, err == nil
}

// parseEncrypted gives the cipher value of a document EncryptedData (section 2.2.2.11) of that algorithm.
func parseEncrypted(data []byte, algorithm string) ([]byte, error) {
	root, err := excc14n.Parse(data)
	if err != nil {
		return nil, invalid("%w", err)
	}
	if got, _ := root.Attr("Algorithm"); !root.Is(cryptoNamespace, "EncryptedData") || len(root.Attrs) != 1 || got != algorithm {
		return nil, invalid("%.64q with the algorithm %.80q is not EncryptedData with %q alone", root.Local, got, algorithm)
	}
	names := []string{"CipherValue"}
	if algorithm == algOAEP {
		names = []string{"Parameters", "CipherValue"}
	}
	parts, err := sequence(root, names...)
	if err != nil {
		return nil, err
	}
	if len(parts) == 2 && !isOAEP(parts[0]) {
		return nil, invalid("the Parameters of RSA-OAEP do not name SHA-256, MGF1 with SHA-256 and nothing besides")
	}
	return readBytes(parts[len(parts)-1])
}

// isOAEP compares Parameters in canonical form.
func isOAEP(n *excc14n.Node) bool {
	want, err := excc14n.Parse([]byte(`<x xmlns="` + cryptoNamespace + `">` + oaepParameters + `</x>`))
	return err == nil && string(excc14n.Canonicalize(n)) == string(excc14n.Canonicalize(want.Elements()[0]))
}
