// Package gui is the desktop of Scutum: a window with pages that ask, and that
// show what the packages signing, vhdx and pdk answer. It needs no cgo: it is
// given a fyne.App, which package main makes.
//
// There is one file a page. A wizard is a widgets.Wizard over a struct of package
// model. Whatever may take longer than a moment runs off Fyne's goroutine, with
// away or a widgets.Progress.
package gui
