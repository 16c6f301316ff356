package gui

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk/recovery"
)

// recoveryPage leads from a disk and shielding data to a .bek file.
type recoveryPage struct {
	w       *Window
	found   *model.Recovery       // nil until it was read
	matches model.Matches         // none until they were found
	key     *recovery.ExternalKey // until it was saved
	stop    context.CancelFunc
	looking context.Context // of the last search

	source     *widgets.FileField
	save       *fyne.Container // what is there once found
	wants      *widgets.Notice
	by         *widgets.Choice
	file       *widgets.FileField
	folder     *widgets.FileField
	busy       *widgets.Busy
	matched    *widgets.Notice
	passphrase *widgets.Entry
	to         *widgets.FileField
	open       *widgets.Button
	result     *widgets.Notice
}

func newRecoveryPage(w *Window) *page {
	r := &recoveryPage{w: w, stop: func() {}}
	r.source = widgets.NewFileField(lang.L("Disk, or encrypted recovery key"), w.choose, widgets.Question{
		Purpose: "recovery",
		Types:   []widgets.FileType{{Name: lang.L("Virtual disks and encrypted recovery keys"), Extensions: []string{".vhdx", ".avhdx", ".ebek"}}},
	}, check(model.CheckOpen))
	r.wants = widgets.NewNotice(widgets.Info, "", "")
	r.save = r.saveForm()
	r.by = widgets.NewChoice([]string{lang.L("I know the file with the shielding data"), lang.L("Look for the shielding data in a folder")}, func(i int) {
		visible(r.file, i == 0)
		visible(r.folder, i == 1)
		r.forgetMatches()
	})
	r.file = widgets.NewFileField(lang.L("Shielding data"), w.choose, widgets.Question{
		Purpose: "shielding", Types: []widgets.FileType{{Name: lang.L("Shielding data"), Extensions: []string{".pdk"}}},
	}, check(model.CheckOpen))
	r.folder = widgets.NewFileField(lang.L("Folder to look in"), w.choose, widgets.Question{Want: widgets.Folder, Purpose: "shielding"}, check(model.CheckFolder))
	r.folder.Hide()
	r.busy = widgets.NewBusy(lang.L("Looking for the shielding data…"))
	r.matched = widgets.NewNotice(widgets.Good, "", "")
	r.passphrase = widgets.NewPasswordEntry(lang.L("Passphrase of the owner"), nil)
	r.to = widgets.NewFileField(lang.L("Folder for the .bek file"), w.choose, widgets.Question{Want: widgets.Folder, Purpose: "bek"}, check(model.CheckFolder))
	r.result = widgets.NewNotice(widgets.Good, "", "")
	r.open = widgets.NewPrimaryButton(lang.L("Get the recovery key"), theme.ConfirmIcon(), r.unprotect)

	r.source.Chosen = func(string) { r.read() }
	r.file.Chosen = func(string) { r.match() }
	r.folder.Chosen = func(string) { r.match() }
	r.passphrase.Changed = func(string) { r.refresh() }
	r.to.Changed = func(string) { r.refresh() }
	r.refresh()
	return &page{
		content: widgets.NewPage(lang.L("Recovery"), widgets.NewColumn(
			widgets.NewText(lang.L("Open the disk of a shielded virtual machine that does not start any more. Only the owner of its shielding data can.")),
			r.source, r.wants, r.save,
			r.by, r.file, r.folder, r.busy, r.matched,
			widgets.NewPair(r.passphrase, r.to), widgets.NewRow(r.open), r.result,
			widgets.NewNotice(widgets.Info, lang.L("There is no password of 48 digits."),
				lang.L("The recovery key of a shielded virtual machine is a key file, with the ending .bek. No recovery password is made for its disk, so there is none to show.")))),
		open: r.take,
		typedKey: func(key *fyne.KeyEvent) {
			switch key.Name {
			case fyne.KeyReturn, fyne.KeyEnter:
				r.unprotect()
			case fyne.KeyEscape:
				w.leave(placeRecovery)
			}
		},
		closed: func() { r.stop(); r.forgetKey(); r.passphrase.Clear() },
	}
}

// visible shows an object, or hides it.
func visible(o fyne.CanvasObject, yes bool) {
	if yes {
		o.Show()
	} else {
		o.Hide()
	}
}

// take takes a file that was dropped, or comes from another page.
func (r *recoveryPage) take(f model.File) bool {
	switch f.Kind {
	case model.VHDX, model.RecoveryKey:
		r.source.SetPath(f.Path)
	case model.Shielding:
		r.by.Select(0)
		r.file.SetPath(f.Path)
	default:
		return false
	}
	return true
}

// read reads the encrypted recovery key.
func (r *recoveryPage) read() {
	r.found = nil
	r.wants.Set(widgets.Info, "", "")
	r.save.Hide()
	r.forgetMatches()
	path := r.source.Text()
	if path == "" {
		return
	}
	away(r.w, func() (*model.Recovery, error) { return model.OpenRecovery(path) }, func(found *model.Recovery, err error) {
		var p *model.Problem
		switch {
		case path != r.source.Text():
		case errors.As(err, &p):
			r.source.Complain(textOf(err))
		case err != nil:
			r.wants.Set(widgets.Bad, lang.L("The recovery key cannot be read"), err.Error())
		default:
			r.found = found
			r.wants.Set(widgets.Info, lang.L("The recovery key is under the shielding data {{.PDK}}.", map[string]any{"PDK": found.ID().String()}),
				lang.L("It opens the volume {{.Volume}}.", map[string]any{"Volume": found.Encrypted.Volume.String()}))
			visible(r.save, found.OnDisk)
			r.match()
		}
	})
}

