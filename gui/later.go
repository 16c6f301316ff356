package gui

import "time"

// typing is how long a pause in typing is after which things are done with what
// was typed.
const typing = 250 * time.Millisecond

// later does work on Fyne's goroutine once nothing was asked of it for a while.
type later struct {
	w     *Window
	timer *time.Timer
}

// do has work done in place of what was asked before.
func (l *later) do(work func()) {
	l.drop()
	l.w.pending.Add(1)
	l.timer = time.AfterFunc(typing, func() {
		l.w.do(func() {
			defer l.w.pending.Done()
			work()
		})
	})
}

// drop forgets what is to be done.
func (l *later) drop() {
	if l.timer != nil && l.timer.Stop() {
		l.w.pending.Done()
	}
}
