package plantmesh_test

import (
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh"
)

func TestNamesAreLabels(t *testing.T) {
	for name, ok := range map[string]bool{
		"plant-a": true, "a": true, "7": true, strings.Repeat("a", 63): true,
		"": false, "-a": false, "a-": false, "Plant": false, "a_b": false, "a/b": false, "ä": false, strings.Repeat("a", 64): false, "a\n": false,
	} {
		if got, err := plantmesh.ParseSiteID(name); (err == nil) != ok || ok && string(got) != name {
			t.Errorf("site %q: %q, %v", name, got, err)
		}
		if _, err := plantmesh.ParseStreamName(name + "/production"); (err == nil) != ok {
			t.Errorf("stream of site %q: %v", name, err)
		}
		if _, err := plantmesh.ParseStreamName("plant-a/" + name); (err == nil) != ok {
			t.Errorf("stream of domain %q: %v", name, err)
		}
	}
	if _, err := plantmesh.ParseStreamName("plant-a"); err == nil {
		t.Error("a site passed for a stream")
	}
}

func TestStreamNameIsMadeOfOriginAndDomain(t *testing.T) {
	s := plantmesh.StreamOf("plant-a", "master-data")
	if s != "plant-a/master-data" || s.Origin() != "plant-a" || s.Domain() != "master-data" {
		t.Errorf("%q: origin %q, domain %q", s, s.Origin(), s.Domain())
	}
}