// forgetKey overwrites a key that the user did not have saved after all.
func (r *recoveryPage) forgetKey() {
	if r.key != nil {
		r.key.Clear()
		r.key = nil
	}
}

func (r *recoveryPage) forgetMatches() {
	r.forgetKey()
	r.stop()
	r.busy.End()
	r.matches = nil
	r.matched.Set(widgets.Good, "", "")
	r.result.Set(widgets.Good, "", "")
	r.refresh()
}

// match finds the shielding data of the recovery key.
func (r *recoveryPage) match() {
	r.forgetMatches()
	field, search := r.file, r.by.Selected() == 1
	if search {
		field = r.folder
	}
	path, found := field.Text(), r.found
	if path == "" || found == nil || !field.Validate() {
		return
	}
	store, err := r.w.store()
	if err != nil {
		r.matched.Set(widgets.Bad, lang.L("The guardians cannot be read"), err.Error())
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	r.looking, r.stop = ctx, stop
	r.busy.Begin(stop)
	away(r.w, func() (model.Matches, error) {
		if search {
			return found.Search(ctx, store, path)
		}
		return found.Use(store, path)
	}, func(matches model.Matches, err error) {
		stop()
		if r.looking != ctx || r.found != found {
			return
		}
		r.busy.End()
		var p *model.Problem
		switch {
		case errors.Is(err, context.Canceled):
		case errors.As(err, &p):
			field.Complain(textOf(err))
		case err != nil:
			r.matched.Set(widgets.Bad, lang.L("The shielding data cannot be read"), err.Error())
		default:
			r.matches = matches
			r.matched.Set(widgets.Good, lang.L("The shielding data are yours. Their owner is {{.Owner}}.", map[string]any{"Owner": matches[0].Owner}), matches[0].Path)
		}
		r.refresh()
	})
}

// refresh lets the button be pressed once all is there.
func (r *recoveryPage) refresh() {
	if r.found != nil && len(r.matches) > 0 && r.passphrase.Text() != "" && r.to.Text() != "" {
		r.open.Enable()
	} else {
		r.open.Disable()
	}
}

// unprotect decrypts the recovery key and saves it.
func (r *recoveryPage) unprotect() {
	if r.open.Disabled() || !r.to.Validate() {
		return
	}
	store, err := r.w.store()
	if err != nil {
		r.result.Tell(widgets.Bad, lang.L("The guardians cannot be read"), err.Error())
		return
	}
	r.forgetKey()
	found, matches, secret, folder := r.found, r.matches, r.passphrase.Text(), r.to.Text()
	r.open.Disable()
	away(r.w, func() (*recovery.ExternalKey, error) { return found.Open(store, matches, secret) }, func(key *recovery.ExternalKey, err error) {
		r.refresh()
		if err != nil {
			r.passphrase.Complain(textOf(err))
			return
		}
		r.passphrase.Clear()
		path := filepath.Join(folder, key.FileName())
		if model.Exists(path) {
			r.key = key
			r.w.askReplace(path, func() {
				if key == r.key {
					r.key = nil
					r.write(key, path, true)
				}
			})
			return
		}
		r.write(key, path, false)
	})
}

func (r *recoveryPage) write(key *recovery.ExternalKey, path string, overwrite bool) {
	away(r.w, func() (any, error) {
		defer key.Clear()
		return nil, model.SaveBEK(key, path, overwrite)
	}, func(_ any, err error) {
		if err != nil {
			r.result.Tell(widgets.Bad, lang.L("The recovery key was not saved"), err.Error())
			return
		}
		r.result.Tell(widgets.Good, lang.L("The recovery key is saved. It opens the disk for whoever has it."),
			path+"\n"+lang.L("On a USB drive, BitLocker finds it under this name. Windows opens the disk with: {{.Command}}",
				map[string]any{"Command": fmt.Sprintf(`manage-bde -unlock X: -RecoveryKey "%s"`, filepath.Base(path))}))
	})
}

// saveForm saves the encrypted recovery key of a disk.
func (r *recoveryPage) saveForm() *fyne.Container {
	to := widgets.NewFileField(lang.L("Save the encrypted recovery key as (optional)"), r.w.choose, widgets.Question{
		Want: widgets.SaveFile, Purpose: "recovery", Name: "recovery.ebek",
		Types: []widgets.FileType{{Name: lang.L("Encrypted recovery keys"), Extensions: []string{".ebek"}}},
	}, check(model.CheckSave))
	saved := widgets.NewNotice(widgets.Good, "", "")
	write := func(overwrite bool) {
		path, found := to.Text(), r.found
		away(r.w, func() (any, error) { return nil, found.Save(path, overwrite) }, func(_ any, err error) {
			if err != nil {
				saved.Tell(widgets.Bad, lang.L("The encrypted recovery key was not saved"), err.Error())
				return
			}
			saved.Tell(widgets.Good, lang.L("The encrypted recovery key is saved."), "")
			r.w.remember(model.File{Path: path, Kind: model.RecoveryKey})
		})
	}
	save := widgets.NewButton(lang.L("Save"), theme.DocumentSaveIcon(), func() {
		switch path := to.Text(); {
		case r.found == nil || !to.Validate():
		case model.SameFile(path, r.found.Path):
			to.Complain(lang.L("This is the disk itself. Choose another name."))
		case model.Exists(path):
			r.w.askReplace(path, func() { write(true) })
		default:
			write(false)
		}
	})
	form := widgets.NewGroup(widgets.NewWithButton(to, save), saved)
	form.Hide()
	return form
}
