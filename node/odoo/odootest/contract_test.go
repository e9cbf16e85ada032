package odootest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh/node/odoo/odootest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRealOdooKeepsTheContract(t *testing.T) {
	odootest.Run(t, odootest.FromEnvironment(t).Provision(t))
}

func TestRealOdooIsSetUpAndCleanedUpByAnAdministrator(t *testing.T) {
	odootest.RunSetup(t, odootest.FreshFromEnvironment(t))
}
