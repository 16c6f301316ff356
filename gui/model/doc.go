// Package model holds what the pages of the desktop ask for and what they then
// have done: a struct for each wizard, with its validation. It knows nothing of
// windows and can be tested without one.
//
// It reads files, and leaves what is in them to the packages signing, vhdx and
// pdk. It never keeps a password longer than the call that it is given to.
//
// What Check functions and Problems say is for the user and gets translated.
// Errors of other packages are in English and are shown as they are.
package model
