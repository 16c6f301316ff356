package hgsserver

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/scutum-project/scutum/hgsserver/internal/owner"
	"github.com/scutum-project/scutum/hgsserver/store"
	"github.com/scutum-project/scutum/pdk/guardian"
)

// problems is never nil, so that JSON has a list.
func (s *Server) problems(c *configuration) []Problem {
	return append(append([]Problem{}, s.healthProblems(c)...), s.clockProblems()...)
}

// clockProblems holds the clock against the last entry of the audit log.
func (s *Server) clockProblems() (list []Problem) {
	_ = s.store.View(func(tx *store.Tx) error { // that the log is not whole, check says
		head, err := tx.Head()
		if err != nil {
			return err
		}
		return tx.Entries(head.Sequence, func(e *store.Entry) error {
			if now := s.now(); e.Time.After(now.Add(futureSkew)) {
				list = append(list, Problem{fmt.Sprintf("it is %s here, but entry %d of the audit log is from %s", stamp(now), e.Sequence, stamp(e.Time)),
					"set the clock (timedatectl): health certificates hold by it", false})
			}
			return nil
		})
	})
	return list
}

// DiagnoseFolder looks at the folder of a service from outside, whether or not it is served from.
func DiagnoseFolder(dir string) []Problem {
	state := filepath.Join(dir, StateFile)
	_, err := os.Stat(state)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []Problem{{"there is no service in " + dir, "make one with hgs init, or name its folder with --dir", true}}
	case err != nil:
		return []Problem{{err.Error(), "be who runs the service, or root: sudo -u hgs hgs diagnose", false}}
	case runtime.GOOS == "windows":
		return nil
	}
	var list []Problem
	for path, mode := range map[string]os.FileMode{dir: 0o700, state: 0o600} {
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&^mode != 0 {
			list = append(list, Problem{fmt.Sprintf("others may read or write %s: its permissions are %03o", path, info.Mode().Perm()),
				fmt.Sprintf("chmod %o %s", mode, path), false})
		}
	}
	user, _, err := owner.Of(state)
	of, _, folderErr := owner.Of(dir)
	if err == nil && folderErr == nil && user != of {
		list = append(list, Problem{fmt.Sprintf("%s belongs to the user %d, and its folder to %d: the service may not be able to open it", state, user, of),
			fmt.Sprintf("chown --reference=%s %s", dir, state), false})
	}
	return list
}

// DiagnoseUnits looks into the unit of the service in the folders of systemd, for credentials that it is to have and that are not
// there: without a passphrase, the service does not start.
func DiagnoseUnits(folders ...string) []Problem {
	for _, folder := range folders {
		path := filepath.Join(folder, "hgs.service")
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		defer f.Close()
		return diagnoseUnit(path, f)
	}
	return nil
}

func diagnoseUnit(path string, unit *os.File) (list []Problem) {
	named := false
	for lines := bufio.NewScanner(unit); lines.Scan(); {
		setting, value, _ := strings.Cut(strings.TrimSpace(lines.Text()), "=")
		switch setting {
		case "SetCredential", "SetCredentialEncrypted":
			named = named || strings.HasPrefix(value, passphraseCredential+":")
		case "LoadCredential", "LoadCredentialEncrypted", "ImportCredential":
			name, file, _ := strings.Cut(value, ":")
			if name != passphraseCredential {
				continue
			}
			named = true
			if _, err := os.Stat(file); filepath.IsAbs(file) && errors.Is(err, fs.ErrNotExist) {
				list = append(list, Problem{fmt.Sprintf("%s loads the passphrase from %s, which is not there", path, file),
					"systemd-creds encrypt --name=" + passphraseCredential + " PASSPHRASE " + file, true})
			}
		case "ExecStart":
			named = named || strings.Contains(value, "--passphrase-")
		}
	}
	if !named {
		list = append(list, Problem{path + " gives the service no passphrase", "LoadCredentialEncrypted=" + passphraseCredential + ":/etc/hgs/passphrase.cred in it: see docs/hgs.md", true})
	}
	return list
}

// passphraseCredential is the name of the systemd credential that has the passphrase.
const passphraseCredential = "hgs-passphrase"

// DiagnoseAddress says why a service that does not serve could not listen at an address.
func DiagnoseAddress(address string) []Problem {
	l, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		_ = l.Close()
		return nil
	case errors.Is(err, syscall.EADDRINUSE):
		return []Problem{{"another program listens at " + address, "find it with ss -ltnp and end it, or say hgs serve --listen with another address", true}}
	case errors.Is(err, fs.ErrPermission):
		return []Problem{{"who asks may not listen at " + address, "let systemd start the service, whose unit allows it, or say hgs serve --listen with a port from 1024 on", false}}
	}
	return []Problem{{err.Error(), "hgs serve --listen with an address of this machine", true}}
}

// DiagnoseHosts asks a service that serves for its metadata, as hosts and tenants do.
func DiagnoseHosts(ctx context.Context, st *Status, at time.Time) []Problem {
	if st.Address == "" {
		return nil
	}
	address := st.Address
	if host, port, err := net.SplitHostPort(address); err == nil {
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			address = net.JoinHostPort("localhost", port)
		}
	}
	var list []Problem
	url := "http://" + address + guardian.MetadataPath
	check := &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(state tls.ConnectionState) error { // it is looked at, not trusted
		list = append(list, diagnoseTLS(&state, st.Name, at)...)
		return nil
	}}
	if st.TLS {
		url = "https" + strings.TrimPrefix(url, "http")
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: check, DisableKeepAlives: true}, Timeout: 10 * time.Second}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err == nil {
		var response *http.Response
		if response, err = client.Do(request); err == nil {
			_ = response.Body.Close()
			if response.StatusCode != http.StatusOK {
				err = fmt.Errorf("%s answers %s", url, response.Status)
			}
		}
	}
	if err != nil {
		list = append(list, Problem{"the metadata cannot be read: " + err.Error(), "see the log of the service, and what stands between (firewall, proxy): hosts and tenants need it", true})
	}
	return list
}

func diagnoseTLS(state *tls.ConnectionState, name string, at time.Time) (list []Problem) {
	c := state.PeerCertificates[0]
	renew := "put a new one into its files, and start the service again"
	switch {
	case at.After(c.NotAfter):
		list = append(list, Problem{"the TLS certificate ended at " + stamp(c.NotAfter), renew, true})
	case at.After(c.NotAfter.Add(-warnBefore)):
		list = append(list, Problem{"the TLS certificate ends at " + stamp(c.NotAfter), renew, false})
	}
	if err := c.VerifyHostname(name); err != nil {
		list = append(list, Problem{fmt.Sprintf("the TLS certificate is not for %s: %v", name, err), "hosts that ask by this name refuse it: " + renew, false})
	}
	return list
}
