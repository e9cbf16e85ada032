package plantmesh

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
	"time"
)

// TLSFiles names the PEM files of an identity.
type TLSFiles struct {
	Cert string // certificate, followed by intermediates if there are any
	Key  string // its private key
	CA   string // root certificates of the mesh
}

// Credentials are an identity's certificate, key and roots, read from files and read again when those change, so that
// short-lived certificates need no restart. Safe for concurrent use.
type Credentials struct {
	files TLSFiles

	mu      sync.Mutex // guards what follows
	checked time.Time
	stamp   [3]time.Time
	current *loaded
}

type loaded struct {
	certificate tls.Certificate
	roots       *x509.CertPool
	identity    Identity
}

// recheckAfter bounds how often the files are looked at.
const recheckAfter = time.Second

// LoadCredentials reads the files. Its errors name the file at fault, and what belongs there.
func LoadCredentials(files TLSFiles) (*Credentials, error) {
	for _, file := range []struct{ what, name string }{{"certificate", files.Cert}, {"key", files.Key}, {"mesh CA", files.CA}} {
		if file.name == "" {
			return nil, fmt.Errorf("%s: names no file: an identity is a certificate, its key and the certificate of the mesh's CA, each a PEM file", file.what)
		}
	}
	c := &Credentials{files: files}
	if _, err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// Identity is whom the certificate speaks for.
func (c *Credentials) Identity() Identity {
	l, _ := c.load() // LoadCredentials succeeded once, so there is always a current one
	return l.identity
}

// ServerConfig demands a certificate of the same mesh from every caller.
func (c *Credentials) ServerConfig() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		ClientAuth: tls.RequireAnyClientCert, // verified in VerifyConnection, by SPIFFE ID and against reloaded roots
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			l, err := c.load()
			return &l.certificate, err
		},
		VerifyConnection: func(s tls.ConnectionState) error { return c.verify(s, x509.ExtKeyUsageClientAuth, nil) },
		NextProtos:       []string{"h2"},
	}
}

// ClientConfig demands that the server is a site of the same mesh, whatever its address. accept, if not nil, has the last
// word on which one.
func (c *Credentials) ClientConfig(accept func(Identity) error) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true, //nolint:gosec // names are SPIFFE IDs, not host names: VerifyConnection checks chain and ID
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			l, err := c.load()
			return &l.certificate, err
		},
		VerifyConnection: func(s tls.ConnectionState) error {
			return c.verify(s, x509.ExtKeyUsageServerAuth, func(id Identity) error {
				if !id.IsSite() {
					return fmt.Errorf("%s is a client, not a site", id)
				}
				if accept != nil {
					return accept(id)
				}
				return nil
			})
		},
		NextProtos: []string{"h2"},
	}
}

// verify checks chain, mesh and identity of the other side.
func (c *Credentials) verify(s tls.ConnectionState, usage x509.ExtKeyUsage, accept func(Identity) error) error {
	l, err := c.load()
	if err != nil {
		return err
	}
	leaf := s.PeerCertificates[0]
	id, err := IdentityOf(leaf)
	if err != nil {
		return err
	}
	intermediates := x509.NewCertPool()
	for _, cert := range s.PeerCertificates[1:] {
		intermediates.AddCert(cert)
	}
	if id.Mesh != l.identity.Mesh {
		return fmt.Errorf("%s is of mesh %q, this is mesh %q: use a certificate that this mesh's CA issued", id, id.Mesh, l.identity.Mesh)
	}
	_, err = leaf.Verify(x509.VerifyOptions{Roots: l.roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{usage}})
	if err != nil {
		return fmt.Errorf("certificate of %s is not valid here: %w; it has to be issued by the CA in %s", id, err, c.files.CA)
	}
	if accept != nil {
		return accept(id)
	}
	return nil
}

// load returns the current material, reading the files again if they changed. When a changed file cannot be read, the
// material read before stays in force.
func (c *Credentials) load() (*loaded, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.current != nil && time.Since(c.checked) < recheckAfter {
		return c.current, nil
	}
	c.checked = time.Now()
	stamp, err := c.modTimes()
	if err == nil && c.current != nil && stamp == c.stamp {
		return c.current, nil
	}
	if err == nil {
		var fresh *loaded
		if fresh, err = c.read(); err == nil {
			c.current, c.stamp = fresh, stamp
		}
	}
	if c.current != nil {
		return c.current, nil
	}
	return nil, err
}

func (c *Credentials) modTimes() (stamp [3]time.Time, err error) {
	for i, name := range []string{c.files.Cert, c.files.Key, c.files.CA} {
		info, err := os.Stat(name)
		if err != nil {
			return stamp, fmt.Errorf("certificate files: %w: whoever keeps the mesh's CA issues certificate and key, and gives the CA's certificate", err)
		}
		stamp[i] = info.ModTime()
	}
	return stamp, nil
}

func (c *Credentials) read() (*loaded, error) {
	certificate, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s with key %s: %w: name a PEM certificate and the key it was issued with", c.files.Cert, c.files.Key, err)
	}
	identity, err := IdentityOf(certificate.Leaf)
	if err != nil {
		return nil, fmt.Errorf("certificate %s: %w", c.files.Cert, err)
	}
	pem, err := os.ReadFile(c.files.CA)
	if err != nil {
		return nil, fmt.Errorf("mesh CA: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("mesh CA %s: no certificate in it: name the PEM file of the mesh's root", c.files.CA)
	}
	return &loaded{certificate: certificate, roots: roots, identity: identity}, nil
}
