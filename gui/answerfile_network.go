package gui

import (
	"slices"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
)

// adapterFields are those of the network adapters that do not get everything
// from DHCP.
type adapterFields struct {
	content fyne.CanvasObject
	changed func()
	list    *fyne.Container
	all     []*oneAdapter
	given   int // how many were taken from the fabric so far
}

type oneAdapter struct {
	name, ipv4, gateway4, ipv6, gateway6, dns *widgets.Entry
	panel                                     fyne.CanvasObject
}

func newAdapterFields(changed func()) *adapterFields {
	f := &adapterFields{changed: changed, list: widgets.NewGroup()}
	f.content = widgets.NewGroup(widgets.NewSubheading(lang.L("Network")),
		widgets.NewText(lang.L("Adapters that are not named here get everything from DHCP.")), f.list,
		widgets.NewRow(
			widgets.NewButton(lang.L("Add an adapter"), theme.ContentAddIcon(), func() { f.add(model.Adapter{}) }),
			widgets.NewButton(lang.L("Add one with an address from the fabric"), theme.ContentAddIcon(), func() {
				f.given++
				f.add(model.FabricAdapter(f.given))
			})))
	return f
}

func (f *adapterFields) add(with model.Adapter) {
	a := &oneAdapter{}
	field := func(label, text string, check func(string) string) *widgets.Entry {
		e := widgets.NewEntry(label, check)
		e.SetText(text)
		e.Changed = func(string) { f.changed() }
		return e
	}
	a.name = field(lang.L("Name or MAC address of the adapter"), with.Name, check(model.CheckAdapterName))
	a.ipv4 = field(lang.L("IPv4 addresses"), with.IPv4, func(text string) string { return textOf(model.CheckAddresses(text, false)) })
	a.gateway4 = field(lang.L("IPv4 gateway"), with.Gateway4, func(text string) string {
		return textOf(model.CheckGateway(text, a.ipv4.Text(), false))
	})
	a.ipv6 = field(lang.L("IPv6 addresses"), with.IPv6, func(text string) string { return textOf(model.CheckAddresses(text, true)) })
	a.gateway6 = field(lang.L("IPv6 gateway"), with.Gateway6, func(text string) string {
		return textOf(model.CheckGateway(text, a.ipv6.Text(), true))
	})
	a.dns = field(lang.L("Name servers"), with.DNS, func(text string) string {
		return textOf(model.CheckNameServers(text, a.ipv4.Text()+a.ipv6.Text()))
	})
	a.ipv4.SetHint("192.0.2.10/24")
	a.ipv6.SetHint("2001:db8::10/64")
	remove := widgets.NewButton(lang.L("Remove the adapter"), theme.DeleteIcon(), func() {
		f.all = slices.DeleteFunc(f.all, func(other *oneAdapter) bool { return other == a })
		f.list.Remove(a.panel)
		f.changed()
	})
	a.panel = widgets.NewPanel(widgets.NewMargin(8, 8, widgets.NewGroup(a.name,
		widgets.NewPair(a.ipv4, a.gateway4), widgets.NewPair(a.ipv6, a.gateway6), a.dns, widgets.NewRow(remove))))
	f.all = append(f.all, a)
	f.list.Add(a.panel)
	f.changed()
}

func (f *adapterFields) collect() []model.Adapter {
	var all []model.Adapter
	for _, a := range f.all {
		all = append(all, model.Adapter{Name: a.name.Text(), IPv4: a.ipv4.Text(), Gateway4: a.gateway4.Text(),
			IPv6: a.ipv6.Text(), Gateway6: a.gateway6.Text(), DNS: a.dns.Text()})
	}
	return all
}

func (f *adapterFields) fields() []*widgets.Entry {
	var all []*widgets.Entry
	for _, a := range f.all {
		all = append(all, a.name, a.ipv4, a.gateway4, a.ipv6, a.gateway6, a.dns)
	}
	return all
}
