package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
	"github.com/plantmesh/plantmesh/node/config"
)

// Names within a mesh folder.
const (
	caFolder      = "ca"
	clientsFolder = "clients"
	ConfigFile    = "plantmesh.yaml"
)

// DefaultValidity is how long certificates are valid unless something else is asked for.
const DefaultValidity = pki.DefaultValidity

// Site is a site to be set up.
type Site struct {
	Mesh     string // empty: the mesh of the CA that is there
	Name     string
	Region   string
	Listen   string        // host:port
	Reach    string        // config.ReachDirect or ReachOutbound; empty: direct
	Peers    []string      // host:port
	Hosts    []string      // further names of its machine, for clients whose TLS library checks host names
	Validity time.Duration // of the certificate; 0: DefaultValidity
	Adjust   func(*config.Config)
}

// Result says what was made.
type Result struct {
	Mesh     string             `json:"mesh"`
	Identity string             `json:"identity"`
	NewCA    bool               `json:"new_ca"`
	CA       string             `json:"ca"`               // folder of the CA
	Config   string             `json:"config,omitempty"` // of a site
	Files    plantmesh.TLSFiles `json:"-"`
	Cert     string             `json:"cert"`
	Key      string             `json:"key"`
	Root     string             `json:"root"`
}

// CreateSite makes a site's folder: certificate, key and configuration. The first site of a mesh makes its CA too. It overwrites
// nothing: the error is then an fs.ErrExist.
func CreateSite(dir string, s Site) (Result, error) {
	if _, err := plantmesh.ParseSiteID(s.Name); err != nil {
		return Result{}, err
	}
	path := filepath.Join(dir, s.Name, ConfigFile)
	if _, err := os.Stat(path); err == nil {
		return Result{}, fmt.Errorf("%s: %w: this site is set up; remove its folder to do it again", path, fs.ErrExist)
	}
	authority, made, err := openAuthority(dir, s.Mesh)
	if err != nil {
		return Result{}, err
	}
	id := plantmesh.Identity{Mesh: authority.Mesh(), Region: s.Region, Site: plantmesh.SiteID(s.Name)}
	r, err := issue(authority, filepath.Join(dir, s.Name), id, s.Validity, s.Hosts)
	r.NewCA, r.CA = made, filepath.Join(dir, caFolder)
	if err != nil {
		return r, err
	}
	r.Config = path
	return r, writeConfig(path, s, r)
}

// CreateClient makes the certificate of a client, with the CA that is there.
func CreateClient(dir, name string, validity time.Duration) (Result, error) {
	authority, err := pki.LoadAuthority(filepath.Join(dir, caFolder))
	if errors.Is(err, fs.ErrNotExist) {
		return Result{}, fmt.Errorf("%w; make the mesh first: plantmesh init --mesh NAME --site NAME", err)
	}
	if err != nil {
		return Result{}, err
	}
	r, err := issue(authority, filepath.Join(dir, clientsFolder), plantmesh.Identity{Mesh: authority.Mesh(), Client: name}, validity, nil)
	r.CA = filepath.Join(dir, caFolder)
	return r, err
}

// openAuthority loads the CA of a mesh folder, or makes it.
func openAuthority(dir, mesh string) (*pki.Authority, bool, error) {
	folder := filepath.Join(dir, caFolder)
	authority, err := pki.LoadAuthority(folder)
	switch {
	case err == nil && mesh != "" && authority.Mesh() != mesh:
		return nil, false, fmt.Errorf("%s: %w: it is the CA of mesh %q, not %q; give another folder (--dir)", folder, plantmesh.ErrMeshMismatch, authority.Mesh(), mesh)
	case err == nil:
		return authority, false, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, false, err
	case mesh == "":
		return nil, false, fmt.Errorf("%s: there is no CA yet: name the mesh (--mesh) to make one", folder)
	}
	if authority, err = pki.NewAuthority(mesh); err != nil {
		return nil, false, err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, false, fmt.Errorf("folder of the CA: %w", err)
	}
	return authority, true, authority.Save(folder)
}

func issue(authority *pki.Authority, folder string, id plantmesh.Identity, validity time.Duration, hosts []string) (Result, error) {
	if validity == 0 {
		validity = DefaultValidity
	}
	if err := os.MkdirAll(folder, 0o750); err != nil {
		return Result{}, fmt.Errorf("folder of the certificate: %w", err)
	}
	files, err := authority.IssueFiles(folder, id, validity, hosts...)
	return Result{Mesh: id.Mesh, Identity: id.String(), Files: files, Cert: files.Cert, Key: files.Key, Root: files.CA}, err
}

// writeConfig writes a configuration whose paths are relative to its folder, so that the folder can be moved.
func writeConfig(path string, s Site, r Result) error {
	c := config.Default()
	c.Mesh, c.Site, c.Region, c.Peers = r.Mesh, s.Name, s.Region, s.Peers
	c.TLS = config.TLS{Cert: filepath.Base(r.Files.Cert), Key: filepath.Base(r.Files.Key), CA: filepath.Base(r.Files.CA)}
	if s.Reach != "" {
		c.Reach = s.Reach
	}
	if s.Listen != "" {
		c.Listen = s.Listen
	}
	if s.Adjust != nil {
		s.Adjust(&c)
	}
	text, err := c.Marshal()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o640); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	_, err = config.Load(path)
	return err
}
