package widgets

import (
	"crypto/x509"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// A Branch is a part of what a file says: facts, a certificate, and further
// branches below.
type Branch struct {
	Title       string
	Open        bool     // from the beginning
	Facts       []string // pairs, as for NewFacts
	Certificate *x509.Certificate
	Below       []Branch
}

// NewTree makes branches that open and close. What is in one is made when it
// first opens.
func NewTree(branches ...Branch) fyne.CanvasObject {
	all := container.New(rows{gap: 4})
	for _, b := range branches {
		all.Add(newBranch(b))
	}
	return all
}

func newBranch(b Branch) fyne.CanvasObject {
	content := container.New(rows{gap: 8})
	inner := container.New(indent{28}, content)
	inner.Hide()
	head := NewButton(b.Title, theme.MenuExpandIcon(), nil)
	head.Alignment, head.Importance = widget.ButtonAlignLeading, widget.LowImportance
	filled := false
	all := container.New(tight{}, head, inner)
	head.OnTapped = func() {
		if inner.Visible() {
			head.SetIcon(theme.MenuExpandIcon())
			inner.Hide()
		} else {
			if !filled {
				filled = true
				if len(b.Facts) > 0 {
					content.Add(NewFacts(b.Facts...))
				}
				if b.Certificate != nil {
					content.Add(NewCertificate(b.Certificate))
				}
				if len(b.Below) > 0 {
					content.Add(NewTree(b.Below...))
				}
			}
			head.SetIcon(theme.MenuDropDownIcon())
			inner.Show()
		}
		all.Refresh()
	}
	if b.Open {
		head.OnTapped()
	}
	return all
}

// indent moves what is in it to the right.
type indent struct{ x float32 }

func (n indent) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	for _, o := range objects {
		o.Move(fyne.NewPos(n.x, 0))
		o.Resize(fyne.NewSize(size.Width-n.x, size.Height))
	}
}

func (n indent) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return container.NewStack(objects...).MinSize().AddWidthHeight(n.x, 0)
}
