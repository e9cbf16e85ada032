package plantmesh

import (
	"crypto/x509"
	"fmt"
	"net/url"
	"strings"
)

// Identity is whom a certificate speaks for: a site's node, or a client. It is written as a SPIFFE ID, whose trust domain
// is the mesh:
//
//	spiffe://<mesh>/region/<region>/site/<site>
//	spiffe://<mesh>/client/<name>
type Identity struct {
	Mesh   string
	Region string // sites only
	Site   SiteID // sites only
	Client string // clients only
}

// IsSite tells a site's node from a client.
func (id Identity) IsSite() bool { return id.Site != "" }

// String is the SPIFFE ID.
func (id Identity) String() string { return id.URL().String() }

// URL is the SPIFFE ID as a certificate's URI name holds it.
func (id Identity) URL() *url.URL {
	path := "/client/" + id.Client
	if id.IsSite() {
		path = "/region/" + id.Region + "/site/" + string(id.Site)
	}
	return &url.URL{Scheme: "spiffe", Host: id.Mesh, Path: path}
}

// Validate checks every part.
func (id Identity) Validate() error {
	if !label.MatchString(id.Mesh) {
		return fmt.Errorf("mesh %q: a name has 1 to 63 lower-case letters, digits and inner hyphens", id.Mesh)
	}
	if !id.IsSite() {
		if !label.MatchString(id.Client) {
			return fmt.Errorf("client %q: a name has 1 to 63 lower-case letters, digits and inner hyphens", id.Client)
		}
		return nil
	}
	if !label.MatchString(id.Region) {
		return fmt.Errorf("region %q: a name has 1 to 63 lower-case letters, digits and inner hyphens", id.Region)
	}
	_, err := ParseSiteID(string(id.Site))
	return err
}

// ParseIdentity reads a SPIFFE ID.
func ParseIdentity(uri string) (Identity, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return Identity{}, fmt.Errorf("identity %q: %w", uri, err)
	}
	id := Identity{Mesh: u.Host}
	parts := strings.Split(strings.TrimPrefix(u.Path, "/"), "/")
	switch {
	case u.Scheme != "spiffe":
		return Identity{}, fmt.Errorf("identity %q: not a SPIFFE ID", uri)
	case len(parts) == 4 && parts[0] == "region" && parts[2] == "site":
		id.Region, id.Site = parts[1], SiteID(parts[3])
	case len(parts) == 2 && parts[0] == "client":
		id.Client = parts[1]
	default:
		return Identity{}, fmt.Errorf("identity %q: neither /region/<region>/site/<site> nor /client/<name>", uri)
	}
	if err := id.Validate(); err != nil {
		return Identity{}, fmt.Errorf("identity %q: %w", uri, err)
	}
	return id, nil
}

// IdentityOf reads the one SPIFFE ID of a certificate. It does not verify the certificate.
func IdentityOf(cert *x509.Certificate) (Identity, error) {
	if len(cert.URIs) != 1 {
		return Identity{}, fmt.Errorf("certificate %q has %d URI names; a mesh certificate has one, its SPIFFE ID", cert.Subject, len(cert.URIs))
	}
	return ParseIdentity(cert.URIs[0].String())
}
