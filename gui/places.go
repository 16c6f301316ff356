package gui

import (
	"fyne.io/fyne/v2/lang"
	"fyne.io/fyne/v2/theme"

	"github.com/scutum-project/scutum/gui/model"
)

// The places of the navigation.
const (
	placeHome           = "home"
	placeSign           = "sign"
	placeShielding      = "shielding"
	placeInspect        = "inspect"
	placeGuardians      = "guardians"
	placeAnswer         = "answer"
	placeRecovery       = "recovery"
	placeSpecialization = "specialization"
	placeSettings       = "settings"
)

func places() []place {
	return []place{
		{placeHome, lang.L("Home"), theme.HomeIcon(), newHomePage},
		{placeSign, lang.L("Sign a template"), theme.DocumentIcon(), newSignPage},
		{placeShielding, lang.L("Create shielding data"), iconShield, newShieldingPage},
		{placeInspect, lang.L("Verify and inspect"), theme.SearchIcon(), newInspectPage},
		{placeGuardians, lang.L("Guardians"), theme.AccountIcon(), newGuardiansPage},
		{placeAnswer, lang.L("Answer file"), theme.DocumentCreateIcon(), newAnswerPage},
		{placeSpecialization, lang.L("Specialization values"), theme.ListIcon(), newSpecializationPage},
		{placeRecovery, lang.L("Recovery"), theme.HistoryIcon(), newRecoveryPage},
		{placeSettings, lang.L("Settings"), theme.SettingsIcon(), newSettingsPage},
	}
}

// placeOf is where a file belongs that comes from outside.
func placeOf(k model.Kind) string {
	switch k {
	case model.RecoveryKey:
		return placeRecovery
	case model.KeyFile, model.Certificates:
		return placeSign
	case model.Guardian:
		return placeGuardians
	case model.AnswerFile:
		return placeAnswer
	}
	return placeInspect
}
