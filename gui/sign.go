package gui

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx"
)

// signPage is the wizard that signs a template.
type signPage struct {
	w      *Window
	model  model.Sign
	wizard *widgets.Wizard

	signer  *widgets.FileField
	key     *widgets.FileField // of a PEM certificate
	disk    *widgets.FileField
	name    *widgets.Entry
	version *widgets.Entry
	vsc     *widgets.FileField
	forget  func() // the passwords
}

func newSignPage(w *Window) *page {
	s := &signPage{w: w}
	s.wizard = widgets.NewWizard(lang.L("Sign a template"),
		s.signerStep(), s.diskStep(), s.catalogStep(), s.reviewStep(), s.summaryStep())
	s.wizard.Explain = textOf
	s.wizard.Cancelled = func() { w.leave(placeSign) }
	s.wizard.Finished = func() { w.leave(placeSign) }
	return &page{
		content:  s.wizard,
		typedKey: s.wizard.TypedKey,
		open:     s.open,
		progress: s.wizard.Progress,
		closed:   s.forget,
	}
}

// open takes a file that was dropped, or comes from another page.
func (s *signPage) open(f model.File) bool {
	switch {
	case s.wizard.Progress.Busy() || s.model.Result != nil:
		return false
	case f.Kind == model.KeyFile || f.Kind == model.Certificates:
		s.signer.SetPath(f.Path)
	case f.Kind == model.VHDX:
		s.disk.SetPath(f.Path)
	default:
		return false
	}
	return true
}

func (s *signPage) diskStep() *widgets.Step {
	bar := widgets.NewDiskBar(nil)
	facts := widgets.NewFacts()
	notices := widgets.NewGroup()
	bitLocker, offerBitLocker := s.bitLockerForm()
	s.disk = widgets.NewFileField(lang.L("Virtual disk"), s.w.choose, widgets.Question{
		Purpose: "disk", Types: []widgets.FileType{{Name: lang.L("Virtual disks"), Extensions: []string{".vhdx"}}},
	}, check(model.CheckOpen))
	show := func(d *model.Disk, err error) {
		s.model.Disk = nil
		notices.RemoveAll()
		bar.Set(nil)
		facts.Set()
		var p *model.Problem
		switch {
		case errors.As(err, &p):
			s.disk.Complain(textOf(err))
		case err != nil:
			notices.Add(widgets.NewNotice(widgets.Bad, lang.L("The disk cannot be read"), err.Error()))
		case d != nil:
			s.model.Disk = d
			bar.Set(d.Layout)
			facts.Set(diskFacts(d)...)
			for _, n := range diskNotices(d) {
				notices.Add(n)
			}
		}
		offerBitLocker()
		s.wizard.Refresh()
	}
	s.disk.Chosen = func(path string) {
		show(nil, nil)
		if path != "" {
			away(s.w, func() (*model.Disk, error) { return model.OpenDisk(path) }, func(d *model.Disk, err error) {
				if path == s.disk.Text() {
					show(d, err)
				}
			})
		}
	}
	return &widgets.Step{
		Title: lang.L("Virtual disk"),
		Content: widgets.NewColumn(widgets.NewText(lang.L("Choose the VHDX file with the generalized operating system. Nobody may be using it.")),
			s.disk, notices, bar, bitLocker, facts),
		Ready: s.model.DiskReady,
	}
}

// diskFacts are the facts of a disk, for a widgets.Facts.
func diskFacts(d *model.Disk) []string {
	return []string{
		lang.L("Size"), lang.L("{{.Size}}, of which the file takes {{.File}}",
			map[string]any{"Size": widgets.Size(d.Info.Size), "File": widgets.Size(d.Info.FileSize)}),
		lang.L("Kind"), diskKind(d.Info.Type),
		lang.L("Sectors"), lang.L("{{.Count}} bytes", map[string]any{"Count": d.Info.LogicalSectorSize}),
		lang.L("Operating system"), osName(d.Layout.OS),
	}
}

