package signing

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"unicode/utf8"

	"software.sslmate.com/src/go-pkcs12"
)

// ErrPassword says that a PFX file does not open with the password. A damaged file looks the same.
var ErrPassword = errors.New("the password is wrong, or the file is damaged")

const (
	// pfxIterations is what EncodePFX spends on a password: fifty times the usual, and still under the 600,000 for all
	// keys of a file at which .NET on Windows stops reading.
	pfxIterations = 100_000

	// maxIterations bounds the time that a file can make us spend, to some seconds.
	maxIterations = 2_000_000
)

// LoadPFX reads a PKCS #12 file (RFC 7292): one private key, its certificate and any issuers of that. The file must have a
// MAC, which all common tools write. Errors are ErrPassword when the password does not fit.
func LoadPFX(data []byte, password string) (*Identity, error) {
	id, err := loadPFX(data, password)
	if err != nil {
		return nil, fmt.Errorf("reading the PFX file: %w", err)
	}
	return id, nil
}

func loadPFX(data []byte, password string) (*Identity, error) {
	if len(data) > MaxKeyFile {
		return nil, fmt.Errorf("%d bytes are more than the %d that are accepted", len(data), MaxKeyFile)
	}
	if err := checkPFXPassword(password); err != nil {
		return nil, err
	}
	iterations, err := kdfIterations(data)
	if err != nil {
		return nil, err
	}
	if iterations > maxIterations {
		return nil, fmt.Errorf("it asks for %d iterations to derive a key, at most %d are accepted: export it again with fewer",
			iterations, maxIterations)
	}
	key, first, others, err := pkcs12.DecodeChain(data, password)
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return nil, ErrPassword
	}
	if err != nil {
		return nil, fmt.Errorf("%w: export it again, with one private key and its certificate", err)
	}
	return newIdentity(key, append([]*x509.Certificate{first}, others...))
}

// EncodePFX writes the identity as a PKCS #12 file that OpenSSL 1.1.1, Windows Server 2019 and their successors read: key
// and certificates under AES-256 and PBKDF2, MAC with SHA-256. The key must be one in memory.
func (id *Identity) EncodePFX(password string) ([]byte, error) {
	if err := checkPFXPassword(password); err != nil {
		return nil, fmt.Errorf("writing a PFX file: %w", err)
	}
	data, err := pkcs12.Modern2023.WithIterations(pfxIterations).Encode(id.Key, id.Certificate, id.Chain, password)
	if err != nil {
		return nil, fmt.Errorf("writing a PFX file: %w", err)
	}
	return data, nil
}

// checkPFXPassword refuses what a PFX password cannot hold: it is a BMPString in one place and UTF-8 in another.
func checkPFXPassword(password string) error {
	if !utf8.ValidString(password) {
		return errors.New("the password is not UTF-8 text: write the password file as UTF-8")
	}
	for _, r := range password {
		if r == 0 || r > 0xffff {
			return errors.New("the password has a character that PFX files do not allow, such as an emoji: use another password")
		}
	}
	return nil
}

// What stands in a PFX file before its encryption (RFC 7292 section 4), as far as it is about deriving keys. The fields
// must decode exactly as in go-pkcs12, which therefore uses the same encoding/asn1.
type (
	pfxFile struct {
		Version  int
		AuthSafe pfxContent
		MACData  struct {
			MAC struct {
				Algorithm pkix.AlgorithmIdentifier
				Digest    []byte
			}
			Salt       []byte
			Iterations int `asn1:"optional,default:1"`
		} `asn1:"optional"`
	}
	pfxContent struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	pfxEncryptedData struct {
		Version     int
		ContentInfo struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
		}
	}
	pfxBag struct {
		ID    asn1.ObjectIdentifier
		Value asn1.RawValue `asn1:"tag:0,explicit"`
	}
	pfxEncryptedKey struct {
		Algorithm pkix.AlgorithmIdentifier
	}
	pfxKDF struct {
		Salt       asn1.RawValue
		Iterations int
	}
)

var (
	oidPFXData          = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}
	oidPFXEncryptedData = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 6}
	oidPFXEncryptedKey  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 12, 10, 1, 2}
	oidPBES2            = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 13}
	oidPBMAC1           = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 5, 14}
)

