// Command scutum signs template disks and proves that they are unaltered, and
// looks after the VHDX files that they are. It reads flags, calls the library
// packages and prints what they found; it decides nothing about formats or
// signatures itself.
package main

import (
	"context"
	"os"
)

// version is set by the linker; see the Makefile.
var version = ""

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
