package widgets

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"time"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/container"
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"
	"fyne.io/fyne/v2/widget"
)

// A Certificate is a card that shows a certificate: whose it is, by whom, until
// when, its kind of key and its thumbprint.
type Certificate struct {
	widget.BaseWidget
	title *widget.Label
	state *widget.Label
	facts *Facts
}

// NewCertificate makes a card; without a certificate it is not there.
func NewCertificate(c *x509.Certificate) *Certificate {
	w := &Certificate{title: NewSubheading(""), state: widget.NewLabel(""), facts: NewFacts()}
	w.title.Truncation = fyne.TextTruncateEllipsis
	w.title.Wrapping = fyne.TextWrapOff
	w.ExtendBaseWidget(w)
	w.Set(c)
	return w
}

// Set shows another certificate, or none.
func (w *Certificate) Set(c *x509.Certificate) {
	if c == nil {
		w.Hide()
		return
	}
	w.Show()
	w.title.SetText(commonName(c))
	now := time.Now()
	switch {
	case now.After(c.NotAfter):
		w.state.Importance = widget.DangerImportance
		w.state.SetText(lang.L("expired"))
	case now.Before(c.NotBefore):
		w.state.Importance = widget.DangerImportance
		w.state.SetText(lang.L("not valid yet"))
	case now.AddDate(0, 0, 30).After(c.NotAfter):
		w.state.Importance = widget.WarningImportance
		w.state.SetText(lang.L("expires soon"))
	default:
		w.state.Importance = widget.SuccessImportance
		w.state.SetText(lang.L("valid"))
	}
	issuer := c.Issuer.String()
	if c.Subject.String() == issuer {
		issuer = lang.L("itself")
	}
	w.facts.Set(
		lang.L("Subject"), c.Subject.String(),
		lang.L("Issued by"), issuer,
		lang.L("Valid"), lang.L("from {{.From}} to {{.To}}", map[string]any{"From": date(c.NotBefore), "To": date(c.NotAfter)}),
		lang.L("Key"), keyName(c),
		lang.L("SHA-256 thumbprint"), fmt.Sprintf("%x", sha256.Sum256(c.Raw)),
	)
	w.Refresh()
}

// CreateRenderer implements fyne.Widget.
func (w *Certificate) CreateRenderer() fyne.WidgetRenderer {
	icon := NewMargin(8, 8, container.New(topLeft{fyne.NewSquareSize(22)}, widget.NewIcon(theme.AccountIcon())))
	head := container.NewBorder(nil, nil, icon, w.state, w.title)
	return widget.NewSimpleRenderer(NewPanel(container.New(tight{}, head, w.facts)))
}

func commonName(c *x509.Certificate) string {
	if c.Subject.CommonName != "" {
		return c.Subject.CommonName
	}
	return c.Subject.String()
}

func keyName(c *x509.Certificate) string {
	switch key := c.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	}
	return c.PublicKeyAlgorithm.String()
}

func date(t time.Time) string { return t.Local().Format("2006-01-02") }