// kdfIterations is the greatest number of iterations that the file asks for in the clear: anybody can write such a file.
// What it asks for inside of an encrypted content is not looked at, because the MAC is verified before that, so it was
// written by someone who knows the password.
func kdfIterations(data []byte) (int, error) {
	var file pfxFile
	if err := unmarshalDER(data, &file); err != nil {
		return 0, errors.New("it is no PFX file in DER, or it is damaged")
	}
	mac := file.MACData.MAC.Algorithm
	if len(mac.Algorithm) == 0 {
		return 0, errors.New("it has no MAC, so nothing says that it is whole: export it again with a password")
	}
	counts := []int{file.MACData.Iterations}
	if mac.Algorithm.Equal(oidPBMAC1) {
		n, err := algorithmIterations(mac)
		if err != nil {
			return 0, err
		}
		counts[0] = n
	}
	algorithms, err := pfxAlgorithms(file.AuthSafe)
	if err != nil {
		return 0, fmt.Errorf("its contents are damaged: %w", err)
	}
	for _, a := range algorithms {
		n, err := algorithmIterations(a)
		if err != nil {
			return 0, err
		}
		counts = append(counts, n)
	}
	most := 0
	for _, n := range counts {
		if n < 1 {
			return 0, fmt.Errorf("it asks for %d iterations to derive a key: it is damaged", n)
		}
		most = max(most, n)
	}
	return most, nil
}

// pfxAlgorithms gives the encryption algorithm of each content and of each key that is not inside of an encrypted content.
func pfxAlgorithms(authSafe pfxContent) ([]pkix.AlgorithmIdentifier, error) {
	var octets asn1.RawValue
	var contents []pfxContent
	if err := unmarshalDER(authSafe.Content.Bytes, &octets); err != nil {
		return nil, err
	}
	if err := unmarshalDER(octets.Bytes, &contents); err != nil {
		return nil, err
	}
	var algorithms []pkix.AlgorithmIdentifier
	for _, c := range contents {
		switch {
		case c.Type.Equal(oidPFXEncryptedData):
			var encrypted pfxEncryptedData
			if err := unmarshalDER(c.Content.Bytes, &encrypted); err != nil {
				return nil, err
			}
			algorithms = append(algorithms, encrypted.ContentInfo.Algorithm)
		case c.Type.Equal(oidPFXData):
			var data []byte
			var bags []pfxBag
			if err := unmarshalDER(c.Content.Bytes, &data); err != nil {
				return nil, err
			}
			if err := unmarshalDER(data, &bags); err != nil {
				return nil, err
			}
			for _, bag := range bags {
				if !bag.ID.Equal(oidPFXEncryptedKey) {
					continue
				}
				var key pfxEncryptedKey
				if err := unmarshalDER(bag.Value.Bytes, &key); err != nil {
					return nil, err
				}
				algorithms = append(algorithms, key.Algorithm)
			}
		}
	}
	return algorithms, nil
}

// algorithmIterations reads the parameters of the PKCS #12 ciphers (RFC 7292 appendix C), and of PBKDF2 inside of PBES2
// and PBMAC1 (RFC 8018 appendix A). All begin with a salt and the count.
func algorithmIterations(a pkix.AlgorithmIdentifier) (int, error) {
	parameters := a.Parameters.FullBytes
	if a.Algorithm.Equal(oidPBES2) || a.Algorithm.Equal(oidPBMAC1) {
		var scheme struct{ KDF pkix.AlgorithmIdentifier }
		if err := unmarshalDER(parameters, &scheme); err != nil {
			return 0, fmt.Errorf("its encryption %v is damaged: %w", a.Algorithm, err)
		}
		parameters = scheme.KDF.Parameters.FullBytes
	}
	var kdf pfxKDF
	if err := unmarshalDER(parameters, &kdf); err != nil {
		return 0, fmt.Errorf("its encryption %v is not supported, or damaged: %w", a.Algorithm, err)
	}
	return kdf.Iterations, nil
}

// unmarshalDER is asn1.Unmarshal of the whole of data.
func unmarshalDER(data []byte, v any) error {
	rest, err := asn1.Unmarshal(data, v)
	if err == nil && len(rest) > 0 {
		err = fmt.Errorf("%d bytes too many", len(rest))
	}
	return err
}
