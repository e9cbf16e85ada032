package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/url"
	"time"

	"github.com/plantmesh/plantmesh"
)

const (
	// AuthorityValidity is how long a new root is valid. Replacing a root means touching every site, so it is long.
	AuthorityValidity = 20 * 365 * 24 * time.Hour
	// DefaultValidity suits certificates that are renewed by hand.
	DefaultValidity = 2 * 365 * 24 * time.Hour
	// backdate tolerates clocks of other sites that are behind.
	backdate = time.Hour
)

// Authority issues the certificates of one mesh. Whoever has its key can speak as any site: keep it off the sites. Safe
// for concurrent use.
type Authority struct {
	mesh        string
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

// NewAuthority makes the root of a mesh, in memory.
func NewAuthority(mesh string) (*Authority, error) {
	if err := (plantmesh.Identity{Mesh: mesh, Client: "any"}).Validate(); err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("authority of %s: %w", mesh, err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: mesh + " mesh CA"},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(AuthorityValidity),
		URIs:                  []*url.URL{{Scheme: "spiffe", Host: mesh}},
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLenZero:        true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		// Whatever this key signs, it can only ever name identities of this mesh.
		PermittedDNSDomainsCritical: true,
		PermittedURIDomains:         []string{mesh},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("authority of %s: %w", mesh, err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("authority of %s: %w", mesh, err)
	}
	return &Authority{mesh: mesh, certificate: certificate, key: key}, nil
}

// Mesh is the mesh it issues for.
func (a *Authority) Mesh() string { return a.mesh }

// CertificatePEM is the root certificate, which every node of the mesh trusts.
func (a *Authority) CertificatePEM() []byte { return encode("CERTIFICATE", a.certificate.Raw) }

// Issue makes a key and a certificate for a site or a client of this mesh, in PEM. A site's certificate serves for
// calling and being called, and names the site as DNS name besides dnsNames, for clients whose TLS library insists on
// one; a client's certificate serves for calling only.
func (a *Authority) Issue(id plantmesh.Identity, validity time.Duration, dnsNames ...string) (cert, key []byte, err error) {
	if err := a.check(id, validity); err != nil {
		return nil, nil, err
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", id, err)
	}
	now := time.Now()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: nameOf(id)},
		NotBefore:             now.Add(-backdate),
		NotAfter:              now.Add(validity),
		URIs:                  []*url.URL{id.URL()},
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if id.IsSite() {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
		template.DNSNames = append([]string{string(id.Site)}, dnsNames...)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &private.PublicKey, a.key)
	if err != nil {
		return nil, nil, fmt.Errorf("certificate of %s: %w", id, err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, fmt.Errorf("key of %s: %w", id, err)
	}
	return encode("CERTIFICATE", der), encode("PRIVATE KEY", pkcs8), nil
}

func (a *Authority) check(id plantmesh.Identity, validity time.Duration) error {
	if err := id.Validate(); err != nil {
		return err
	}
	if id.Mesh != a.mesh {
		return fmt.Errorf("certificate of %s: this is the CA of mesh %q; each mesh has its own", id, a.mesh)
	}
	if validity <= 0 {
		return fmt.Errorf("certificate of %s: validity %s: give a time in the future", id, validity)
	}
	if end := time.Now().Add(validity); end.After(a.certificate.NotAfter) {
		return fmt.Errorf("certificate of %s: it would outlive its CA, which ends %s: shorten the validity or make a new CA",
			id, a.certificate.NotAfter.UTC().Format(time.DateOnly))
	}
	return nil
}

// nameOf is the short name of an identity, the base of its file names.
func nameOf(id plantmesh.Identity) string {
	if id.IsSite() {
		return string(id.Site)
	}
	return id.Client
}

func encode(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
