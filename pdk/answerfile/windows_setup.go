package answerfile

import (
	"crypto/sha1" // the name of a certificate in Windows, not a proof of anything
	"errors"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
)

// WindowsFiles is the folder in which an answer file for Windows expects the files of the shielding data.
const WindowsFiles = `%SystemDrive%\temp`

// What has to run when Windows is set up stands in SetupComplete.cmd, which Windows starts with all rights after the last
// pass and before the first logon. The pass specialize writes it, line by line; one that the template has is replaced.
const setupComplete = `%WINDIR%\Setup\Scripts\SetupComplete.cmd`

const maxPath = 259 // characters of a command of the pass specialize

// fileName is a name that needs no quotes and no escapes anywhere.
var fileName = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z._-]{0,63}$`)

// answerFiles are the copies of the answer file that Windows keeps.
const answerFiles = `%WINDIR%\Panther\unattend.xml %WINDIR%\Panther\Unattend\unattend.xml ` +
	`%WINDIR%\System32\Sysprep\unattend.xml %SystemDrive%\unattend.xml`

// setupCommands are the commands of the pass specialize.
func (w *Windows) setupCommands() ([]string, error) {
	lines, err := w.setupLines()
	if err != nil {
		return nil, err
	}
	commands := []string{
		`cmd.exe /c "if not exist %WINDIR%\Setup\Scripts md %WINDIR%\Setup\Scripts"`,
		`cmd.exe /c ">` + setupComplete + ` echo @echo off"`,
	}
	for _, line := range lines {
		command := `cmd.exe /c ">>` + setupComplete + ` echo ` + line + `"`
		if len(command) > maxPath {
			return nil, fmt.Errorf("a command for the end of the set-up has %d characters, at most %d are allowed: use shorter names "+
				"and passwords of files", len(command), maxPath)
		}
		commands = append(commands, command)
	}
	return commands, nil
}

// setupLines are the lines of SetupComplete.cmd. No line may have a special character of cmd.exe outside of double
// quotes, or a percent sign but for variables.
func (w *Windows) setupLines() ([]string, error) {
	var lines []string
	if w.WinRM {
		lines = append(lines, "powershell.exe -NoProfile -Command Enable-PSRemoting -SkipNetworkProfileCheck -Force")
	}
	if w.RDPCertificate != nil {
		if !w.RemoteDesktop {
			return nil, errors.New("a certificate for Remote Desktop is of no use without Remote Desktop")
		}
		certificate, err := w.RDPCertificate.lines()
		if err != nil {
			return nil, fmt.Errorf("certificate for Remote Desktop: %w", err)
		}
		lines = append(lines, certificate...)
	}
	for _, name := range w.Scripts {
		line, err := scriptLine(name)
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	if len(w.FirstLogon) == 0 {
		lines = append(lines, "del /f /q "+answerFiles)
	}
	if w.ShutDown {
		lines = append(lines, "shutdown.exe /s /f /t 0")
	}
	return lines, nil
}

// lines bring the certificate and its key into the machine's store, and Remote Desktop to use it.
func (c *RDPCertificate) lines() ([]string, error) {
	if !fileName.MatchString(c.File) {
		return nil, badFileName(c.File)
	}
	if c.Password == "*" || strings.HasSuffix(c.Password, `\`) || strings.ContainsFunc(c.Password, func(r rune) bool {
		return r < ' ' || r > '~' || r == '"' || r == '%'
	}) {
		return nil, fmt.Errorf(`the password of %s may hold no more than ASCII without " and %%, not end in \, and not be *: save the file under another one`, c.File)
	}
	if c.Certificate == nil {
		return nil, fmt.Errorf("the certificate in %s is not given", c.File)
	}
	file := WindowsFiles + `\` + c.File
	return []string{
		fmt.Sprintf(`certutil.exe -f -p "%s" -importpfx my %s NoExport,NoRoot`, c.Password, file),
		fmt.Sprintf(`powershell.exe -NoProfile -Command "gcim Win32_TSGeneralSetting -Namespace root/cimv2/TerminalServices | `+
			`scim -Property @{SSLCertificateSHA1Hash='%X'}"`, sha1.Sum(c.Certificate.Raw)),
		"del /f /q " + file,
	}, nil
}

func scriptLine(name string) (string, error) {
	if !fileName.MatchString(name) {
		return "", badFileName(name)
	}
	file := WindowsFiles + `\` + name
	switch strings.ToLower(path.Ext(name)) {
	case ".ps1":
		return "powershell.exe -NoProfile -ExecutionPolicy Bypass -File " + file, nil
	case ".cmd", ".bat":
		return "call " + file, nil
	}
	return "", fmt.Errorf("script %s: Windows runs .ps1, .cmd and .bat", name)
}

func badFileName(name string) error {
	return fmt.Errorf("file %.80q: its name may hold no more than letters, digits, . _ and -, at most 64 of them", name)
}

func runSynchronous(commands []string) node {
	all := tree("RunSynchronous")
	for i, command := range commands {
		all.children = append(all.children,
			tree("RunSynchronousCommand", leaf("Order", strconv.Itoa(i+1)), leaf("Path", command)).added())
	}
	return all
}

// firstLogon are the commands at the first logon, after which no copy of the answer file is needed any more.
func (w *Windows) firstLogon() node {
	all := tree("FirstLogonCommands")
	add := func(command node) {
		all.children = append(all.children,
			tree("SynchronousCommand", command, leaf("Order", strconv.Itoa(len(all.children)+1))).added())
	}
	for _, command := range w.FirstLogon {
		add(field("CommandLine", command))
	}
	add(leaf("CommandLine", `cmd.exe /c "del /f /q `+answerFiles+`"`))
	return all
}
