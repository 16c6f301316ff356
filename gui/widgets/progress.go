package widgets

import (
	"context"
	"sync/atomic"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// A Job is work that takes its time. It ends soon after ctx is done. It may
// call update from any goroutine, as often as it likes, with bytes.
type Job func(ctx context.Context, update func(done, total int64)) error

// Progress shows how far a Job is, how fast, and how long it will take, and
// lets the user cancel it.
type Progress struct {
	widget.BaseWidget

	// Changed is called when a job has begun or ended.
	Changed func()
	// Do has a function run on Fyne's goroutine, later: fyne.Do. Tests, for
	// which fyne.Do runs it where it is, set another.
	Do func(func())

	title  *widget.Label
	bar    *widget.ProgressBar
	detail *widget.Label
	cancel *Button

	stop     context.CancelFunc // nil when there is no job
	finished chan struct{}
}

// NewProgress makes a panel without a job.
func NewProgress(title string) *Progress {
	p := &Progress{title: NewSubheading(title), bar: widget.NewProgressBar(), detail: NewText(""), Do: fyne.Do}
	p.cancel = NewButton(lang.L("Cancel"), theme.CancelIcon(), p.Cancel)
	p.ExtendBaseWidget(p)
	return p
}

// tick is how often the panel changes while a job runs.
const tick = 100 * time.Millisecond

// Run starts the job. When it has ended, done is called on Fyne's goroutine.
func (p *Progress) Run(job Job, done func(error)) {
	ctx, stop := context.WithCancel(context.Background())
	p.stop, p.finished = stop, make(chan struct{})
	p.cancel.Enable()
	p.bar.SetValue(0)
	p.detail.SetText(lang.L("Starting…"))
	p.tell()

	var bytes, total atomic.Int64
	ended := make(chan error, 1)
	go func() {
		ended <- job(ctx, func(d, t int64) {
			total.Store(t)
			bytes.Store(d)
		})
	}()
	go func(finished chan struct{}, do func(func())) {
		defer close(finished)
		defer stop()
		begun := time.Now()
		ticker := time.NewTicker(tick)
		defer ticker.Stop()
		for {
			select {
			case err := <-ended:
				do(func() {
					p.stop = nil
					done(err)
					p.tell()
				})
				return
			case <-ticker.C:
				d, t, since := bytes.Load(), total.Load(), time.Since(begun)
				do(func() { p.show(d, t, since) })
			}
		}
	}(p.finished, p.Do)
}

func (p *Progress) tell() {
	if p.Changed != nil {
		p.Changed()
	}
}

func (p *Progress) show(done, total int64, since time.Duration) {
	if p.stop == nil || total <= 0 || done <= 0 {
		return
	}
	p.bar.SetValue(float64(done) / float64(total))
	rate := float64(done) / since.Seconds()
	left := time.Duration(float64(total-done) / rate * float64(time.Second)).Round(time.Second)
	p.detail.SetText(lang.L("{{.Done}} of {{.Total}} · {{.Rate}}/s · {{.Left}} left", map[string]any{
		"Done": Size(done), "Total": Size(total), "Rate": Size(int64(rate)), "Left": left.String(),
	}))
}

// Busy says whether a job runs.
func (p *Progress) Busy() bool { return p.stop != nil }

// Cancel asks the job to end. It is told at once.
func (p *Progress) Cancel() {
	if p.stop != nil {
		p.detail.SetText(lang.L("Cancelling…"))
		p.cancel.Disable()
		p.stop()
	}
}

// Wait waits until the job that was started last, if any, has ended. Nothing of
// it runs afterwards but what waits for Fyne's goroutine.
func (p *Progress) Wait() {
	if p.finished != nil {
		<-p.finished
	}
}

// CreateRenderer implements fyne.Widget.
func (p *Progress) CreateRenderer() fyne.WidgetRenderer {
	foot := container.NewBorder(nil, nil, nil, p.cancel, p.detail)
	return widget.NewSimpleRenderer(NewPanel(NewMargin(8, 8, container.New(rows{gap: 8}, p.title, p.bar, foot))))
}
