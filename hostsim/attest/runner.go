package attest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
)

// ErrCommand says that a service wanted the TPM to do what attestation does not need.
var ErrCommand = errors.New("the service sent a command for the TPM that is not one of attestation")

// A runner runs the commands of a service, and remembers what they left in the TPM.
type runner struct {
	*Measured
	left []uint32 // handles of keys and sessions
}

// Places of the handle and the authorization area in a command (TPM 2.0 Part 1, section 18).
const (
	codeAt       = 6
	handleAt     = 10
	headerSize   = 10
	responseCode = 6
)

// answer runs the commands of a challenge, and gives the context to be sent. Only these commands are run: the ones of which
// the exchange is made (formats of package rtpm), which neither change the TPM nor give anything away.
func (r *runner) answer(context []byte) ([]byte, error) {
	challenge, err := hgsa.ParseChallenge(context)
	if err != nil {
		return nil, err
	}
	a := &hgsa.Answer{State: challenge.State}
	for _, command := range challenge.Commands {
		if err := allowed(command); err != nil {
			return nil, err
		}
		response, err := r.Send(command)
		if err != nil {
			return nil, err
		}
		a.Responses = append(a.Responses, response)
		r.remember(code(command), response)
		switch code(command) {
		case tpm2.TPMCCStartAuthSession: // the key has served, and a TPM has place for few
			r.flush(binary.BigEndian.Uint32(command[handleAt:]))
		case tpm2.TPMCCPCRRead:
			a.Device, a.Log = &r.Device, r.Log
		}
	}
	return a.Bytes(), nil
}

func code(command []byte) tpm2.TPMCC { return tpm2.TPMCC(binary.BigEndian.Uint32(command[codeAt:])) }

// allowed says whether a command is one of attestation: make a key in the endorsement hierarchy, start a session that is for
// HMACs alone, read PCRs.
func allowed(command []byte) error {
	ok := false
	switch code(command) {
	case tpm2.TPMCCCreatePrimary:
		ok = len(command) >= handleAt+4 && binary.BigEndian.Uint32(command[handleAt:]) == uint32(tpm2.TPMRHEndorsement)
	case tpm2.TPMCCStartAuthSession:
		ok = len(command) >= handleAt+4
	case tpm2.TPMCCPCRRead:
		ok = true
	}
	if !ok {
		return fmt.Errorf("%w: %#x", ErrCommand, uint32(code(command)))
	}
	return nil
}

// remember keeps the handle that a command made.
func (r *runner) remember(code tpm2.TPMCC, response []byte) {
	if len(response) < headerSize+4 || binary.BigEndian.Uint32(response[responseCode:]) != uint32(tpm2.TPMRCSuccess) {
		return
	}
	if code == tpm2.TPMCCCreatePrimary || code == tpm2.TPMCCStartAuthSession {
		r.left = append(r.left, binary.BigEndian.Uint32(response[headerSize:]))
	}
}

// flush takes a key or session that a command of this exchange made out of the TPM.
func (r *runner) flush(handle uint32) {
	if i := slices.Index(r.left, handle); i >= 0 {
		r.left = slices.Delete(r.left, i, i+1)
		command := []byte{0x80, 0x01, 0, 0, 0, 14, 0, 0, 0x01, 0x65} // TPM2_FlushContext
		_, _ = r.Send(binary.BigEndian.AppendUint32(command, handle))
	}
}

// clean takes out what an exchange that ended early left. A session ends by itself when it is used for the last time: flushing
// it again does no harm.
func (r *runner) clean() {
	for len(r.left) > 0 {
		r.flush(r.left[0])
	}
}
