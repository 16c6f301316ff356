//go:build !unix

package main

import (
	"errors"
	"time"
)

func ownTime() (time.Duration, error) {
	return 0, errors.New("processor time is measured on Linux only")
}
