package tpm

import "errors"

// Open fails: the TPM of a Windows machine belongs to Windows.
func Open(string) (*TPM, error) {
	return nil, errors.New("the TPM of a Windows machine belongs to Windows, which measures its own boot")
}
