// Package hostsim is a simulated guarded host: it starts with a measured boot into its TPM, proves to a Host Guardian Service
// that it is healthy, and gets the keys of shielded virtual machines.
//
// What lies in the folder of a host opens nothing by itself. The identity keys, to which everything that the host gets is
// encrypted, are in memory while it runs, and otherwise sealed to its TPM and to the configuration that it was started with.
// With a software TPM, the TPM itself is in that folder: it stands for a chip that nobody can copy.
//
// The package knows the messages of a service, and never the service.
package hostsim

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"unicode"
	"unicode/utf8"

	"github.com/scutum-project/scutum/hgsserver/attestation/health"
	"github.com/scutum-project/scutum/hostsim/tpm"
	"github.com/scutum-project/scutum/vhdx/atomicfile"
)

// The files of a host.
const (
	configFile   = "host.json"
	identityFile = "identity.json"
	healthFile   = "health.json"
	tpmFolder    = "tpm"

	// CIPolicyFile is the code integrity policy of the host: whoever wants another one puts it there.
	CIPolicyFile = "SiPolicy.p7b"
)

const maxFile = 1 << 20 // bytes of a file in the folder, but for the code integrity policy

// Software is the TPM of hosts that have one of their own.
const Software = "swtpm"

// ErrNoHost says that a folder is not that of a host.
var ErrNoHost = errors.New("there is no host")

// A Config is what of a host may be changed while it does not run.
type Config struct {
	Name     string `json:"name"`
	HGS      string `json:"hgs"`                // the address of its Host Guardian Service, such as http://hgs.example.com
	Fallback string `json:"fallback,omitempty"` // of the one that is asked while the first does not answer
	TPM      string `json:"tpm"`                // Software, or the path of one that is there
}

func (c *Config) check() error {
	if c.Name == "" || len(c.Name) > health.MaxHost || !utf8.ValidString(c.Name) {
		return fmt.Errorf("the name of a host has 1 to %d bytes of UTF-8", health.MaxHost)
	}
	for _, r := range c.Name {
		if !unicode.IsPrint(r) {
			return errors.New("the name of a host has nothing in it that does not print")
		}
	}
	if c.TPM == "" {
		return fmt.Errorf("a host has a TPM: %s, or a path", Software)
	}
	for _, address := range c.servers() {
		u, err := url.Parse(address)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
			return fmt.Errorf("%.128q is not the address of a Host Guardian Service, such as http://hgs.example.com", address)
		}
	}
	return nil
}

// servers are the services in the order in which they are asked.
func (c *Config) servers() []string {
	if c.Fallback == "" {
		return []string{c.HGS}
	}
	return []string{c.HGS, c.Fallback}
}

// A Host is one that does not run.
type Host struct {
	dir    string
	config Config
}

// simulatedPolicy is the code integrity policy of a new host. Nobody looks into it: its digest counts.
const simulatedPolicy = "The code integrity policy of simulated hosts.\n"

// Init makes a host in a folder that has none. It fails with fs.ErrExist where it has one.
func Init(ctx context.Context, dir string, c Config) (*Host, error) {
	h := &Host{dir, c}
	if err := h.init(ctx); err != nil {
		return nil, fmt.Errorf("making a host in %s: %w", dir, err)
	}
	return h, nil
}

func (h *Host) init(ctx context.Context) error {
	if err := h.config.check(); err != nil {
		return err
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return err
	}
	for _, name := range []string{configFile, tpmFolder, identityFile} {
		if _, err := os.Lstat(h.path(name)); err == nil {
			return fmt.Errorf("%s: %w", h.path(name), fs.ErrExist)
		}
	}
	if h.config.TPM == Software {
		if err := tpm.CreateSoftware(ctx, h.path(tpmFolder), h.config.Name); err != nil {
			return err
		}
	}
	err := atomicfile.WriteFile(h.path(CIPolicyFile), []byte(simulatedPolicy), 0o644, false)
	if err != nil && !errors.Is(err, fs.ErrExist) { // somebody has put one there
		return err
	}
	return h.save(false)
}

// Open gives the host in a folder. It fails with ErrNoHost.
func Open(dir string) (*Host, error) {
	h := &Host{dir: dir}
	err := h.read(configFile, &h.config)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w in %s: make one with \"hostsim init\"", ErrNoHost, dir)
	}
	if err == nil {
		err = h.config.check()
	}
	if err != nil {
		return nil, fmt.Errorf("reading the host in %s: %w", dir, err)
	}
	return h, nil
}

// Config is the configuration of the host.
func (h *Host) Config() Config { return h.config }

// Configure changes where the host's services are.
func (h *Host) Configure(hgs, fallback string) error {
	changed := &Host{h.dir, h.config}
	changed.config.HGS, changed.config.Fallback = hgs, fallback
	err := changed.config.check()
	if err == nil {
		err = changed.save(true)
	}
	if err != nil {
		return fmt.Errorf("configuring the host in %s: %w", h.dir, err)
	}
	h.config = changed.config
	return nil
}

func (h *Host) save(overwrite bool) error { return h.write(configFile, &h.config, overwrite) }

func (h *Host) path(name string) string { return filepath.Join(h.dir, name) }

// read reads a file of the folder: JSON without anything that is not known.
func (h *Host) read(name string, v any) error {
	data, err := readFile(h.path(name), maxFile)
	if err != nil {
		return err
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("%s: %w", h.path(name), err)
	}
	return nil
}

func readFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s is not a file of at most %d bytes", path, limit)
	}
	return os.ReadFile(path)
}

func (h *Host) write(name string, v any, overwrite bool) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return atomicfile.WriteFile(h.path(name), append(data, '\n'), 0o600, overwrite)
}
