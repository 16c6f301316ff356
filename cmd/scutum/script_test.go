package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli/clitest"
	"github.com/scutum-project/scutum/vhdx/volume/volumetest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"scutum": main})
}

// TestSessions runs the command-line sessions in testdata, each in a folder of
// its own. The tools they name are real, and so are the disks in $WINDOWS,
// $WINDOWS4K and $LINUX. $SCHEMAS is the folder of the XML schemas.
func TestSessions(t *testing.T) {
	disks := map[string]string{
		"WINDOWS":   volumetest.Windows(t, volumetest.Options{}),
		"WINDOWS4K": volumetest.Windows(t, volumetest.Options{SectorSize: 4096}),
		"LINUX":     volumetest.Linux(t, volumetest.Options{}),
	}
	schemas, err := filepath.Abs("../../assets/xsd")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": clitest.Exits, "shielded": shielded},
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", env.Getenv("PATH")+":/usr/sbin:/sbin")
			env.Setenv("SCHEMAS", schemas)
			for name, path := range disks {
				env.Setenv(name, path)
			}
			return nil
		},
	})
}

// TestHelp holds every command to a description and examples.
func TestHelp(t *testing.T) { clitest.Help(t, rootCommand()) }

// TestCompletion holds every command to a completion of all that it takes.
func TestCompletion(t *testing.T) { clitest.Completion(t, rootCommand(), 100) }

// TestDocuments holds what documents say of the commands to what there is.
func TestDocuments(t *testing.T) {
	clitest.DocumentedCommands(t, rootCommand, 31)
	clitest.NamedCommands(t, rootCommand, 31)
}
