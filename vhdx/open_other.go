//go:build !unix

package vhdx

const doNotWait = 0
