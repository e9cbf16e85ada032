package plantmesh_test

import (
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
)

func replace(t *testing.T, name string, content []byte, at time.Time) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestCredentialsFollowTheirFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		authority, err := pki.NewAuthority("test")
		if err != nil {
			t.Fatal(err)
		}
		before, after := plantmesh.Identity{Mesh: "test", Client: "before"}, plantmesh.Identity{Mesh: "test", Client: "after"}
		files := issue(t, authority, before)
		creds, err := plantmesh.LoadCredentials(files)
		if err != nil {
			t.Fatal(err)
		}
		wantIdentity := func(when string, want plantmesh.Identity) {
			t.Helper()
			<-time.After(2 * time.Second) // virtual; files are looked at once a second
			if got := creds.Identity(); got != want {
				t.Errorf("%s: %s", when, got)
			}
		}
		cert, key, err := authority.Issue(after, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		wantIdentity("untouched", before)
		replace(t, files.Cert, cert, time.Now())
		wantIdentity("certificate replaced, key not yet", before)
		replace(t, files.Key, key, time.Now())
		wantIdentity("both replaced", after)
		if err := os.Remove(files.CA); err != nil {
			t.Fatal(err)
		}
		wantIdentity("CA gone", after)
	})
}
