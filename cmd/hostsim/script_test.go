package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/scutum-project/scutum/cmd/internal/cli/clitest"
)

// programs is the folder of the programs that a host meets: hgs and scutum.
var programs string

func TestMain(m *testing.M) { testscript.Main(withPrograms{m}, map[string]func(){"hostsim": main}) }

// withPrograms builds the programs before the tests, which do not run where the command itself is called.
type withPrograms struct{ *testing.M }

func (m withPrograms) Run() int {
	dir, err := os.MkdirTemp("", "hostsim")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	programs = dir
	if out, err := exec.Command("go", "build", "-o", dir, "../hgs", "../scutum").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v: %s", err, out))
	}
	return m.M.Run()
}

// TestSessions runs the command-line sessions in testdata, each in a folder of its own. $ADDRESS is free to listen at, and
// $SCHEMAS the folder of the XML schemas.
func TestSessions(t *testing.T) {
	schemas, err := filepath.Abs("../../assets/xsd")
	require.NoError(t, err)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": clitest.Exits},
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"ADDRESS", "FALLBACK"} {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				defer l.Close()
				env.Setenv(name, l.Addr().String())
			}
			env.Setenv("PATH", programs+string(filepath.ListSeparator)+env.Getenv("PATH"))
			env.Setenv("SECRET", "correct horse")
			env.Setenv("SCHEMAS", schemas)
			env.Setenv("HGS_DIR", filepath.Join(env.WorkDir, "hgs"))
			env.Setenv("HOSTSIM_DIR", filepath.Join(env.WorkDir, "host1"))
			env.Setenv("SCUTUM_HOME", filepath.Join(env.WorkDir, "tenant"))
			return nil
		},
	})
}

// TestHelp holds every command to a description and examples.
func TestHelp(t *testing.T) { clitest.Help(t, rootCommand()) }

// TestCompletion holds every command to a completion of all that it takes.
func TestCompletion(t *testing.T) { clitest.Completion(t, rootCommand(), 10) }

// TestDocuments holds what documents say of the commands to what there is.
func TestDocuments(t *testing.T) {
	clitest.DocumentedCommands(t, rootCommand, 3)
	clitest.NamedCommands(t, rootCommand, 5)
}
