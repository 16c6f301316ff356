//go:build !linux

package main

import "errors"

func dropCache(string) error { return errors.New("the cold cache is measured on Linux only") }
