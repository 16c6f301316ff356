package gui

import (
	"errors"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/signing"
	"github.com/scutum-project/scutum/vhdx/bitlocker"
)

// bitLockerMethods are what a volume may be encrypted with, Windows' own choice first.
var bitLockerMethods = []bitlocker.Method{bitlocker.AESXTS128, bitlocker.AESXTS256}

// bitLockerForm asks whether to prepare the operating-system volume for BitLocker. offer shows what there is to choose for
// the disk of the model, and begins anew.
func (s *signPage) bitLockerForm() (form fyne.CanvasObject, offer func()) {
	var names []string
	for _, m := range bitLockerMethods {
		names = append(names, m.String())
	}
	choice := widgets.NewSelect(names, nil)
	choice.OnChanged = func(string) { s.model.Method = bitLockerMethods[choice.SelectedIndex()] }
	method := widgets.NewField(lang.L("Encryption method"), choice)
	prepare := widgets.NewCheck(lang.L("Prepare the operating-system volume for BitLocker"), func(on bool) {
		s.model.BitLocker = on
		visible(method, on)
	})
	meaning := widgets.NewText("")
	why := widgets.NewNotice(widgets.Info, "", "")
	group := widgets.NewGroup(prepare, meaning, method, why)
	offer = func() {
		prepare.SetChecked(false)
		method.Hide()
		s.model.Method = bitLockerMethods[0]
		choice.SetSelectedIndex(0)
		why.Set(widgets.Info, "", "")
		visible(group, s.model.DiskReady())
		can := s.model.CanPrepare()
		visible(meaning, can)
		if can {
			prepare.Enable()
			meaning.SetText(lang.L("The volume is encrypted, and its key lies on it in clear, so the template stays readable for everybody. This is for machines that expect BitLocker; one with secrets of its own needs its volume encrypted under a fresh key. The folder needs room for a copy of {{.Size}}.",
				map[string]any{"Size": widgets.Size(s.model.Disk.Info.FileSize)}))
			return
		}
		prepare.Disable()
		switch d := s.model.Disk; {
		case !s.model.DiskReady():
		case d.Prepared != nil:
			why.Set(widgets.Info, "", lang.L("The operating-system volume is prepared already ({{.Method}}), and stays as it is.",
				map[string]any{"Method": d.Prepared.Method.String()}))
		case errors.Is(d.NoBitLocker, signing.ErrNotWindows):
			why.Set(widgets.Info, "", lang.L("BitLocker is for Windows templates. A Linux template is encrypted with LUKS already."))
		default:
			why.Set(widgets.Warning, lang.L("The operating-system volume cannot be prepared for BitLocker"), d.NoBitLocker.Error())
		}
	}
	offer()
	return group, offer
}

// bitLockerText says what becomes of the operating-system volume of a Windows template; of another it is empty.
func (s *signPage) bitLockerText() string {
	d := s.model.Disk
	switch {
	case d.Prepared != nil:
		return lang.L("prepared before ({{.Method}})", map[string]any{"Method": d.Prepared.Method.String()})
	case errors.Is(d.NoBitLocker, signing.ErrNotWindows):
		return ""
	case s.model.BitLocker && s.model.Result != nil:
		return lang.L("prepared ({{.Method}})", map[string]any{"Method": s.model.Method.String()})
	case s.model.BitLocker:
		return lang.L("is to be prepared ({{.Method}})", map[string]any{"Method": s.model.Method.String()})
	}
	return lang.L("not prepared")
}
