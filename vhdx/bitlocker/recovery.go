package bitlocker

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrRecoveryPassword says that a text is no recovery password: somebody mistyped it.
var ErrRecoveryPassword = errors.New("not a recovery password")

// A RecoveryPassword is the 128-bit key that a recovery password writes in 48 digits.
type RecoveryPassword [16]byte

const recoveryGroups = 8

// NewRecoveryPassword makes one at random.
func NewRecoveryPassword() RecoveryPassword {
	var p RecoveryPassword
	_, _ = rand.Read(p[:]) // crypto/rand never fails
	return p
}

// ParseRecoveryPassword reads eight groups of six digits with hyphens between them. Each group is a multiple of 11. Its
// error is ErrRecoveryPassword, and says which group is wrong, but not what it is.
func ParseRecoveryPassword(text string) (RecoveryPassword, error) {
	var p RecoveryPassword
	groups := strings.Split(strings.TrimSpace(text), "-")
	if len(groups) != recoveryGroups {
		return p, fmt.Errorf("%w: %d groups of digits, want %d", ErrRecoveryPassword, len(groups), recoveryGroups)
	}
	for i, group := range groups {
		n, err := strconv.ParseUint(group, 10, 32)
		if err != nil || len(group) != 6 || n%11 != 0 || n/11 > 0xffff {
			return RecoveryPassword{}, fmt.Errorf("%w: group %d is mistyped", ErrRecoveryPassword, i+1)
		}
		binary.LittleEndian.PutUint16(p[2*i:], uint16(n/11))
	}
	return p, nil
}

// Text is the recovery password as it is written down.
func (p RecoveryPassword) Text() string {
	groups := make([]string, recoveryGroups)
	for i := range groups {
		groups[i] = fmt.Sprintf("%06d", 11*uint32(binary.LittleEndian.Uint16(p[2*i:])))
	}
	return strings.Join(groups, "-")
}
