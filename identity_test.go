package plantmesh_test

import (
	"crypto/x509"
	"net/url"
	"testing"

	"github.com/plantmesh/plantmesh"
)

func TestIdentityIsReadAsItIsWritten(t *testing.T) {
	for text, want := range map[string]plantmesh.Identity{
		"spiffe://acme-prod/region/eu/site/plant-a": {Mesh: "acme-prod", Region: "eu", Site: "plant-a"},
		"spiffe://acme-prod/client/mes":             {Mesh: "acme-prod", Client: "mes"},
	} {
		got, err := plantmesh.ParseIdentity(text)
		if err != nil || got != want || got.String() != text || got.IsSite() != (want.Site != "") {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func TestWhatIsNoIdentityIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "plant-a", "https://acme/client/mes", "spiffe://acme", "spiffe://acme/site/plant-a", "spiffe://acme/client/", "spiffe:///client/mes",
		"spiffe://acme/region/eu/site/plant-a/more", "spiffe://acme/region//site/plant-a", "spiffe://Acme/client/mes", "spiffe://acme/client/a%2Fb", "spiffe://acme:1/client/mes", ":",
	} {
		if id, err := plantmesh.ParseIdentity(text); err == nil {
			t.Errorf("%q passed as %+v", text, id)
		}
	}
}

func TestCertificateNamesOneIdentity(t *testing.T) {
	mes := plantmesh.Identity{Mesh: "acme", Client: "mes"}
	if got, err := plantmesh.IdentityOf(&x509.Certificate{URIs: []*url.URL{mes.URL()}}); err != nil || got != mes {
		t.Errorf("%+v, %v", got, err)
	}
	for name, uris := range map[string][]*url.URL{"none": nil, "two": {mes.URL(), mes.URL()}} {
		if _, err := plantmesh.IdentityOf(&x509.Certificate{URIs: uris}); err == nil {
			t.Errorf("%s: passed", name)
		}
	}
}
