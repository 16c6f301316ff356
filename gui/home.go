package gui

import (
	"path/filepath"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/gui/widgets"
)

// newHomePage makes the page that asks what the user would like to do.
func newHomePage(w *Window) *page {
	says := map[string]string{
		placeSign:           lang.L("Hash every partition of a disk and sign the result, so that nobody can change it unseen."),
		placeShielding:      lang.L("Put secrets, trusted templates and trusted fabrics into one file."),
		placeInspect:        lang.L("See what is in a file, and whether a disk is what was signed."),
		placeGuardians:      lang.L("Those who may open shielding data: you, and the fabrics that you trust."),
		placeAnswer:         lang.L("Make the file that sets up a new virtual machine."),
		placeSpecialization: lang.L("Say what tells one virtual machine from another: its name, its addresses."),
		placeRecovery:       lang.L("Get the recovery key of a protected disk."),
	}
	tasks := container.New(widgets.Tiles{Least: 250})
	for _, p := range w.places {
		if text, ok := says[p.id]; ok {
			tasks.Add(widgets.NewTile(p.icon, p.title, text, func() { w.show(p.id) }))
		}
	}
	recent := container.NewVBox()
	none := widgets.NewText(lang.L("None yet. Drop a file anywhere on this window to open it."))
	none.Importance = widget.LowImportance
	body := widgets.NewColumn(tasks, widgets.NewSubheading(lang.L("Recent files")), none, recent)
	return &page{
		content: widgets.NewPage(lang.L("What would you like to do?"), body),
		shown: func() {
			recent.RemoveAll()
			for _, path := range w.recent() {
				b := widgets.NewButton(filepath.Base(path), theme.FileIcon(), func() { w.Open(path) })
				b.Alignment = widget.ButtonAlignLeading
				b.Importance = widget.LowImportance
				folder := widget.NewLabel(filepath.Dir(path))
				folder.Importance = widget.LowImportance
				folder.Truncation = fyne.TextTruncateEllipsis
				recent.Add(container.NewBorder(nil, nil, b, nil, folder))
			}
			visible(none, len(recent.Objects) == 0)
			body.Refresh()
		},
	}
}