func diskKind(t vhdx.Type) string {
	switch t {
	case vhdx.Dynamic:
		return lang.L("dynamic")
	case vhdx.Fixed:
		return lang.L("fixed")
	}
	return lang.L("differencing")
}

func osName(os string) string {
	switch os {
	case "windows":
		return "Windows"
	case "linux":
		return "Linux"
	}
	return ""
}

// diskNotices say what makes a disk unfit, and what is on it already.
func diskNotices(d *model.Disk) []fyne.CanvasObject {
	var all []fyne.CanvasObject
	for _, u := range d.Unfit {
		all = append(all, widgets.NewNotice(widgets.Bad, lang.L("This disk cannot be a template"), u.Reason+".\n"+u.Remedy+"."))
	}
	switch {
	case d.Signed != nil:
		t := d.Signed.Catalog.Template
		all = append(all, widgets.NewNotice(widgets.Info, lang.L("The disk is signed already"),
			lang.L("It is signed as {{.Name}}, version {{.Version}}. Signing it again replaces that catalog.",
				map[string]any{"Name": t.Name, "Version": t.Version.String()})))
	case d.Broken != nil:
		all = append(all, widgets.NewNotice(widgets.Warning, lang.L("The disk carries a catalog that cannot be used. Signing replaces it."), d.Broken.Error()))
	}
	return all
}

func (s *signPage) catalogStep() *widgets.Step {
	s.name = widgets.NewEntry(lang.L("Name of the template"), check(model.CheckTemplateName))
	s.name.SetHint("Windows Server 2025")
	s.version = widgets.NewEntry(lang.L("Version"), check(model.CheckVersion))
	s.version.SetHint("1.0.0.0")
	s.name.Changed = func(text string) { s.model.Name = text; s.wizard.Refresh() }
	s.version.Changed = func(text string) { s.model.Version = text; s.wizard.Refresh() }

	problem := widgets.NewNotice(widgets.Bad, "", "")
	like := widgets.NewFileField(lang.L("Take both from an earlier template (optional)"), s.w.choose, widgets.Question{
		Purpose: "disk",
		Types:   []widgets.FileType{{Name: lang.L("Signed disks and catalogs"), Extensions: []string{".vhdx", ".vsc"}}},
	}, func(path string) string {
		if path == "" {
			return ""
		}
		return textOf(model.CheckOpen(path))
	})
	like.Chosen = func(path string) {
		problem.Set(widgets.Bad, "", "")
		if path == "" {
			return
		}
		away(s.w, func() (*signing.Signed, error) { return model.ReadCatalog(path) }, func(signed *signing.Signed, err error) {
			if err == nil {
				err = s.model.TakeFrom(signed)
			}
			if err != nil {
				problem.Tell(widgets.Bad, lang.L("The catalog cannot be used"), textOf(err))
				return
			}
			s.name.SetText(s.model.Name)
			s.version.SetText(s.model.Version)
			s.wizard.Refresh()
		})
	}
	var proposed *model.Disk
	return &widgets.Step{
		Title: lang.L("Signature catalog"),
		Content: widgets.NewColumn(
			widgets.NewText(lang.L("Shielding data name the templates that they trust by name, signer and version. Keep the name, and raise the version with every change of the disk.")),
			s.name, s.version, widget.NewSeparator(), like, problem),
		Enter: func() {
			if s.model.Disk != proposed { // another disk than when this was last filled in
				proposed = s.model.Disk
				name, version := s.model.Proposal()
				if name != "" || s.name.Text() == "" {
					s.name.SetText(name)
					s.version.SetText(version)
				}
			}
		},
		Ready: s.model.CatalogReady,
	}
}

