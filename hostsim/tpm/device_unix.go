//go:build unix

package tpm

import (
	"fmt"
	"os"

	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"
)

// Open opens a TPM that is there already: a device such as /dev/tpmrm0, or the Unix socket of an emulator. A boot can be
// measured into it only once after each reset; see Fresh.
func Open(path string) (*TPM, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("opening a TPM: %w", err)
	}
	var channel transport.TPMCloser
	if info.Mode()&os.ModeSocket != 0 {
		channel, err = linuxudstpm.Open(path)
	} else {
		channel, err = linuxtpm.Open(path)
	}
	if err != nil {
		return nil, fmt.Errorf("opening a TPM: %w", err)
	}
	return &TPM{channel: channel, close: channel.Close}, nil
}
