package tcglog

import (
	"bytes"
	"errors"
	"fmt"
)

// PCRs holds values of PCRs of one bank by their number.
type PCRs map[uint32][]byte

// Proven are the PCRs that hold what is read of a log: the Secure Boot configuration (7), the end of the boot loader (11),
// and what Windows measures (12, 13, 14). A TPM gives all of them in one answer.
var Proven = [...]uint32{7, 11, 12, 13, 14}

// ErrNoBank says that a log has no digests of the algorithm asked for.
var ErrNoBank = errors.New("the boot log has no digests of that algorithm")

// A MismatchError says that a log does not replay to the value of a PCR: it is not the log of that TPM's boot, or not the whole.
type MismatchError struct {
	PCR            uint32
	Read, Replayed []byte
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("the boot log replays to %x for PCR %d, but the TPM holds %x", e.Replayed, e.PCR, e.Read)
}

// startupLocality begins the data of the event that says from which locality the TPM was started; one byte follows
// (TCG PC Client Platform Firmware Profile 1.05, section 10.4.5.3).
const startupLocality = "StartupLocality\x00"

// Replay computes the values that the PCRs of a bank have after all events, for those that an event extends and for those in
// Proven. A PCR starts from zeros; of PCR 0 the last byte is the locality of the start. It fails with ErrNoBank or ErrMalformed.
func (l *Log) Replay(bank Algorithm) (PCRs, error) {
	if !l.has(bank) {
		return nil, fmt.Errorf("%v: %w", bank, ErrNoBank)
	}
	size := l.size(bank)
	pcrs := PCRs{}
	for _, n := range Proven {
		pcrs[n] = make([]byte, size)
	}
	for _, e := range l.Events {
		if e.Type == NoAction && e.PCR == 0 && bytes.HasPrefix(e.Data, []byte(startupLocality)) {
			rest := e.Data[len(startupLocality):]
			if len(rest) != 1 || rest[0] > 4 || pcrs[0] != nil {
				return nil, malformed("the locality of the start is not one of 0 to 4, or comes too late, or twice")
			}
			pcrs[0] = append(make([]byte, size-1), rest[0])
		}
		digest := e.Digest(bank)
		if digest == nil {
			continue
		}
		if pcrs[e.PCR] == nil {
			pcrs[e.PCR] = make([]byte, size)
		}
		pcrs[e.PCR] = bank.sum(pcrs[e.PCR], digest)
	}
	return pcrs, nil
}

// Prove holds the log against PCR values that a TPM gave for a bank, and reads out of it what they prove. The values of all
// PCRs in Proven are needed; others are compared with nothing, since nothing is read from them. It fails with a *MismatchError,
// ErrNoBank, or ErrMalformed where what was proven cannot be read.
func (l *Log) Prove(bank Algorithm, read PCRs) (*Boot, error) {
	replayed, err := l.Replay(bank)
	if err != nil {
		return nil, err
	}
	for _, n := range Proven {
		if !bytes.Equal(read[n], replayed[n]) {
			return nil, &MismatchError{PCR: n, Read: read[n], Replayed: replayed[n]}
		}
	}
	return l.boot(bank, replayed)
}

// Claim reads the log as if a TPM had proved it: for a log from a trusted place, such as a baseline that an administrator
// took from a reference host, and for showing what a log says. It fails with ErrNoBank or ErrMalformed.
func (l *Log) Claim(bank Algorithm) (*Boot, error) {
	pcrs, err := l.Replay(bank)
	if err != nil {
		return nil, err
	}
	return l.boot(bank, pcrs)
}
