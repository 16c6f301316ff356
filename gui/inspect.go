package gui

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/volume"
)

// inspectPage shows what is in a file, and whether a disk is what was signed.
type inspectPage struct {
	w        *Window
	file     *widgets.FileField
	body     *fyne.Container
	progress *widgets.Progress
}

func newInspectPage(w *Window) *page {
	p := &inspectPage{w: w, body: widgets.NewGroup(), progress: widgets.NewProgress(lang.L("Verifying"))}
	p.file = widgets.NewFileField(lang.L("File"), w.choose, widgets.Question{
		Purpose: "inspect",
		Types: []widgets.FileType{
			{Name: lang.L("Virtual disks"), Extensions: []string{".vhdx"}},
			{Name: lang.L("Files of Scutum"), Extensions: []string{".vsc", ".pdk", ".kp", ".xml", ".fsk"}},
		},
	}, check(model.CheckOpen))
	p.file.Chosen = p.load
	p.hint()
	return &page{
		content:  widgets.NewPage(lang.L("Verify and inspect"), widgets.NewColumn(p.file, p.body)),
		open:     p.open,
		single:   true,
		progress: p.progress,
		typedKey: func(key *fyne.KeyEvent) {
			if key.Name == fyne.KeyEscape {
				p.progress.Cancel()
			}
		},
	}
}

func (p *inspectPage) open(f model.File) bool {
	switch f.Kind {
	case model.VHDX, model.Catalog, model.Shielding, model.Protector, model.Guardian, model.Values:
	default:
		return false
	}
	if p.progress.Busy() {
		return false
	}
	p.file.SetPath(f.Path)
	return true
}

func (p *inspectPage) hint() {
	l := widgets.NewText(lang.L("Choose a virtual disk, a signature catalog, shielding data, a key protector, the metadata of a guardian or specialization values. Or drop one here."))
	l.Importance = widget.LowImportance
	p.fill(l)
}

func (p *inspectPage) fill(objects ...fyne.CanvasObject) {
	p.body.Objects = objects
	p.body.Refresh()
}

// load looks at the file in the field.
func (p *inspectPage) load(path string) {
	if path == "" {
		p.hint()
		return
	}
	type loaded struct {
		disk     *model.Disk
		contents *model.Contents
	}
	store := p.w.app.Preferences().String(prefStore)
	away(p.w, func() (l loaded, err error) {
		f, err := model.Recognize(path)
		if err != nil {
			return l, err
		}
		if f.Kind == model.VHDX {
			l.disk, err = model.OpenDisk(path)
		} else {
			l.contents, err = model.ReadContents(f, store)
		}
		return l, err
	}, func(l loaded, err error) {
		if path != p.file.Text() || p.progress.Busy() {
			return
		}
		var problem *model.Problem
		switch {
		case errors.As(err, &problem):
			p.fill()
			p.file.Complain(textOf(err))
		case err != nil:
			p.fill(widgets.NewNotice(widgets.Bad, lang.L("The file cannot be used"), err.Error()))
		case l.disk != nil:
			p.w.remember(model.File{Path: path, Kind: model.VHDX})
			p.disk(l.disk)
		default:
			p.w.remember(l.contents.File)
			p.fill(contentsOf(l.contents)...)
		}
	})
}

// disk shows a disk, and offers to verify it.
func (p *inspectPage) disk(d *model.Disk) {
	objects := []fyne.CanvasObject{}
	for _, u := range d.Unfit {
		objects = append(objects, widgets.NewNotice(widgets.Warning, lang.L("This disk cannot be a template"), u.Reason+".\n"+u.Remedy+"."))
	}
	switch {
	case d.Signed != nil:
		objects = append(objects, p.verifyForm(d))
	case d.Broken != nil:
		objects = append(objects, widgets.NewNotice(widgets.Bad, lang.L("The disk carries a catalog that cannot be used"), d.Broken.Error()), p.verifyForm(d))
	default:
		objects = append(objects, widgets.NewNotice(widgets.Info, lang.L("The disk is not signed."), ""), p.verifyForm(d))
	}
	if d.Prepared != nil {
		objects = append(objects, widgets.NewNotice(widgets.Info, lang.L("The operating-system volume is prepared for BitLocker"),
			lang.L("It is encrypted ({{.Method}}), and its key lies on it in clear: everybody can read it. A machine with secrets of its own needs its volume encrypted under a fresh key.",
				map[string]any{"Method": d.Prepared.Method.String()})))
	}
	objects = append(objects, widgets.NewDiskBar(d.Layout), widgets.NewFacts(diskFacts(d)...))
	if d.Signed != nil {
		objects = append(objects, widgets.NewTree(widgets.Branch{
			Title: lang.L("Signature catalog"), Open: true, Facts: catalogFacts(d.Signed), Certificate: d.Signed.Signer,
		}))
	}
	p.fill(objects...)
}

