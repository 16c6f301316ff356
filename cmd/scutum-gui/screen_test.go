//go:build linux

package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is the desktop, as built for these tests, and command the command
// line that judges its files.
var program, command string

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	folder, err := os.MkdirTemp("", "scutum-gui")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	build := exec.Command("go", "build", "-tags", "x11,gles", "-o", folder, ".", "../scutum")
	if out, err := build.CombinedOutput(); err != nil {
		panic(string(out))
	}
	program, command = filepath.Join(folder, "scutum-gui"), filepath.Join(folder, "scutum")
	return m.Run()
}

// A screen is an X server with a window manager and the desktop on it. The test
// looks at it as a person does, by reading what stands there (tesseract), and
// uses mouse and keyboard (xdotool).
type screen struct {
	*testing.T
	folder  string // of the test's files, and the home folder
	env     []string
	desktop *exec.Cmd
}

// openScreen starts the desktop with these arguments.
func openScreen(t *testing.T, args ...string) *screen {
	if testing.Short() {
		t.Skip("needs a window")
	}
	s := &screen{T: t, folder: t.TempDir()}
	s.env = append(os.Environ(), "HOME="+s.folder, "XDG_CONFIG_HOME="+s.folder+"/config", "XDG_DATA_HOME="+s.folder+"/data",
		"SCUTUM_HOME="+s.folder+"/scutum", "LANGUAGE=en", "LC_ALL=C.UTF-8", "FYNE_SCALE=1.5", "FYNE_THEME=light")
	require.NoError(t, os.Mkdir(s.path(".cache"), 0o700))
	s.env = append(s.env, "DISPLAY=:"+s.startServer())
	s.start("openbox")
	s.desktop = s.start(program, args...)
	t.Cleanup(func() {
		if t.Failed() {
			s.keepPicture()
		}
	})
	s.see("What would you like to do")
	return s
}

// startServer starts an X server, and returns the number of its display.
func (s *screen) startServer() string {
	read, write, err := os.Pipe()
	require.NoError(s, err)
	defer read.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1720x1160x24", "-nolisten", "tcp", "-noreset")
	server.ExtraFiles = []*os.File{write}
	s.run(server)
	require.NoError(s, write.Close())
	display, err := bufio.NewReader(read).ReadString('\n')
	require.NoError(s, err)
	return strings.TrimSpace(display)
}

func (s *screen) start(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = s.env
	s.run(cmd)
	return cmd
}

// run starts a process that ends with the test.
func (s *screen) run(cmd *exec.Cmd) {
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(s, cmd.Start())
	s.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if s.Failed() {
			s.Logf("%s:\n%s", filepath.Base(cmd.Path), out.String())
		}
	})
}

// output runs a command to its end.
func (s *screen) output(name string, args ...string) string {
	s.Helper()
	return s.outputIn(s.env, name, args...)
}

func (s *screen) outputIn(env []string, name string, args ...string) string {
	s.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	require.NoError(s, err, "%s %q:\n%s", name, args, out)
	return string(out)
}

// path is that of a file of the test's.
func (s *screen) path(name string) string { return filepath.Join(s.folder, name) }

// appears waits until there is a file of the test's.
func (s *screen) appears(name string) {
	s.Helper()
	require.Eventually(s, func() bool {
		_, err := os.Stat(s.path(name))
		return err == nil
	}, patience, 50*time.Millisecond, "%s does not appear", name)
}

// keepPicture saves what is on the screen where the person who reads the failure
// finds it.
func (s *screen) keepPicture() {
	path := filepath.Join(os.TempDir(), strings.ReplaceAll(s.Name(), "/", "-")+".png")
	s.output("import", "-silent", "-window", "root", path)
	s.Logf("the screen is in %s", path)
}

// patience is how long a person would wait for something to appear.
const patience = 60 * time.Second

// until looks at the screen again and again, until what is there will do.
func (s *screen) until(what string, ok func([]words) bool) {
	s.Helper()
	var seen []words
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if seen = s.read(); ok(seen) {
			return
		}
	}
	require.Fail(s, "nothing to be seen of "+what, "on the screen: %s", seen)
}

// see waits until a text is on the screen, and says where.
func (s *screen) see(text string) (at words) {
	s.Helper()
	s.until(text, func(seen []words) bool {
		found, ok := find(seen, text)
		at = found
		return ok
	})
	return at
}

// gone waits until a text is no longer on the screen.
func (s *screen) gone(text string) {
	s.Helper()
	s.until("the end of "+text, func(seen []words) bool {
		_, ok := find(seen, text)
		return !ok
	})
}

// click clicks at a text.
func (s *screen) click(text string) {
	s.Helper()
	at := s.see(text)
	s.clickAt(at.x+at.width/2, at.y+at.height/2)
}

// next waits until a wizard's button is on, and clicks at it.
func (s *screen) next() {
	s.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); {
		if at, ok := s.button(); ok {
			s.clickAt(at.X, at.Y)
			return
		}
	}
	require.Fail(s, "the button stays off")
}

func (s *screen) clickAt(x, y int) {
	s.Helper()
	s.output("xdotool", "mousemove", number(x), number(y), "click", "1")
}

// wheel turns the mouse's wheel until a text comes into view.
func (s *screen) wheel(text string) {
	s.Helper()
	s.until(text, func(seen []words) bool {
		_, ok := find(seen, text)
		if !ok {
			s.output("xdotool", "mousemove", "1000", "600", "click", "--repeat", "3", "5")
		}
		return ok
	})
}

// enter clicks at the field below a label, and writes into it.
func (s *screen) enter(label, text string) {
	s.Helper()
	at := s.see(label)
	s.clickAt(at.x+30, at.y+at.height+36)
	s.write(text)
}

// write types a text, whatever was in the field.
func (s *screen) write(text string) {
	s.Helper()
	s.output("xdotool", "key", "ctrl+a")
	s.output("xdotool", "type", "--delay", "4", text)
}

// key presses keys, one after the other.
func (s *screen) key(names ...string) {
	s.Helper()
	s.output("xdotool", append([]string{"key", "--delay", "60"}, names...)...)
}
