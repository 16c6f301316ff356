// Package cli is what the commands have in common: how a command line is run and
// ends, how facts are printed for people and as JSON, where passwords come from,
// and how a question is asked. Programs look the same to their users through it,
// under their own names: that of a root command begins every message.
//
// It knows no format, key or service, and decides nothing for a command. It never
// prints what a file or a service says without making it printable, never takes a
// password from the command line, and never shows one.
package cli
