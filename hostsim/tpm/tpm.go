// Package tpm is the TPM of a simulated host: a software TPM (swtpm) that runs as long as the host needs it, or one that is
// there already. It speaks to it, extends its PCRs, seals a secret to them, and signs with a key that never leaves it.
//
// A software TPM is as safe as the folder of its state: who copies the folder has the TPM. The package measures nothing
// itself, and never decides what a TPM's word is worth.
package tpm

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// Errors, for errors.Is.
var (
	ErrSealed      = errors.New("what is sealed does not open in this boot")
	ErrUsed        = errors.New("the PCRs of the TPM already hold a boot")
	ErrCertificate = errors.New("the TPM has no certificate of its endorsement key")
)

// A TPM is open until Close. It runs one command at a time, and is not for several goroutines.
type TPM struct {
	channel transport.TPM
	close   func() error
}

// Close ends the connection, and with it a software TPM of this process.
func (t *TPM) Close() error { return t.close() }

const (
	attempts   = 50 // where the TPM asks to come again
	retryPause = 20 * time.Millisecond
	headerSize = 10
)

// Send runs a command, and again where the TPM asks for that (TPM_RC_RETRY). It is how package tpm2 speaks to a TPM.
func (t *TPM) Send(command []byte) ([]byte, error) {
	for i := 0; ; i++ {
		response, err := t.channel.Send(command)
		if err != nil {
			return nil, fmt.Errorf("speaking to the TPM: %w", err)
		}
		if len(response) < headerSize {
			return nil, errors.New("speaking to the TPM: its response is cut off")
		}
		code := tpm2.TPMRC(uint32(response[6])<<24 | uint32(response[7])<<16 | uint32(response[8])<<8 | uint32(response[9]))
		if code != tpm2.TPMRCRetry || i == attempts {
			return response, nil
		}
		time.Sleep(retryPause)
	}
}

// Extend extends a digest into a PCR of the SHA-256 bank (TPM 2.0 Part 3, section 22.2).
func (t *TPM) Extend(pcr uint32, digest []byte) error {
	_, err := tpm2.PCRExtend{
		PCRHandle: tpm2.AuthHandle{Handle: tpm2.TPMHandle(pcr), Auth: tpm2.PasswordAuth(nil)},
		Digests:   tpm2.TPMLDigestValues{Digests: []tpm2.TPMTHA{{HashAlg: tpm2.TPMAlgSHA256, Digest: digest}}},
	}.Execute(t)
	if err != nil {
		return fmt.Errorf("extending PCR %d of the TPM: %w", pcr, err)
	}
	return nil
}

// Fresh fails with ErrUsed where somebody extended one of the PCRs 0 to 15 since the TPM was started. A boot
// begins there.
func (t *TPM) Fresh() error {
	for first := uint(0); first < 16; first += 8 { // a TPM gives eight at a time
		var numbers []uint
		for n := first; n < first+8; n++ {
			numbers = append(numbers, n)
		}
		r, err := tpm2.PCRRead{PCRSelectionIn: selection(numbers)}.Execute(t)
		if err != nil {
			return fmt.Errorf("reading the PCRs of the TPM: %w", err)
		}
		if len(r.PCRValues.Digests) != len(numbers) {
			return errors.New("reading the PCRs of the TPM: it has no bank of SHA-256")
		}
		for i, value := range r.PCRValues.Digests {
			if len(value.Buffer) != sha256.Size || [sha256.Size]byte(value.Buffer) != [sha256.Size]byte{} {
				return fmt.Errorf("%w: PCR %d was extended: reset the TPM, or use swtpm", ErrUsed, first+uint(i))
			}
		}
	}
	return nil
}

func selection(pcrs []uint) tpm2.TPMLPCRSelection {
	return tpm2.TPMLPCRSelection{PCRSelections: []tpm2.TPMSPCRSelection{
		{Hash: tpm2.TPMAlgSHA256, PCRSelect: tpm2.PCClientCompatible.PCRs(pcrs...)},
	}}
}

// Resets says how often the TPM was started (Part 1, section 36.3.2).
func (t *TPM) Resets() (uint32, error) {
	r, err := tpm2.ReadClock{}.Execute(t)
	if err != nil {
		return 0, fmt.Errorf("reading the clock of the TPM: %w", err)
	}
	return r.CurrentTime.ClockInfo.ResetCount, nil
}

// flush takes an object out of the TPM, which has place for few. Where that fails, the next one that needs the place says so.
func (t *TPM) flush(handle tpm2.TPMHandle) {
	_, _ = tpm2.FlushContext{FlushHandle: handle}.Execute(t)
}
