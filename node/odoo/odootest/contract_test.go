package odootest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh/node/odoo/odootest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRealOdooKeepsTheContract(t *testing.T) {
	odootest.RunOverEachAPI(t, odootest.FromEnvironment(t).Provision(t))
}

func TestRealOdooIsSetUpAndCleanedUpByAnAdministrator(t *testing.T) {
	target := odootest.FreshFromEnvironment(t)
	for _, api := range target.APIs() { // one after the other: each leaves the database as it was
		t.Run(api, func(t *testing.T) {
			target.API = api
			odootest.RunSetup(t, target)
		})
	}
}
