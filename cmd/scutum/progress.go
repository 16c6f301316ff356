package main

import (
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// progress shows a bar with bytes, rate and time left on a terminal, and
// nothing when standard error is not one. update takes the bytes done and the
// bytes in all, and is for one goroutine at a time; call finish before
// anything else is printed.
func progress(cmd *cobra.Command, what string) (update func(done, total int64), finish func()) {
	terminal, ok := cmd.ErrOrStderr().(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return func(int64, int64) {}, func() {}
	}
	var bar *progressbar.ProgressBar
	update = func(done, total int64) {
		if bar == nil {
			bar = progressbar.NewOptions64(total,
				progressbar.OptionSetDescription(what),
				progressbar.OptionSetWriter(terminal),
				progressbar.OptionShowBytes(true),
				progressbar.OptionShowTotalBytes(true),
				progressbar.OptionUseIECUnits(true),
				progressbar.OptionShowCount(),
				progressbar.OptionSetPredictTime(true),
				progressbar.OptionSetWidth(24),
				progressbar.OptionThrottle(100*time.Millisecond),
				progressbar.OptionClearOnFinish(),
			)
		}
		_ = bar.Set64(done)
	}
	finish = func() {
		if bar != nil {
			_ = bar.Clear()
		}
	}
	return update, finish
}