// verifyForm asks against what to verify, and does it.
func (p *inspectPage) verifyForm(d *model.Disk) fyne.CanvasObject {
	optional := func(path string) string {
		if path == "" {
			return ""
		}
		return textOf(model.CheckOpen(path))
	}
	trusted := widgets.NewFileField(lang.L("Certificate of the signer whom you trust (optional)"), p.w.choose, widgets.Question{
		Purpose: "trust", Types: []widgets.FileType{{Name: lang.L("Certificates"), Extensions: []string{".pem", ".cer", ".crt"}}},
	}, optional)
	catalog := widgets.NewFileField(lang.L("Catalog to verify against (optional)"), p.w.choose, widgets.Question{
		Purpose: "disk", Types: []widgets.FileType{{Name: lang.L("Signature catalogs"), Extensions: []string{".vsc"}}},
	}, optional)
	if d.Signed == nil {
		catalog = widgets.NewFileField(lang.L("Catalog to verify against"), p.w.choose, widgets.Question{
			Purpose: "disk", Types: []widgets.FileType{{Name: lang.L("Signature catalogs"), Extensions: []string{".vsc"}}},
		}, check(model.CheckOpen))
	}
	place := widgets.NewGroup()
	place.Hide()
	var start *widgets.Button
	start = widgets.NewPrimaryButton(lang.L("Verify every byte"), theme.ConfirmIcon(), func() {
		if !trusted.Validate() || !catalog.Validate() || p.progress.Busy() {
			return
		}
		v := model.Verify{Path: d.Path, Catalog: catalog.Text(), Trusted: trusted.Text()}
		var result *model.Verification
		start.Disable()
		p.file.Disable()
		place.Show()
		place.Objects = []fyne.CanvasObject{p.progress}
		p.progress.Run(v.Job(func(r *model.Verification) { result = r }), func(err error) {
			start.Enable()
			p.file.Enable()
			switch {
			case err == nil:
				place.Objects = verificationOf(result)
			case errors.Is(err, context.Canceled):
				place.Objects = []fyne.CanvasObject{widgets.NewNotice(widgets.Info, lang.L("Cancelled. Nothing was changed."), "")}
			default:
				place.Objects = []fyne.CanvasObject{widgets.NewNotice(widgets.Bad, lang.L("The disk could not be verified"), textOf(err))}
			}
			p.body.Refresh()
		})
		p.body.Refresh()
	})
	// The answer comes above the form, where it is seen without scrolling.
	return widgets.NewGroup(place, trusted, catalog, widgets.NewRow(start))
}

