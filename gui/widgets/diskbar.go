package widgets

import (
	"image/color"
	"strconv"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/canvas"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/widget"

	"github.com/scutum-project/scutum/vhdx/volume"
)

// A DiskBar draws the partitions of a disk as parts of a bar, and lists them
// below with their sizes and roles.
type DiskBar struct {
	widget.BaseWidget
	layout *volume.Layout
	box    *fyne.Container
}

// NewDiskBar draws a disk; without one it is not there.
func NewDiskBar(l *volume.Layout) *DiskBar {
	b := &DiskBar{box: container.New(rows{gap: 6})}
	b.ExtendBaseWidget(b)
	b.Set(l)
	return b
}

// Set shows another disk, or none.
func (b *DiskBar) Set(l *volume.Layout) {
	b.layout = l
	b.box.RemoveAll()
	if l == nil || len(l.Partitions) == 0 {
		b.Hide()
		return
	}
	var bar []fyne.CanvasObject
	var shares []float32
	table := container.New(&legend{})
	end := int64(0)
	add := func(length int64, c color.Color) {
		r := canvas.NewRectangle(c)
		r.CornerRadius = 3
		bar, shares = append(bar, r), append(shares, float32(float64(length)/float64(l.Size)))
	}
	for _, p := range l.Partitions {
		if p.Offset() > l.Size || p.Length() > l.Size {
			continue // unfit, and said so
		}
		if gap := p.Offset() - end; gap > l.Size/100 {
			add(gap, faint("disabled"))
		}
		c := RoleColor(p.Role)
		add(p.Length(), c)
		end = p.Offset() + p.Length()

		dot := canvas.NewRectangle(c)
		dot.CornerRadius = 3
		table.Add(NewMargin(10, 10, container.New(topLeft{fyne.NewSquareSize(16)}, dot)))
		table.Add(widget.NewLabelWithStyle(RoleName(p.Role), fyne.TextAlignLeading, fyne.TextStyle{Bold: true}))
		name := widget.NewLabel(p.Name)
		name.Truncation = fyne.TextTruncateEllipsis
		table.Add(name)
		table.Add(widget.NewLabel(fileSystemName(p.FileSystem)))
		table.Add(widget.NewLabelWithStyle(Size(p.Length()), fyne.TextAlignTrailing, fyne.TextStyle{}))
		table.Add(widget.NewLabelWithStyle(strconv.Itoa(p.Index), fyne.TextAlignTrailing, fyne.TextStyle{}))
	}
	if gap := l.Size - end; gap > l.Size/100 {
		add(gap, faint("disabled"))
	}
	b.box.Add(container.New(&share{shares}, bar...))
	b.box.Add(table)
	b.box.Refresh()
	b.Show()
	b.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (b *DiskBar) CreateRenderer() fyne.WidgetRenderer { return widget.NewSimpleRenderer(b.box) }

// RoleName names what a partition is for.
func RoleName(r volume.Role) string {
	switch r {
	case volume.RoleOS:
		return lang.L("Operating system")
	case volume.RoleESP:
		return lang.L("EFI system")
	case volume.RoleBoot:
		return lang.L("Boot")
	case volume.RoleMSR:
		return lang.L("Microsoft reserved")
	case volume.RoleRecovery:
		return lang.L("Recovery")
	}
	return lang.L("Data")
}

// RoleColor is the colour of a role, that is seen on light and on dark.
func RoleColor(r volume.Role) color.Color {
	switch r {
	case volume.RoleOS:
		return color.NRGBA{0x2f, 0x7f, 0xe0, 0xff}
	case volume.RoleESP:
		return color.NRGBA{0x1f, 0xa0, 0x8c, 0xff}
	case volume.RoleBoot:
		return color.NRGBA{0xd9, 0x8b, 0x1f, 0xff}
	case volume.RoleMSR:
		return color.NRGBA{0x8a, 0x93, 0xa3, 0xff}
	case volume.RoleRecovery:
		return color.NRGBA{0x9a, 0x6a, 0xd8, 0xff}
	}
	return color.NRGBA{0xc7, 0x5d, 0x84, 0xff}
}

func fileSystemName(f volume.FileSystem) string {
	names := map[volume.FileSystem]string{
		volume.NTFS: "NTFS", volume.ReFS: "ReFS", volume.FAT: "FAT", volume.FAT32: "FAT32", volume.Ext: "ext",
		volume.BitLocker: "BitLocker", volume.LUKS: "LUKS", volume.None: "–",
	}
	if name, ok := names[f]; ok {
		return name
	}
	return lang.L("unknown")
}

// share gives each object its share of the width, but enough to be seen.
type share struct{ shares []float32 }

const (
	barHeight = 34
	barGap    = 2
	barLeast  = 8
)

func (s *share) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	room := size.Width - barGap*float32(len(objects)-1) - barLeast*float32(len(objects))
	sum := float32(0)
	for _, part := range s.shares {
		sum += part
	}
	x := float32(0)
	for i, o := range objects {
		w := barLeast + max(room, 0)*s.shares[i]/sum
		o.Move(fyne.NewPos(x, 0))
		o.Resize(fyne.NewSize(w, barHeight))
		x += w + barGap
	}
}

func (s *share) MinSize(objects []fyne.CanvasObject) fyne.Size {
	return fyne.NewSize(float32(len(objects))*(barLeast+barGap), barHeight)
}

// legend lays out rows of six: colour, role, name, file system, size, number.
// The name gets the room that is left.
type legend struct{}

const legendColumns = 6

func (*legend) widths(objects []fyne.CanvasObject) (w [legendColumns]float32) {
	for i, o := range objects {
		w[i%legendColumns] = max(w[i%legendColumns], o.MinSize().Width)
	}
	return w
}

func (l *legend) Layout(objects []fyne.CanvasObject, size fyne.Size) {
	w := l.widths(objects)
	rest := size.Width
	for i, width := range w {
		if i != 2 {
			rest -= width
		}
	}
	w[2] = max(rest, 0)
	x, y := float32(0), float32(0)
	for i, o := range objects {
		h := o.MinSize().Height
		o.Move(fyne.NewPos(x, y))
		o.Resize(fyne.NewSize(w[i%legendColumns], h))
		x += w[i%legendColumns]
		if i%legendColumns == legendColumns-1 {
			x, y = 0, y+h-rowOverlap
		}
	}
}

func (l *legend) MinSize(objects []fyne.CanvasObject) fyne.Size {
	var min fyne.Size
	for i, width := range l.widths(objects) {
		if i != 2 {
			min.Width += width
		}
	}
	min.Width += 60
	for i := legendColumns - 1; i < len(objects); i += legendColumns {
		min.Height += objects[i].MinSize().Height - rowOverlap
	}
	min.Height += rowOverlap
	return min
}
