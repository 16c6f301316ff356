package answerfile_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/pdk/answerfile"
)

func TestFiles(t *testing.T) {
	made, err := answerfile.NewWindows(answerfile.Windows{AdministratorPassword: "geheim", Scripts: []string{"a.ps1", "b-2.cmd", "A.ps1"}})
	require.NoError(t, err)
	require.Equal(t, []string{"a.ps1", "b-2.cmd"}, answerfile.Files(made))
	made, err = answerfile.NewWindows(answerfile.Windows{AdministratorPassword: "geheim"})
	require.NoError(t, err)
	require.Empty(t, answerfile.Files(made))
	require.Empty(t, answerfile.Files([]byte("#cloud-config\n")))
}