// verificationOf shows the answer: is it intact, is the signer trusted, and what
// became of each segment.
func verificationOf(v *model.Verification) []fyne.CanvasObject {
	r := v.Report
	var all []fyne.CanvasObject
	if r.Intact() {
		all = append(all, widgets.NewNotice(widgets.Good, lang.L("Every byte of every partition is what was signed."), ""))
	} else {
		all = append(all, widgets.NewNotice(widgets.Bad, lang.L("The disk is not what was signed."), ""))
	}
	if v.Trust != nil {
		all = append(all, widgets.NewNotice(widgets.Warning, lang.L("You have not said that you trust the signer"),
			v.Trust.Error()+".\n"+lang.L("Get the certificate from the owner, compare its SHA-256 thumbprint, and choose it above.")))
	} else {
		all = append(all, widgets.NewNotice(widgets.Good, lang.L("The signer is trusted."), ""))
	}
	for _, d := range r.Differences {
		all = append(all, widgets.NewNotice(widgets.Bad, lang.L("Changed since it was signed"), d.String()))
	}

	where := widgets.NewFacts()
	m := widgets.NewSegmentMap()
	m.Shown = func(volume, segment int) { where.Set(segmentFacts(r, volume, segment)...) }
	m.Set(r.States)
	counts := [3]int{}
	for _, volume := range r.States {
		for _, s := range volume {
			counts[s]++
		}
	}
	item := func(s signing.State, text string) widgets.LegendItem {
		return widgets.LegendItem{Color: widgets.StateColor(s), Text: text}
	}
	number := func(s signing.State) map[string]any { return map[string]any{"Count": counts[s]} }
	all = append(all, widgets.NewLegend(
		item(signing.Match, lang.L("{{.Count}} match", number(signing.Match))),
		item(signing.Altered, lang.L("{{.Count}} altered", number(signing.Altered))),
		item(signing.NeverWritten, lang.L("{{.Count}} never written", number(signing.NeverWritten))),
	), widgets.NewPanel(where), m)
	if r.Catalog.OSVolume().FileSystem == volume.BitLocker && slices.ContainsFunc(v.Files, func(t signing.Touched) bool { return len(t.Files) > 0 }) {
		all = append(all, widgets.NewText(lang.L("The operating-system volume is prepared for BitLocker. The names of its files were read with the key that lies on it in clear.")))
	}
	if ranges := v.Ranges; len(ranges) > 0 {
		var below []widgets.Branch
		for i, a := range ranges[:min(len(ranges), maxRanges)] {
			facts := []string{
				lang.L("Partition"), partitionName(a.Name, a.GUID),
				lang.L("Bytes of the partition"), rangeText(a.InVolume), lang.L("Bytes of the disk"), rangeText(a.OnDisk)}
			if files := filesText(v.Files[i]); files != "" {
				facts = append(facts, lang.L("Files"), files)
			}
			below = append(below, widgets.Branch{Open: i == 0, Title: fmt.Sprintf("%s · %s", widgets.RoleName(a.Role), rangeText(a.OnDisk)), Facts: facts})
		}
		all = append(all, widgets.NewTree(widgets.Branch{
			Title: lang.L("Altered ranges: {{.Count}}", map[string]any{"Count": len(ranges)}), Open: true, Below: below}))
	}
	return all
}

// maxRanges is how many altered ranges are listed; the map shows all.
const maxRanges = 200

// filesText lists the files that a range touches, one a line.
func filesText(t signing.Touched) string {
	names := make([]string, 0, len(t.Files)+1)
	for _, name := range t.Files {
		quoted := strconv.QuoteToGraphic(name) // names come from a disk that somebody altered
		names = append(names, quoted[1:len(quoted)-1])
	}
	if t.More {
		names = append(names, "…")
	}
	return strings.Join(names, "\n")
}

func segmentFacts(r *signing.Report, volume, segment int) []string {
	v := &r.Catalog.Volumes[volume]
	whole := v.Range(r.Catalog.Disk)
	size := r.Catalog.Hash.Segment
	in := signing.Range{Offset: int64(segment) * size}
	in.Length = min(size, whole.Length-in.Offset)
	on := signing.Range{Offset: whole.Offset + in.Offset, Length: in.Length}
	state := lang.L("matches what was signed")
	switch r.States[volume][segment] {
	case signing.Altered:
		state = lang.L("altered since it was signed")
	case signing.NeverWritten:
		state = lang.L("never written, as when it was signed")
	}
	return []string{
		lang.L("Partition"), widgets.RoleName(v.Role) + " · " + partitionName(v.Name, v.GUID),
		lang.L("Segment"), lang.L("{{.Number}} of {{.Count}}: {{.State}}", map[string]any{"Number": segment + 1, "Count": len(r.States[volume]), "State": state}),
		lang.L("Bytes of the partition"), rangeText(in),
		lang.L("Bytes of the disk"), rangeText(on),
	}
}

func rangeText(r signing.Range) string {
	return lang.L("{{.First}} to {{.Last}}", map[string]any{"First": r.Offset, "Last": r.End() - 1})
}

func partitionName(name, guid string) string {
	if name == "" {
		return guid
	}
	return name
}
