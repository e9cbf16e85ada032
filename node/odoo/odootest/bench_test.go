package odootest_test

import (
	"testing"

	"github.com/plantmesh/plantmesh/node/odoo/odootest"
)

// BenchmarkRealOdoo applies events in a real Odoo, and does the same work by bare calls of Odoo's API, without a fence or a check.
func BenchmarkRealOdoo(b *testing.B) { odootest.Bench(b, odootest.FromEnvironment(b)) }
