package pki_test

import (
	"crypto/tls"
	"errors"
	"io/fs"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
)

func site(mesh, name string) plantmesh.Identity {
	return plantmesh.Identity{Mesh: mesh, Region: "eu", Site: plantmesh.SiteID(name)}
}

func client(mesh, name string) plantmesh.Identity {
	return plantmesh.Identity{Mesh: mesh, Client: name}
}

func credentials(t *testing.T, a *pki.Authority, id plantmesh.Identity) *plantmesh.Credentials {
	t.Helper()
	files, err := a.IssueFiles(t.TempDir(), id, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := plantmesh.LoadCredentials(files)
	if err != nil {
		t.Fatal(err)
	}
	return creds
}

func authority(t *testing.T, mesh string) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority(mesh)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// handshake returns what each side makes of the other.
func handshake(t *testing.T, from, to *plantmesh.Credentials) (clientErr, serverErr error) {
	t.Helper()
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() {
		server := tls.Server(b, to.ServerConfig())
		done <- server.HandshakeContext(t.Context())
		_ = b.Close()
	}()
	clientErr = tls.Client(a, from.ClientConfig(nil)).HandshakeContext(t.Context())
	_ = a.Close()
	return clientErr, <-done
}

func TestSitesOfOneMeshTrustEachOther(t *testing.T) {
	ca := authority(t, "acme")
	for _, from := range []plantmesh.Identity{site("acme", "plant-a"), client("acme", "mes")} {
		if c, s := handshake(t, credentials(t, ca, from), credentials(t, ca, site("acme", "hq"))); c != nil || s != nil {
			t.Errorf("%s to hq: client %v, server %v", from, c, s)
		}
	}
}

func TestOtherMeshIsRefusedByName(t *testing.T) {
	prod, test := authority(t, "acme-prod"), authority(t, "acme-test")
	clientErr, _ := handshake(t, credentials(t, prod, site("acme-prod", "plant-a")), credentials(t, test, site("acme-test", "hq")))
	if clientErr == nil || !strings.Contains(clientErr.Error(), `mesh "acme-test"`) {
		t.Errorf("got %v", clientErr)
	}
}

func TestCertificateOfAnotherRootIsRefusedThoughItNamesTheMesh(t *testing.T) {
	clientErr, _ := handshake(t, credentials(t, authority(t, "acme"), site("acme", "plant-a")), credentials(t, authority(t, "acme"), site("acme", "hq")))
	if clientErr == nil || !strings.Contains(clientErr.Error(), "has to be issued by the CA in") {
		t.Errorf("got %v", clientErr)
	}
}

func TestClientCertificateCannotServe(t *testing.T) {
	ca := authority(t, "acme")
	clientErr, _ := handshake(t, credentials(t, ca, site("acme", "plant-a")), credentials(t, ca, client("acme", "mes")))
	if clientErr == nil {
		t.Error("a client's certificate passed for a server's")
	}
}

func TestAuthorityRefusesIdentitiesThatAreNotItsOwn(t *testing.T) {
	ca := authority(t, "acme")
	for name, id := range map[string]plantmesh.Identity{
		"other mesh": site("other", "plant-a"),
		"bad site":   site("acme", "Plant A"),
		"no region":  {Mesh: "acme", Site: "plant-a"},
		"nobody":     {Mesh: "acme"},
	} {
		if _, _, err := ca.Issue(id, time.Hour); err == nil {
			t.Errorf("%s: issued", name)
		}
	}
	if _, _, err := ca.Issue(site("acme", "plant-a"), 2*pki.AuthorityValidity); err == nil || !strings.Contains(err.Error(), "outlive") {
		t.Errorf("too long: %v", err)
	}
	if _, _, err := ca.Issue(site("acme", "plant-a"), 0); err == nil {
		t.Error("no validity: issued")
	}
	if _, err := pki.NewAuthority("Not A Mesh"); err == nil {
		t.Error("a mesh without a proper name got a CA")
	}
}

func TestSavedAuthorityIssuesForTheSameMesh(t *testing.T) {
	dir := t.TempDir()
	ca := authority(t, "acme")
	if err := ca.Save(dir); err != nil {
		t.Fatal(err)
	}
	if err := ca.Save(dir); !errors.Is(err, fs.ErrExist) {
		t.Errorf("saved over itself: %v", err)
	}
	again, err := pki.LoadAuthority(dir)
	if err != nil {
		t.Fatal(err)
	}
	if again.Mesh() != "acme" {
		t.Errorf("mesh %q", again.Mesh())
	}
	if c, s := handshake(t, credentials(t, ca, site("acme", "plant-a")), credentials(t, again, site("acme", "hq"))); c != nil || s != nil {
		t.Errorf("client %v, server %v", c, s)
	}
	if _, err := pki.LoadAuthority(t.TempDir()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("empty folder: %v", err)
	}
}

func TestIssuedFilesAreNeverOverwrittenAndKeysStayPrivate(t *testing.T) {
	dir := t.TempDir()
	ca := authority(t, "acme")
	files, err := ca.IssueFiles(dir, site("acme", "plant-a"), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if files != pki.Files(dir, site("acme", "plant-a")) {
		t.Errorf("files %+v", files)
	}
	info, err := os.Stat(files.Key)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("key file: %v, %v", info.Mode(), err)
	}
	before, _ := os.ReadFile(files.Cert)
	if _, err := ca.IssueFiles(dir, client("acme", "plant-a"), time.Hour); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if after, _ := os.ReadFile(files.Cert); string(after) != string(before) {
		t.Error("the certificate was replaced")
	}
}
