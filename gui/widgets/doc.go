// Package widgets holds what the pages of the desktop are made of, beyond what
// Fyne has: the frame of a wizard, fields that say what is wrong beside
// themselves, the choice of files, progress that can be cancelled, and the
// pictures of a disk, its segments and its signer.
//
// The widgets know nothing of windows, pages or settings: they are given what
// they show, and call back. None of them opens a file, but for the file dialogs
// that list folders. All must be used from Fyne's own goroutine only.
package widgets
