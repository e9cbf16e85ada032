package odoo_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/plantmesh/plantmesh/node/odoo"
)

func TestReadsAreRepeatedIfWhatFailedPasses(t *testing.T) {
	lost := errors.New("unexpected EOF")
	for name, c := range map[string]struct {
		faults []error // of the tries, one after the other
		tries  int
		fails  bool
	}{
		"a lost reply":              {[]error{lost, nil}, 2, false},
		"a proxy that is busy":      {[]error{&odoo.Error{Status: http.StatusBadGateway, Class: odoo.Transient}, nil}, 2, false},
		"a key that does not count": {[]error{&odoo.Error{Status: http.StatusUnauthorized, Class: odoo.Configuration}}, 1, true},
		"a domain that is wrong":    {[]error{&odoo.Error{Status: http.StatusUnprocessableEntity, Class: odoo.Business}}, 1, true},
		"a line that is cut":        {[]error{lost, lost, lost, lost}, 4, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				err := odoo.Repeat(t.Context(), func() error { tries++; return c.faults[tries-1] })
				if tries != c.tries || (err != nil) != c.fails {
					t.Errorf("%d tries, %v; want %d", tries, err, c.tries)
				}
			})
		})
	}
}

func TestReadIsNotRepeatedIfItsReplyCameAndMakesNoSense(t *testing.T) {
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		_, _ = w.Write([]byte(`{"id": 1}`))
	}))
	defer server.Close()
	client, err := odoo.NewClient(server.URL, "mesh", "key")
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = odoo.NewReader(client).Orders(t.Context())
	if n := calls.Load(); n != 1 || err == nil || !strings.Contains(err.Error(), "not what was asked for") {
		t.Errorf("%d calls, %v", n, err)
	}
}
