//go:build !unix

// Package owner does nothing here: who may open a file, its folder says.
package owner

import "errors"

// Of fails: the system has no such thing.
func Of(string) (user, group int, err error) { return 0, 0, errors.ErrUnsupported }

// Give does nothing.
func Give(path, folder string) error { return nil }
