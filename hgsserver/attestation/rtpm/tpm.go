package rtpm

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/google/go-tpm/tpm2"

	"github.com/scutum-project/scutum/hgsserver/attestation/hgsa"
	"github.com/scutum-project/scutum/hgsserver/attestation/tcglog"
)

// Constants of TPM 2.0 Part 2 that commands are made of.
const (
	tagNoSessions  = 0x8001
	tagSessions    = 0x8002
	handlePassword = 0x40000009
	sessionHMAC    = 0x00
	attributeAudit = 0x80 // without continueSession: the session ends with the command
	headerSize     = 10
)

// command gives the bytes of a command.
func command(tag uint16, code tpm2.TPMCC, body ...[]byte) []byte {
	rest := bytes.Join(body, nil)
	b := binary.BigEndian.AppendUint16(nil, tag)
	b = binary.BigEndian.AppendUint32(b, uint32(headerSize+len(rest)))
	return append(binary.BigEndian.AppendUint32(b, uint32(code)), rest...)
}

func number32(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }

// sized is a TPM2B: the length in two bytes, and the bytes.
func sized(b []byte) []byte {
	return append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...)
}

// createPrimary makes the endorsement key, with the hierarchy's empty password (TPM 2.0 Part 3, section 24.1).
func createPrimary() []byte {
	password := slices.Concat(number32(handlePassword), sized(nil), []byte{0}, sized(nil))
	return command(tagSessions, tpm2.TPMCCCreatePrimary,
		number32(uint32(tpm2.TPMRHEndorsement)), number32(uint32(len(password))), password,
		sized(slices.Concat(sized(nil), sized(nil))),              // inSensitive: no password, no data
		sized(slices.Concat(template, make([]byte, modulusSize))), // inPublic
		sized(nil), number32(0)) // outsideInfo, creationPCR
}

// startAuthSession starts an HMAC session salted with the key of the handle (section 11.1).
func startAuthSession(handle uint32, nonce, encryptedSalt []byte) []byte {
	algorithms := binary.BigEndian.AppendUint16(nil, uint16(tpm2.TPMAlgNull)) // no parameter is encrypted
	algorithms = binary.BigEndian.AppendUint16(algorithms, uint16(tpm2.TPMAlgSHA256))
	return command(tagNoSessions, tpm2.TPMCCStartAuthSession,
		number32(handle), number32(uint32(tpm2.TPMRHNull)), sized(nonce), sized(encryptedSalt), []byte{sessionHMAC}, algorithms)
}

// sessionKey derives the key of a salted session that is bound to nothing (Part 1, section 19.6.8): one round of KDFa (section
// 11.4.10.2), since the key is as long as the HMAC.
func sessionKey(salt, nonceTPM, nonceCaller []byte) (key [32]byte) {
	copy(key[:], authenticate(salt, number32(1), []byte("ATH\x00"), nonceTPM, nonceCaller, number32(8*uint32(len(key)))))
	return key
}