func (s *signPage) reviewStep() *widgets.Step {
	facts := widgets.NewFacts()
	card := widgets.NewCertificate(nil)
	what := widgets.NewNotice(widgets.Info, "", "")
	return &widgets.Step{
		Title:   lang.L("Review"),
		Content: widgets.NewColumn(facts, card, what),
		Enter: func() {
			if s.model.BitLocker {
				what.Set(widgets.Info, "", lang.L("The file is copied, the operating-system volume in the copy is encrypted, and every byte of every partition is hashed. Then the copy takes the place of the file. When you cancel, the file is as it was."))
			} else {
				what.Set(widgets.Info, "", lang.L("Every byte of every partition is hashed, and the signed catalog is stored beside them in the file. No byte of the virtual disk changes. When you cancel, the file is as it was."))
			}
			facts.Set(
				lang.L("Virtual disk"), s.model.Disk.Path,
				lang.L("Name of the template"), s.model.Name,
				lang.L("Version"), s.model.Version,
				lang.L("Operating system"), osName(s.model.Disk.Layout.OS),
				lang.L("Partitions"), strconv.Itoa(len(s.model.Disk.Layout.Partitions)),
				"BitLocker", s.bitLockerText(),
			)
			card.Set(s.model.Identity.Certificate)
		},
		Action: lang.L("Sign"),
		Failed: lang.L("The disk was not signed. The file is as it was."),
		Work: func() widgets.Job {
			return s.model.Job(func(signed *signing.Signed) { s.model.Result = signed })
		},
	}
}

func (s *signPage) summaryStep() *widgets.Step {
	facts := widgets.NewFacts()
	card := widgets.NewCertificate(nil)
	saved := widgets.NewNotice(widgets.Good, "", "")
	s.vsc = widgets.NewFileField(lang.L("Save the catalog as"), s.w.choose, widgets.Question{
		Want: widgets.SaveFile, Purpose: "disk", Name: "template.vsc",
		Types: []widgets.FileType{{Name: lang.L("Signature catalogs"), Extensions: []string{".vsc"}}},
	}, check(model.CheckSave))
	write := func(overwrite bool) {
		path, signed := s.vsc.Text(), s.model.Result
		away(s.w, func() (any, error) { return nil, model.SaveCatalog(signed, path, overwrite) }, func(_ any, err error) {
			if err != nil {
				saved.Tell(widgets.Bad, lang.L("The catalog was not saved"), err.Error())
				return
			}
			saved.Tell(widgets.Good, lang.L("The catalog is saved."), path)
			s.w.remember(model.File{Path: path, Kind: model.Catalog})
		})
	}
	save := widgets.NewButton(lang.L("Save"), theme.DocumentSaveIcon(), func() {
		path := s.vsc.Text()
		switch {
		case !s.vsc.Validate():
		case model.SameFile(path, s.model.Disk.Path):
			s.vsc.Complain(lang.L("This is the disk itself. Choose another name."))
		case model.Exists(path):
			s.w.askReplace(path, func() { write(true) })
		default:
			write(false)
		}
	})
	shield := widgets.NewButton(lang.L("Create shielding data with it"), iconShield, func() {
		s.w.openAt(placeShielding, model.File{Path: s.model.Disk.Path, Kind: model.VHDX})
	})
	return &widgets.Step{
		Title: lang.L("Summary"),
		Content: widgets.NewColumn(
			widgets.NewNotice(widgets.Good, lang.L("The disk is signed."), ""),
			facts, widgets.NewWithButton(s.vsc, save), saved,
			widgets.NewRow(shield), card),
		Enter: func() {
			r := s.model.Result
			facts.Set(
				lang.L("Virtual disk"), s.model.Disk.Path,
				lang.L("Template"), fmt.Sprintf("%s %s", r.Catalog.Template.Name, r.Catalog.Template.Version),
				lang.L("Signed at"), r.SigningTime.Local().Format("2006-01-02 15:04:05"),
				"BitLocker", s.bitLockerText(),
				lang.L("Digest of the catalog"), fmt.Sprintf("%x", r.Digest),
			)
			card.Set(r.Signer)
			s.w.remember(model.File{Path: s.model.Disk.Path, Kind: model.VHDX})
			s.vsc.SetText(strings.TrimSuffix(s.model.Disk.Path, filepath.Ext(s.model.Disk.Path)) + ".vsc")
		},
	}
}
