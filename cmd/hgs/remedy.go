package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/scutum-project/scutum/hgsserver/store"
)

// withRemedy adds what to do to an error of the state in a folder.
func withRemedy(err error) error {
	var remedy string
	switch {
	case errors.Is(err, store.ErrLocked):
		remedy = "a service is serving from it: stop it first"
	case errors.Is(err, fs.ErrExist):
		remedy = "a service is there already: name another folder with --dir, or look at hgs clear"
	case errors.Is(err, fs.ErrNotExist):
		remedy = "make a service with hgs init, or name its folder with --dir"
	default:
		return err
	}
	return fmt.Errorf("%w; %s", err, remedy)
}