func authenticate(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// selection selects the PCRs of bank SHA-256 that prove a boot log (TPML_PCR_SELECTION).
var selection = func() []byte {
	var bits [3]byte
	for _, n := range tcglog.Proven {
		bits[n/8] |= 1 << (n % 8)
	}
	b := binary.BigEndian.AppendUint16(number32(1), uint16(tpm2.TPMAlgSHA256))
	return append(append(b, byte(len(bits))), bits[:]...)
}()

// pcrRead reads the PCRs in a session (section 22.4), whose HMACs are those of Part 1, section 19.6.5.
func pcrRead(session uint32, key, nonceCaller, nonceTPM []byte) []byte {
	attributes := []byte{attributeAudit}
	parameters := sha256.Sum256(slices.Concat(number32(uint32(tpm2.TPMCCPCRRead)), selection))
	mac := authenticate(key, parameters[:], nonceCaller, nonceTPM, attributes)
	area := slices.Concat(number32(session), sized(nonceCaller), attributes, sized(mac))
	return command(tagSessions, tpm2.TPMCCPCRRead, number32(uint32(len(area))), area, selection)
}

// A ResponseError says that a TPM refused a command.
type ResponseError struct {
	Command string
	Code    uint32 // TPM_RC
}

func (e *ResponseError) Error() string {
	return fmt.Sprintf("the host's TPM refused %s: %v", e.Command, tpm2.TPMRC(e.Code))
}

// Temporary says whether the TPM may do the same later (a warning: TPM 2.0 Part 2, section 6.6.3).
func (e *ResponseError) Temporary() bool { return e.Code&0xf80 == 0x900 }

// A reader takes numbers and bytes off a response. What it gives after the end is zero or nil, and short is set.
type reader struct {
	data  []byte
	short bool
}

func (r *reader) bytes(n int) []byte {
	if r.short || n > len(r.data) {
		r.short, r.data = true, nil
		return nil
	}
	b := r.data[:n:n]
	r.data = r.data[n:]
	return b
}

func (r *reader) uint16() uint16 {
	if b := r.bytes(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) uint32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) sized() []byte { return r.bytes(int(r.uint16())) }

// open reads the header of a response, whose size is checked. It fails with *ResponseError or hgsa.ErrMessage.
func open(response []byte, tag uint16, name string) (*reader, error) {
	r := &reader{data: response}
	gotTag, _, code := r.uint16(), r.uint32(), r.uint32()
	switch {
	case r.short:
		return nil, malformed(name)
	case code != uint32(tpm2.TPMRCSuccess):
		return nil, &ResponseError{name, code}
	case gotTag != tag:
		return nil, malformed(name)
	}
	return r, nil
}

func malformed(name string) error {
	return fmt.Errorf("%w: the response to %s is not one", hgsa.ErrMessage, name)
}

// parseCreatePrimary gives the handle and the public area (TPM2B_PUBLIC) of the new key.
func parseCreatePrimary(response []byte) (handle uint32, public []byte, err error) {
	const name = "CreatePrimary"
	r, err := open(response, tagSessions, name)
	if err != nil {
		return 0, nil, err
	}
	handle = r.uint32()
	r.uint32() // size of the parameters
	public = sized(r.sized())
	if r.short || handle>>24 != 0x80 { // a transient object
		return 0, nil, malformed(name)
	}
	return handle, public, nil
}

// parseStartAuthSession gives the handle of the session and the TPM's nonce.
func parseStartAuthSession(response []byte) (handle uint32, nonceTPM []byte, err error) {
	const name = "StartAuthSession"
	r, err := open(response, tagNoSessions, name)
	if err != nil {
		return 0, nil, err
	}
	handle, nonceTPM = r.uint32(), r.sized()
	if r.short || len(r.data) > 0 || handle>>24 != 0x02 || !goodNonce(nonceTPM) { // an HMAC session
		return 0, nil, malformed(name)
	}
	return handle, nonceTPM, nil
}

// goodNonce says whether a nonce is as long as one must be (Part 1, section 19.6.4: at least 16 bytes, at most a digest).
func goodNonce(nonce []byte) bool { return len(nonce) >= 16 && len(nonce) <= sha256.Size }

// parsePCRRead checks the TPM's HMAC and gives the PCRs. It fails with ErrProof where the HMAC is not the TPM's.
func parsePCRRead(response, key, nonceCaller []byte) (tcglog.PCRs, error) {
	const name = "PCR_Read"
	r, err := open(response, tagSessions, name)
	if err != nil {
		return nil, err
	}
	parameters := r.bytes(int(min(r.uint32(), uint32(len(response)))))
	nonceTPM, attributes, mac := r.sized(), r.bytes(1), r.sized()
	if r.short || len(r.data) > 0 || !goodNonce(nonceTPM) {
		return nil, malformed(name)
	}
	signed := sha256.Sum256(slices.Concat(number32(uint32(tpm2.TPMRCSuccess)), number32(uint32(tpm2.TPMCCPCRRead)), parameters))
	if !hmac.Equal(mac, authenticate(key, signed[:], nonceTPM, nonceCaller, attributes)) {
		return nil, fmt.Errorf("%w: the HMAC over its PCRs is false", ErrProof)
	}

	r = &reader{data: parameters}
	r.uint32() // how often PCRs changed
	selected, count := r.bytes(len(selection)), r.uint32()
	if !bytes.Equal(selected, selection) || count != uint32(len(tcglog.Proven)) {
		return nil, fmt.Errorf("%w: the TPM did not give all PCRs of its SHA-256 bank that were asked for", hgsa.ErrMessage)
	}
	pcrs := tcglog.PCRs{}
	for _, n := range tcglog.Proven { // in the order of their numbers
		if pcrs[n] = r.sized(); len(pcrs[n]) != sha256.Size {
			return nil, malformed(name)
		}
	}
	if len(r.data) > 0 {
		return nil, malformed(name)
	}
	return pcrs, nil
}
