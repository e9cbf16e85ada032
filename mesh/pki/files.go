package pki

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/plantmesh/plantmesh"
)

// Names of the root's files within its folder.
const (
	CertificateFile = "ca.crt"
	KeyFile         = "ca.key"
)

// Files names the files of an identity within a folder: <name>.crt, <name>.key, and the root's certificate.
func Files(dir string, id plantmesh.Identity) plantmesh.TLSFiles {
	base := filepath.Join(dir, nameOf(id))
	return plantmesh.TLSFiles{Cert: base + ".crt", Key: base + ".key", CA: filepath.Join(dir, CertificateFile)}
}

// Save writes ca.crt and ca.key, the latter readable by its owner only. It overwrites nothing: the error is then an
// fs.ErrExist.
func (a *Authority) Save(dir string) error {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return fmt.Errorf("key of the CA: %w", err)
	}
	return writePair(filepath.Join(dir, CertificateFile), a.CertificatePEM(), filepath.Join(dir, KeyFile), encode("PRIVATE KEY", pkcs8))
}

// LoadAuthority reads what Save wrote. Its error is an fs.ErrNotExist if there is nothing.
func LoadAuthority(dir string) (*Authority, error) {
	certFile, keyFile := filepath.Join(dir, CertificateFile), filepath.Join(dir, KeyFile)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("mesh CA %s with key %s: %w", certFile, keyFile, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, fmt.Errorf("mesh CA %s: not a CA certificate with an ECDSA key; issue certificates with the tool that made it", certFile)
	}
	if len(pair.Leaf.URIs) != 1 || pair.Leaf.URIs[0].Scheme != "spiffe" {
		return nil, fmt.Errorf("mesh CA %s: it names no mesh (spiffe://<mesh>); issue certificates with the tool that made it", certFile)
	}
	return &Authority{mesh: pair.Leaf.URIs[0].Host, certificate: pair.Leaf, key: key}, nil
}

// IssueFiles issues a certificate and writes it into a folder, with the root's certificate beside it if that is missing.
// It overwrites no certificate and no key: the error is then an fs.ErrExist.
func (a *Authority) IssueFiles(dir string, id plantmesh.Identity, validity time.Duration, dnsNames ...string) (plantmesh.TLSFiles, error) {
	files := Files(dir, id)
	cert, key, err := a.Issue(id, validity, dnsNames...)
	if err != nil {
		return files, err
	}
	if err := writePair(files.Cert, cert, files.Key, key); err != nil {
		return files, err
	}
	if err := writeNew(files.CA, a.CertificatePEM(), 0o644); err != nil && !errors.Is(err, fs.ErrExist) {
		return files, err
	}
	return files, nil
}

// writePair writes the key first, so that a certificate is never there without it.
func writePair(certFile string, cert []byte, keyFile string, key []byte) error {
	if _, err := os.Stat(certFile); err == nil {
		return fmt.Errorf("%s: %w: move it away first if it is to be replaced", certFile, fs.ErrExist)
	}
	if err := writeNew(keyFile, key, 0o600); err != nil {
		return err
	}
	return writeNew(certFile, cert, 0o644)
}

// writeNew creates a file; it is on disk when this returns, or not there.
func writeNew(name string, content []byte, mode fs.FileMode) (err error) {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s: %w: move it away first if it is to be replaced", name, fs.ErrExist)
	}
	if err != nil {
		return err
	}
	defer func() {
		if closed := file.Close(); err == nil {
			err = closed
		}
		if err != nil {
			_ = os.Remove(name)
		}
	}()
	if _, err := file.Write(content); err != nil {
		return err
	}
	return file.Sync()
}
