package tpm

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
)

// certificateIndex is where the maker of a TPM puts the certificate of its RSA endorsement key of 2048 bits (TCG EK Credential
// Profile 2.3, section 2.2.1.4).
const certificateIndex = 0x01c00002

const maxCertificate = 16 << 10 // bytes

// EndorsementKey is the public endorsement key by the TCG's default template, as a TPM has it (TPM2B_PUBLIC).
func (t *TPM) EndorsementKey() ([]byte, error) {
	r, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHEndorsement, InPublic: tpm2.New2B(tpm2.RSAEKTemplate)}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("making the endorsement key in the TPM: %w", err)
	}
	defer t.flush(r.ObjectHandle)
	return tpm2.Marshal(r.OutPublic), nil
}

// EndorsementCertificate is the certificate of the endorsement key, DER. It fails with ErrCertificate where there is none.
func (t *TPM) EndorsementCertificate() ([]byte, error) {
	public, err := tpm2.NVReadPublic{NVIndex: tpm2.TPMHandle(certificateIndex)}.Execute(t)
	if errors.Is(err, tpm2.TPMRCHandle) {
		return nil, ErrCertificate
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the endorsement certificate in the TPM: %w", err)
	}
	contents, err := public.NVPublic.Contents()
	if err != nil {
		return nil, fmt.Errorf("looking for the endorsement certificate in the TPM: %w", err)
	}
	if contents.DataSize > maxCertificate {
		return nil, fmt.Errorf("the endorsement certificate in the TPM has %d bytes, more than %d", contents.DataSize, maxCertificate)
	}
	index := tpm2.AuthHandle{Handle: certificateIndex, Name: public.NVName, Auth: tpm2.PasswordAuth(nil)}
	const chunk = 512 // bytes; every TPM gives as many at a time
	var der []byte
	for len(der) < int(contents.DataSize) {
		r, err := tpm2.NVRead{
			AuthHandle: index, NVIndex: tpm2.NamedHandle{Handle: certificateIndex, Name: public.NVName},
			Size: min(chunk, contents.DataSize-uint16(len(der))), Offset: uint16(len(der)),
		}.Execute(t)
		if err != nil {
			return nil, fmt.Errorf("reading the endorsement certificate in the TPM: %w", err)
		}
		if len(r.Data.Buffer) == 0 {
			return nil, errors.New("reading the endorsement certificate in the TPM: it is cut off")
		}
		der = append(der, r.Data.Buffer...)
	}
	if _, err := x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("the endorsement certificate in the TPM: %w", err)
	}
	return der, nil
}
