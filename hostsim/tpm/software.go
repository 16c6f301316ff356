package tpm

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
)

// The files of a software TPM's maker, beside its state.
const (
	RootFile         = "root.pem"         // the authority that vouches for the endorsement certificate
	IntermediateFile = "intermediate.pem" // the one between
)

const (
	commandTime = time.Minute // in which a TPM answers; some need half of it to make a key
	endTime     = 10 * time.Second
)

// CreateSoftware makes a software TPM in a folder that is not there yet: its state, with an endorsement key and its
// certificate, and the certificates of its maker. It needs swtpm_setup and swtpm_localca (package swtpm-tools).
func CreateSoftware(ctx context.Context, dir, name string) error {
	if err := createSoftware(ctx, dir, name); err != nil {
		return errors.Join(fmt.Errorf("making a software TPM in %s: %w", dir, err), os.RemoveAll(dir))
	}
	return nil
}

func createSoftware(ctx context.Context, dir, name string) error {
	localCA, err := exec.LookPath("swtpm_localca")
	if err != nil {
		return fmt.Errorf("%w: install swtpm-tools", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	ca := filepath.Join(dir, "ca")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(ca, 0o700); err != nil {
		return err
	}
	files := map[string]string{
		"ca.conf": fmt.Sprintf("statedir = %[1]s\nsigningkey = %[1]s/key.pem\nissuercert = %[1]s/issuer.pem\ncertserial = %[1]s/serial\n", ca),
		"options": "--platform-manufacturer Scutum\n--platform-version 1\n--platform-model hostsim\n",
		"setup": fmt.Sprintf("create_certs_tool = %s\ncreate_certs_tool_config = %s\ncreate_certs_tool_options = %s\n",
			localCA, filepath.Join(ca, "ca.conf"), filepath.Join(ca, "options")),
	}
	for file, text := range files {
		if err := os.WriteFile(filepath.Join(ca, file), []byte(text), 0o600); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, "swtpm_setup", "--tpm2", "--config", filepath.Join(ca, "setup"), "--tpmstate", dir,
		"--createek", "--create-ek-cert", "--pcr-banks", "sha256", "--vmid", name)
	cmd.WaitDelay = endTime
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("swtpm_setup: %w: %s", err, lastLine(out))
	}
	for from, to := range map[string]string{"swtpm-localca-rootca-cert.pem": RootFile, "issuer.pem": IntermediateFile} {
		data, err := os.ReadFile(filepath.Join(ca, from))
		if err != nil {
			return err
		}
		block, _ := pem.Decode(data)
		if block == nil || block.Type != "CERTIFICATE" {
			return fmt.Errorf("swtpm_localca: %s is not a certificate", from)
		}
		if err := os.WriteFile(filepath.Join(dir, to), pem.EncodeToMemory(block), 0o644); err != nil {
			return err
		}
	}
	return os.RemoveAll(ca) // with the keys of the maker, who makes no other TPM
}

func lastLine(out []byte) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return lines[len(lines)-1]
}

// OpenSoftware starts the software TPM in a folder, as a machine is started: its PCRs are as after a reset. It runs until
// Close, or until this process ends, however that happens. It needs swtpm, and a Unix.
func OpenSoftware(ctx context.Context, dir string) (*TPM, error) {
	t, err := openSoftware(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("starting the software TPM in %s: %w", dir, err)
	}
	return t, nil
}

func openSoftware(ctx context.Context, dir string) (*TPM, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, err
	}
	program, err := exec.LookPath("swtpm")
	if err != nil {
		return nil, fmt.Errorf("%w: install swtpm", err)
	}
	ours, theirs, err := socketPair()
	if err != nil {
		return nil, err
	}
	said := &bytes.Buffer{}
	cmd := exec.Command(program, "socket", "--tpm2", "--tpmstate", "dir="+dir, "--fd", "3", "--terminate", "--flags", "not-need-init,startup-clear")
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Stdout, cmd.Stderr = said, said
	setGroup(cmd) // Ctrl-C is for this process, which then ends that one
	endWithParent(cmd)
	err = cmd.Start()
	theirs.Close() // so that the connection ends when the child does
	if err != nil {
		ours.Close()
		return nil, err
	}
	s := &software{conn: ours, cmd: cmd, said: said, ended: ctx.Err}
	s.stop = context.AfterFunc(ctx, func() { ours.Close() })
	t := &TPM{channel: s, close: s.close}
	if _, err := t.Resets(); err != nil {
		_ = s.close()
		if said.Len() > 0 && ctx.Err() == nil {
			err = fmt.Errorf("one process at a time may use it; swtpm says: %s", strings.ReplaceAll(strings.TrimSpace(said.String()), "\n", "; "))
		}
		return nil, err
	}
	return t, nil
}

// A software is a child process, which ends when the connection does.
type software struct {
	conn  net.Conn
	cmd   *exec.Cmd
	said  *bytes.Buffer // read after the process ended
	ended func() error  // why nobody waits for it any more
	stop  func() bool
}

// Send is that of a transport.TPM.
func (s *software) Send(command []byte) ([]byte, error) {
	err := s.conn.SetDeadline(time.Now().Add(commandTime))
	var response []byte
	if err == nil {
		response, err = exchange(s.conn, command)
	}
	if err != nil && s.ended() != nil {
		return nil, s.ended()
	}
	return response, err
}

// exchange writes a command and reads its response, whose header has its size.
func exchange(conn io.ReadWriter, command []byte) ([]byte, error) {
	const maxResponse = 4096
	if _, err := conn.Write(command); err != nil {
		return nil, err
	}
	response := make([]byte, headerSize, maxResponse)
	if _, err := io.ReadFull(conn, response); err != nil {
		return nil, err
	}
	size := int(response[2])<<24 | int(response[3])<<16 | int(response[4])<<8 | int(response[5])
	if size < headerSize || size > maxResponse {
		return nil, fmt.Errorf("a response of %d bytes", size)
	}
	response = response[:size]
	_, err := io.ReadFull(conn, response[headerSize:])
	return response, err
}

// close shuts the TPM down and waits until the process has ended.
func (s *software) close() error {
	s.stop()
	_, _ = tpm2.Shutdown{ShutdownType: tpm2.TPMSUClear}.Execute(transport.TPM(s)) // where that fails, it is as after a power cut
	_ = s.conn.Close()
	timer := time.AfterFunc(endTime, func() { _ = s.cmd.Process.Kill() })
	defer timer.Stop()
	if err := s.cmd.Wait(); err != nil && s.ended() == nil {
		return fmt.Errorf("ending the software TPM: %w: %s", err, lastLine(s.said.Bytes()))
	}
	return nil
}
