//go:build !unix

package main

// giveToOwner has nothing to do where files inherit from their folder who may open them.
func giveToOwner(string) error { return nil }
