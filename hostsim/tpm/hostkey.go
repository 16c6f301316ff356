package tpm

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"

	"github.com/google/go-tpm/tpm2"
)

// hostKeyTemplate makes a signing key on P-256. What is unique about it keeps it apart from other keys of the same TPM.
var hostKeyTemplate = tpm2.TPMTPublic{
	Type: tpm2.TPMAlgECC, NameAlg: tpm2.TPMAlgSHA256,
	ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, SensitiveDataOrigin: true, UserWithAuth: true, NoDA: true, SignEncrypt: true},
	Parameters: tpm2.NewTPMUPublicParms(tpm2.TPMAlgECC, &tpm2.TPMSECCParms{
		CurveID: tpm2.TPMECCNistP256,
		Scheme:  tpm2.TPMTECCScheme{Scheme: tpm2.TPMAlgECDSA, Details: tpm2.NewTPMUAsymScheme(tpm2.TPMAlgECDSA, &tpm2.TPMSSigSchemeECDSA{HashAlg: tpm2.TPMAlgSHA256})},
	}),
	Unique: tpm2.NewTPMUPublicID(tpm2.TPMAlgECC, &tpm2.TPMSECCPoint{X: tpm2.TPM2BECCParameter{Buffer: unique[:]}, Y: tpm2.TPM2BECCParameter{Buffer: unique[:]}}),
}

const coordinate = 32 // bytes

var unique = sha256.Sum256([]byte("scutum host key"))

// A HostKey signs for a host, within its TPM. The TPM makes the same key each time, so that nothing is kept.
type HostKey struct {
	tpm    *TPM
	public *ecdsa.PublicKey
}

// HostKey gives the key by which the host of this TPM attests in host key mode: ECDSA on P-256.
func (t *TPM) HostKey() (*HostKey, error) {
	r, err := t.makeHostKey()
	if err != nil {
		return nil, err
	}
	defer t.flush(r.ObjectHandle)
	public, err := r.OutPublic.Contents()
	if err != nil {
		return nil, fmt.Errorf("reading the host key in the TPM: %w", err)
	}
	point, err := public.Unique.ECC()
	if err == nil && (len(point.X.Buffer) > coordinate || len(point.Y.Buffer) > coordinate) {
		err = errors.New("it is not on P-256")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the host key in the TPM: %w", err)
	}
	uncompressed := make([]byte, 1+2*coordinate)
	uncompressed[0] = 4
	new(big.Int).SetBytes(point.X.Buffer).FillBytes(uncompressed[1 : 1+coordinate])
	new(big.Int).SetBytes(point.Y.Buffer).FillBytes(uncompressed[1+coordinate:])
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), uncompressed)
	if err != nil {
		return nil, fmt.Errorf("reading the host key in the TPM: %w", err)
	}
	return &HostKey{t, key}, nil
}

func (t *TPM) makeHostKey() (*tpm2.CreatePrimaryResponse, error) {
	r, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(hostKeyTemplate)}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("making the host key in the TPM: %w", err)
	}
	return r, nil
}

// Public is an *ecdsa.PublicKey.
func (k *HostKey) Public() crypto.PublicKey { return k.public }

// Sign signs a digest of SHA-256: ECDSA in DER.
func (k *HostKey) Sign(_ io.Reader, digest []byte, opts crypto.SignerOpts) ([]byte, error) {
	if opts.HashFunc() != crypto.SHA256 || len(digest) != sha256.Size {
		return nil, errors.New("signing with the host key: it signs digests of SHA-256 alone")
	}
	key, err := k.tpm.makeHostKey()
	if err != nil {
		return nil, err
	}
	defer k.tpm.flush(key.ObjectHandle)
	r, err := tpm2.Sign{
		KeyHandle:  tpm2.AuthHandle{Handle: key.ObjectHandle, Name: key.Name, Auth: tpm2.PasswordAuth(nil)},
		Digest:     tpm2.TPM2BDigest{Buffer: digest},
		Validation: tpm2.TPMTTKHashCheck{Tag: tpm2.TPMSTHashCheck, Hierarchy: tpm2.TPMRHNull},
	}.Execute(k.tpm)
	if err != nil {
		return nil, fmt.Errorf("signing with the host key in the TPM: %w", err)
	}
	signature, err := r.Signature.Signature.ECDSA()
	if err != nil {
		return nil, fmt.Errorf("signing with the host key in the TPM: %w", err)
	}
	return asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(signature.SignatureR.Buffer), new(big.Int).SetBytes(signature.SignatureS.Buffer),
	})
}
