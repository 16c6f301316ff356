package tpm

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// A Sealed is a secret that one TPM gives back while its PCRs are as they were. It is of no use without that TPM.
type Sealed struct {
	Public  []byte `json:"public"`  // TPM2B_PUBLIC
	Private []byte `json:"private"` // TPM2B_PRIVATE
}

const maxSealed = 1024 // bytes of a part

// storageKey makes the key under which everything of the host lies in the TPM: always the same one.
func (t *TPM) storageKey() (*tpm2.CreatePrimaryResponse, error) {
	r, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("making the storage key in the TPM: %w", err)
	}
	return r, nil
}

// Seal seals a secret of at most 128 bytes to the present values of PCRs.
func (t *TPM) Seal(secret []byte, pcrs []uint) (*Sealed, error) {
	policy, err := t.policyOf(pcrs)
	if err != nil {
		return nil, err
	}
	parent, err := t.storageKey()
	if err != nil {
		return nil, err
	}
	defer t.flush(parent.ObjectHandle)
	salt, err := salted(parent)
	if err != nil {
		return nil, err
	}
	r, err := tpm2.Create{
		ParentHandle: tpm2.AuthHandle{
			Handle: parent.ObjectHandle, Name: parent.Name, Auth: tpm2.HMAC(tpm2.TPMAlgSHA256, 16, salt, tpm2.AESEncryption(128, tpm2.EncryptIn)),
		},
		InSensitive: tpm2.TPM2BSensitiveCreate{
			Sensitive: &tpm2.TPMSSensitiveCreate{Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: secret})},
		},
		InPublic: tpm2.New2B(tpm2.TPMTPublic{
			Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256, AuthPolicy: tpm2.TPM2BDigest{Buffer: policy},
			ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, AdminWithPolicy: true, NoDA: true},
		}),
	}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("sealing to the TPM: %w", err)
	}
	return &Sealed{Public: tpm2.Marshal(r.OutPublic), Private: tpm2.Marshal(r.OutPrivate)}, nil
}

// Unseal gives a secret that was sealed to the same PCRs. It fails with ErrSealed where their values are others, or what is
// sealed is not of this TPM.
func (t *TPM) Unseal(s *Sealed, pcrs []uint) ([]byte, error) {
	if len(s.Public) > maxSealed || len(s.Private) > maxSealed {
		return nil, fmt.Errorf("%w: it is too long", ErrSealed)
	}
	public, err := tpm2.Unmarshal[tpm2.TPM2BPublic](s.Public)
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be read: %w", ErrSealed, err)
	}
	private, err := tpm2.Unmarshal[tpm2.TPM2BPrivate](s.Private)
	if err != nil {
		return nil, fmt.Errorf("%w: it cannot be read: %w", ErrSealed, err)
	}
	parent, err := t.storageKey()
	if err != nil {
		return nil, err
	}
	defer t.flush(parent.ObjectHandle)
	object, err := tpm2.Load{
		ParentHandle: tpm2.AuthHandle{Handle: parent.ObjectHandle, Name: parent.Name, Auth: tpm2.PasswordAuth(nil)},
		InPrivate:    *private, InPublic: *public,
	}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	defer t.flush(object.ObjectHandle)

	salt, err := salted(parent)
	if err != nil {
		return nil, err
	}
	pcrPolicy := func(tpm transport.TPM, session tpm2.TPMISHPolicy, _ tpm2.TPM2BNonce) error {
		_, err := tpm2.PolicyPCR{PolicySession: session, Pcrs: selection(pcrs)}.Execute(tpm)
		return err
	}
	r, err := tpm2.Unseal{ItemHandle: tpm2.AuthHandle{
		Handle: object.ObjectHandle, Name: object.Name,
		Auth: tpm2.Policy(tpm2.TPMAlgSHA256, 16, pcrPolicy, salt, tpm2.AESEncryption(128, tpm2.EncryptOut)),
	}}.Execute(t)
	if errors.Is(err, tpm2.TPMRCPolicyFail) {
		return nil, ErrSealed
	}
	if err != nil {
		return nil, fmt.Errorf("unsealing from the TPM: %w", err)
	}
	return r.OutData.Buffer, nil
}

// salted keeps a secret from who listens between this process and the TPM: only the storage key opens the salt.
func salted(parent *tpm2.CreatePrimaryResponse) (tpm2.AuthOption, error) {
	public, err := parent.OutPublic.Contents()
	if err != nil {
		return nil, fmt.Errorf("reading the storage key of the TPM: %w", err)
	}
	return tpm2.Salted(parent.ObjectHandle, *public), nil
}

// policyOf is the digest of a policy that wants PCRs to be as they are (Part 3, section 23.7).
func (t *TPM) policyOf(pcrs []uint) ([]byte, error) {
	session, closeSession, err := tpm2.PolicySession(t, tpm2.TPMAlgSHA256, 16, tpm2.Trial())
	if err != nil {
		return nil, fmt.Errorf("making a policy in the TPM: %w", err)
	}
	defer closeSession() // what fails here, the TPM forgets when it restarts
	if _, err := (tpm2.PolicyPCR{PolicySession: session.Handle(), Pcrs: selection(pcrs)}).Execute(t); err != nil {
		return nil, fmt.Errorf("making a policy in the TPM: %w", err)
	}
	r, err := tpm2.PolicyGetDigest{PolicySession: session.Handle()}.Execute(t)
	if err != nil {
		return nil, fmt.Errorf("making a policy in the TPM: %w", err)
	}
	if len(r.PolicyDigest.Buffer) != sha256.Size {
		return nil, errors.New("making a policy in the TPM: its digest has another length")
	}
	return r.PolicyDigest.Buffer, nil
}
