package model

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// A KeyPlace is where the private key of a certificate is.
type KeyPlace int

// The places of private keys.
const (
	InPFX     KeyPlace = iota // with the certificate, under a password
	InPEM                     // with the certificate, in the open
	Elsewhere                 // in a PEM file of its own
)

// FindKey says where the private key is that belongs to the certificate of a
// file.
func FindKey(path string) (KeyPlace, error) {
	data, err := ReadFile(path, signing.MaxKeyFile)
	if err != nil {
		return 0, err
	}
	defer clear(data)
	switch {
	case !signing.IsPEM(data):
		return InPFX, nil
	case bytes.Contains(data, []byte("PRIVATE KEY-----")): // RFC 7468 section 10, and the older names
		return InPEM, nil
	}
	return Elsewhere, nil
}

// OpenSigner reads a certificate with its key and says whether it may sign. They
// are in a PFX file, in a PEM file, or in a PEM file each: key is the path of the
// second, or empty.
func OpenSigner(path, key, password string) (*signing.Identity, error) {
	data, err := ReadFile(path, signing.MaxKeyFile)
	if err != nil {
		return nil, err
	}
	defer clear(data)
	private := data
	if key != "" {
		if private, err = ReadFile(key, signing.MaxKeyFile); err != nil {
			return nil, err
		}
		defer clear(private)
	}
	var id *signing.Identity
	if key != "" || signing.IsPEM(data) {
		id, err = signing.LoadPEM(data, private)
	} else {
		id, err = signing.LoadPFX(data, password)
	}
	switch {
	case errors.Is(err, signing.ErrPassword) && password == "":
		return nil, problem("The file is protected. Enter its password.")
	case errors.Is(err, signing.ErrPassword):
		return nil, problem("The password is wrong, or the file is damaged. Try the password again.")
	case err != nil:
		return nil, err
	}
	return id, signing.CheckSigner(id.Certificate, time.Now())
}

// A Lab says what certificate to make for trying things out.
type Lab struct {
	Subject string
	Kind    signing.KeyKind
	Days    int
	Path    string // of the PFX
}

// CheckSubject says what is wrong with the subject of a certificate.
func CheckSubject(subject string) error {
	if subject == "" {
		return problem("Enter a name, such as that of your team.")
	}
	if len(subject) > 64 {
		return problem("The name is too long. Use at most 64 characters.")
	}
	return nil
}

// CheckDays says what is wrong with the days that a certificate is to be valid.
func CheckDays(days string) error {
	if n, err := strconv.Atoi(days); err != nil || n < 1 || n > 36500 {
		return problem("Enter a whole number of days, such as 365.")
	}
	return nil
}

// CheckNewPassword says what is wrong with a password that is to protect
// something new.
func CheckNewPassword(password string) error {
	if password == "" {
		return problem("Enter a password. Whoever has the file and no password cannot use the key.")
	}
	return nil
}

// CheckRepeated says whether a password was entered the same twice.
func CheckRepeated(password, again string) error {
	if password != again {
		return problem("The two passwords differ. Enter the same one twice.")
	}
	return nil
}

// MakeLab makes a key and a certificate for it, and saves both as a PFX file
// under the password. It takes the place of another file only with overwrite.
func MakeLab(l Lab, password string, overwrite bool) (*signing.Identity, error) {
	id, err := signing.NewLabIdentity(l.Subject, l.Kind, time.Duration(l.Days)*24*time.Hour)
	if err != nil {
		return nil, err
	}
	data, err := id.EncodePFX(password)
	if err != nil {
		return nil, err
	}
	return id, atomicfile.WriteFile(l.Path, data, 0o600, overwrite)
}
