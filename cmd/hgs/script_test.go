package main

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli/clitest"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"hgs": main})
}

// TestSessions runs the command-line sessions in testdata, each in a folder of its own. $ADDRESS and $ADMIN are free to listen
// at, and $SCHEMAS is the folder of the XML schemas.
func TestSessions(t *testing.T) {
	schemas, err := filepath.Abs("../../assets/xsd")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": clitest.Exits},
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"ADDRESS", "ADMIN"} {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				defer l.Close() // once both are open, so that they differ
				env.Setenv(name, l.Addr().String())
			}
			env.Setenv("SECRET", "correct horse")
			env.Setenv("SCHEMAS", schemas)
			env.Setenv("HGS_DIR", filepath.Join(env.WorkDir, "hgs"))
			return nil
		},
	})
}

// TestHelp holds every command to a description and examples.
func TestHelp(t *testing.T) { clitest.Help(t, rootCommand()) }

// TestCompletion holds every command to a completion of all that it takes.
func TestCompletion(t *testing.T) { clitest.Completion(t, rootCommand(), 40) }

// TestDocuments holds what documents say of the commands to what there is.
func TestDocuments(t *testing.T) {
	clitest.DocumentedCommands(t, rootCommand, 3)
	clitest.NamedCommands(t, rootCommand, 20)
}
