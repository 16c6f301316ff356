package gui

import (
	"encoding/hex"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/lang"

	"github.com/scutum-project/scutum/gui/model"
	"github.com/scutum-project/scutum/gui/widgets"
	"github.com/scutum-project/scutum/pdk"
	"github.com/scutum-project/scutum/pdk/keyprotector"
	"github.com/scutum-project/scutum/signing"
)

// contentsOf shows what is in a file, as a tree.
func contentsOf(c *model.Contents) []fyne.CanvasObject {
	title := filepath.Base(c.Path)
	var tree []widgets.Branch
	var all []fyne.CanvasObject
	switch {
	case c.Catalog != nil:
		tree = catalogBranches(c.Catalog)
	case c.Shielding != nil:
		tree = shieldingBranches(c.Shielding, c.Names)
	case c.Protector != nil:
		all = append(all, verdict(c.Distrust, lang.L("The signatures of the key protector are good."), lang.L("The key protector is not as its owner made it")))
		tree = []widgets.Branch{protectorBranch(c.Protector, c.Names)}
	case c.Guardian != nil:
		all = append(all, verdict(c.Distrust, lang.L("Nothing speaks against this guardian."), lang.L("This speaks against trusting the guardian")))
		tree = []widgets.Branch{
			{Title: lang.L("Signing certificate"), Open: true, Certificate: c.Guardian.Signing},
			{Title: lang.L("Encryption certificate"), Open: true, Certificate: c.Guardian.Encryption},
		}
		for _, other := range c.Guardian.OtherSigning {
			tree = append(tree, widgets.Branch{Title: lang.L("Further signing certificate"), Certificate: other})
		}
	case c.Values != nil:
		var facts []string
		for _, key := range slices.Sorted(maps.Keys(c.Values)) {
			facts = append(facts, key, c.Values[key])
		}
		tree = []widgets.Branch{{Title: lang.L("Specialization values"), Open: true, Facts: facts}}
	}
	return append([]fyne.CanvasObject{widgets.NewSubheading(title)}, append(all, widgets.NewTree(tree...))...)
}

// verdict is a good notice, or a warning with what speaks against it.
func verdict(err error, good, bad string) fyne.CanvasObject {
	if err == nil {
		return widgets.NewNotice(widgets.Good, good, "")
	}
	return widgets.NewNotice(widgets.Warning, bad, err.Error())
}

func moment(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05") }

func catalogFacts(s *signing.Signed) []string {
	c := s.Catalog
	return []string{
		lang.L("Template"), c.Template.Name,
		lang.L("Version"), c.Template.Version.String(),
		lang.L("Operating system"), osName(c.Type),
		lang.L("Signed at"), moment(s.SigningTime),
		lang.L("Digest of the catalog"), hex.EncodeToString(s.Digest[:]),
	}
}

func catalogBranches(s *signing.Signed) []widgets.Branch {
	c := s.Catalog
	signer := widgets.Branch{Title: lang.L("Signer"), Open: true, Certificate: s.Signer}
	for _, other := range s.Certificates {
		if !other.Equal(s.Signer) {
			signer.Below = append(signer.Below, widgets.Branch{Title: lang.L("Issuer"), Certificate: other})
		}
	}
	volumes := widgets.Branch{Title: lang.L("Partitions"), Open: true, Facts: []string{
		lang.L("Size of the disk"), widgets.Size(c.Disk.Size), lang.L("Sectors"), lang.L("{{.Count}} bytes", map[string]any{"Count": c.Disk.SectorSize}),
		lang.L("Disk GUID"), c.Disk.GUID, lang.L("Segment"), fmt.Sprintf("%s, %s", widgets.Size(c.Hash.Segment), c.Hash.Algorithm),
	}}
	for i := range c.Volumes {
		v := &c.Volumes[i]
		r := v.Range(c.Disk)
		volumes.Below = append(volumes.Below, widgets.Branch{
			Title: fmt.Sprintf("%s · %s", widgets.RoleName(v.Role), widgets.Size(r.Length)),
			Facts: []string{
				lang.L("Name"), v.Name, lang.L("Partition GUID"), v.GUID, lang.L("Type GUID"), v.Type, lang.L("File system"), string(v.FileSystem),
				lang.L("Bytes of the disk"), rangeText(r), lang.L("Segments"), strconv.Itoa(len(v.Segments) / 32),
			},
		})
	}
	return []widgets.Branch{{Title: lang.L("Signature catalog"), Open: true, Facts: catalogFacts(s)}, signer, volumes}
}

func shieldingBranches(d *pdk.ShieldingData, names map[string]string) []widgets.Branch {
	kind := lang.L("for new machines from a template")
	if d.Kind == pdk.ExistingVM {
		kind = lang.L("for an existing machine")
	}
	trusted := widgets.Branch{Title: lang.L("Trusted templates: {{.Count}}", map[string]any{"Count": len(d.Volumes)}), Open: true}
	for _, q := range d.Volumes {
		facts := []string{lang.L("Template"), q.Name, lang.L("Version"), versionsText(q)}
		if len(q.Digest) > 0 {
			facts = append(facts, lang.L("Only the catalog"), hex.EncodeToString(q.Digest))
		}
		trusted.Below = append(trusted.Below, widgets.Branch{Title: q.Name + " " + versionsText(q), Facts: facts, Certificate: q.Signer})
	}
	return []widgets.Branch{
		{Title: lang.L("Shielding data"), Open: true, Facts: []string{
			lang.L("Identifier"), d.ID.String(), lang.L("Kind"), kind, lang.L("Policy"), policyName(d.Policy),
			lang.L("Created"), moment(d.Created), lang.L("Signed at"), moment(d.SignedAt),
			lang.L("Encrypted secrets"), widgets.Size(int64(d.Encrypted())),
		}},
		protectorBranch(d.KeyProtector, names),
		trusted,
		{Title: lang.L("Signer"), Certificate: d.Signer},
	}
}

func policyName(p pdk.Policy) string {
	if p == pdk.Shielded {
		return lang.L("shielded")
	}
	return lang.L("encryption supported")
}

func versionsText(q pdk.Qualifier) string {
	switch version := map[string]any{"Version": q.Version.String()}; q.Rule {
	case pdk.Greater:
		return lang.L("greater than {{.Version}}", version)
	case pdk.GreaterOrEqual:
		return lang.L("{{.Version}} or greater", version)
	}
	return q.Version.String()
}

// protectorBranch shows who can open what a key protector protects.
func protectorBranch(p *keyprotector.Protector, names map[string]string) widgets.Branch {
	wrappings := p.Wrappings()
	b := widgets.Branch{Title: lang.L("Who can open it: {{.Count}}", map[string]any{"Count": len(wrappings)}), Open: true}
	for _, info := range wrappings {
		name := names[signing.Thumbprint(info.Encryption)]
		if name == "" {
			name = lang.L("unknown: {{.Subject}}", map[string]any{"Subject": info.Encryption.Subject.String()})
		}
		if info.ID == p.Owner().ID {
			name = lang.L("{{.Name}} (owner)", map[string]any{"Name": name})
		}
		b.Below = append(b.Below, widgets.Branch{Title: name, Below: []widgets.Branch{
			{Title: lang.L("Signing certificate"), Open: true, Certificate: info.Signing},
			{Title: lang.L("Encryption certificate"), Open: true, Certificate: info.Encryption},
		}})
	}
	return b
}
