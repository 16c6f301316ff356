package recovery

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing/strictjson"
	"github.com/scutum-project/scutum/vhdx"
)

// Format is the format of the encrypted recovery keys that this package reads and writes.
const Format = "scutum-ebek-1"

// Limits in bytes.
const (
	MaxSize         = 2 << 20              // of a file
	MaxKeyProtector = keyprotector.MaxSize // of the key protector in it
)

const (
	keyInfo   = "scutum recovery key" // HKDF, with SHA-256 and no salt
	nonceSize = 12                    // AES-256-GCM
	tagSize   = 16
)

// ErrEBEK says that an encrypted recovery key is malformed.
var ErrEBEK = errors.New("invalid encrypted recovery key")

// ErrCannotOpen says that a transport key does not open an encrypted recovery key: it is another one's, or the file was
// changed.
var ErrCannotOpen = errors.New("the transport key does not open the recovery key")

// An Encrypted is an encrypted recovery key, the content of an .ebek file. It holds no secret in clear. Whoever can write
// the disk can change all of it: PDK, Volume and KeyProtector say where to look for the transport key and prove nothing.
type Encrypted struct {
	PDK          uuid.UUID // the shielding data whose transport key opens it
	Volume       vhdx.GUID // BitLocker's identifier of the volume
	KeyProtector []byte    // wraps the transport key; the bytes as they stand in the shielding data

	nonce, ciphertext []byte
}

type document struct {
	Format       string `json:"format"`
	PDK          string `json:"pdk"`
	Volume       string `json:"volume"`
	KeyProtector []byte `json:"keyProtector"`
	Nonce        []byte `json:"nonce"`
	Ciphertext   []byte `json:"ciphertext"`
}

// Seal encrypts an external key under the transport key of shielding data, whose identifier and key protector go with it.
// volume is BitLocker's identifier of the volume; k, where it names one, names the same.
func Seal(k *ExternalKey, transportKey keyprotector.TransportKey, pdk uuid.UUID, volume vhdx.GUID, keyProtector []byte) (*Encrypted, error) {
	if !k.Volume.IsZero() && k.Volume != volume {
		return nil, fmt.Errorf("encrypt the recovery key: it is for the volume %s, not for %s", k.Volume, volume)
	}
	e := &Encrypted{PDK: pdk, Volume: volume, KeyProtector: keyProtector, nonce: make([]byte, nonceSize)}
	_, _ = rand.Read(e.nonce) // crypto/rand never fails
	aead, err := transportKey.AEAD(keyInfo)
	if err != nil {
		return nil, fmt.Errorf("encrypt the recovery key: %w", err)
	}
	bek := k.BEK()
	defer clear(bek)
	e.ciphertext = aead.Seal(nil, e.nonce, bek, nil)
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("encrypt the recovery key: %w", err)
	}
	return e, nil
}

// Open decrypts the external key. Its error is ErrCannotOpen, whatever the reason.
func (e *Encrypted) Open(transportKey keyprotector.TransportKey) (*ExternalKey, error) {
	aead, err := transportKey.AEAD(keyInfo)
	if err != nil {
		return nil, fmt.Errorf("decrypt the recovery key: %w", err)
	}
	bek, err := aead.Open(nil, e.nonce, e.ciphertext, nil)
	if err != nil {
		return nil, ErrCannotOpen
	}
	defer clear(bek)
	k, err := ParseBEK(bek)
	if err != nil || !k.Volume.IsZero() && k.Volume != e.Volume {
		return nil, ErrCannotOpen
	}
	return k, nil
}

// ParseEBEK reads an .ebek file. Its errors are ErrEBEK.
func ParseEBEK(data []byte) (*Encrypted, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrEBEK, len(data), MaxSize)
	}
	var d document
	if err := strictjson.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEBEK, err)
	}
	if d.Format != Format {
		return nil, fmt.Errorf("%w: format %.32q is unknown, want %q", ErrEBEK, d.Format, Format)
	}
	pdk, err := uuid.Parse(d.PDK)
	if err != nil || pdk.String() != d.PDK {
		return nil, fmt.Errorf("%w: the identifier of the shielding data, %.48q, is not a UUID in lower case", ErrEBEK, d.PDK)
	}
	volume, err := vhdx.ParseGUID(d.Volume)
	if err != nil || volume.String() != d.Volume {
		return nil, fmt.Errorf("%w: the volume, %.48q, is not a GUID in lower case", ErrEBEK, d.Volume)
	}
	e := &Encrypted{PDK: pdk, Volume: volume, KeyProtector: d.KeyProtector, nonce: d.Nonce, ciphertext: d.Ciphertext}
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrEBEK, err)
	}
	return e, nil
}

// Encode writes the .ebek file.
func (e *Encrypted) Encode() ([]byte, error) {
	data, err := json.MarshalIndent(document{
		Format:       Format,
		PDK:          e.PDK.String(),
		Volume:       e.Volume.String(),
		KeyProtector: e.KeyProtector,
		Nonce:        e.nonce,
		Ciphertext:   e.ciphertext,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the encrypted recovery key: %w", err)
	}
	return append(data, '\n'), nil
}

func (e *Encrypted) check() error {
	switch {
	case len(e.KeyProtector) == 0:
		return errors.New("there is no key protector")
	case len(e.KeyProtector) > MaxKeyProtector:
		return fmt.Errorf("the key protector has %d bytes, at most %d are allowed", len(e.KeyProtector), MaxKeyProtector)
	case len(e.nonce) != nonceSize:
		return fmt.Errorf("the nonce has %d bytes, want %d", len(e.nonce), nonceSize)
	case len(e.ciphertext) != plainSize+tagSize && len(e.ciphertext) != plainSize+volumeSize+tagSize:
		return fmt.Errorf("the ciphertext has %d bytes, which is none of an external key", len(e.ciphertext))
	}
	return nil
}
