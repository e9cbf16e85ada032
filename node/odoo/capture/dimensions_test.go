package capture

import (
	"strings"
	"testing"
	"time"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func (h *office) dimension(id, value string) []*manufacturingv1.FinancialDimensionChanged {
	var all []*manufacturingv1.FinancialDimensionChanged
	for _, m := range told[*manufacturingv1.FinancialDimensionChanged](h, "hq/master-data", "dimension/"+h.name(id)) {
		if m.GetValueId() == value {
			all = append(all, m)
		}
	}
	return all
}

func TestAnalyticAccountsAreToldAsValuesOfTheirPlan(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		h.target.Accountant(t)
		if err := h.applier().Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		h.poll()
		plan := h.create("account.analytic.plan", map[string]any{"name": h.name("Cost center")})[0]
		inner := h.create("account.analytic.plan", map[string]any{"name": h.name("Sales"), "parent_id": plan})[0]
		mill := h.create("account.analytic.account", map[string]any{"name": "Mill", "code": "4711", "plan_id": plan})[0]
		shop := h.create("account.analytic.account", map[string]any{"name": "Shop", "code": "4712", "plan_id": inner})[0]
		h.create("account.analytic.account", map[string]any{"name": "No code", "plan_id": plan})
		h.poll()
		h.poll()
		got := h.dimension("Cost center", "4711")
		if len(got) != 1 || got[0].GetName() != "Mill" || got[0].GetDimensionName() != h.name("Cost center") || got[0].GetRetired() {
			t.Fatalf("told %v, want the account once", got)
		}
		if got = h.dimension("Cost center", "4712"); len(got) != 1 {
			t.Fatalf("told %v, want the account of the plan inside, by the outer one", got)
		}
		h.write("account.analytic.plan", plan, map[string]any{"x_mesh_dimension": h.name("CC")})
		h.poll()
		if got = h.dimension("Cost center", "4712"); len(got) != 2 || !got[1].GetRetired() {
			t.Fatalf("told %v, want it retired by the plan's former name", got)
		}
		if got = h.dimension("CC", "4712"); len(got) != 1 || got[0].GetRetired() {
			t.Fatalf("told %v, want it by the new name", got)
		}
		h.write("account.analytic.account", shop, map[string]any{"code": "4713"})
		h.poll()
		if got = h.dimension("CC", "4712"); len(got) != 2 || !got[1].GetRetired() {
			t.Fatalf("told %v, want the former value retired", got)
		}
		h.write("account.analytic.account", shop, map[string]any{"active": false})
		h.poll()
		if got = h.dimension("CC", "4713"); len(got) != 2 || !got[1].GetRetired() {
			t.Fatalf("told %v, want it retired when it is archived", got)
		}
		h.unlink("account.analytic.account", mill)
		h.ahead += h.config.Capture.Compare()
		h.poll()
		if got = h.dimension("CC", "4711"); len(got) != 2 || !got[1].GetRetired() {
			t.Fatalf("told %v, want it retired when it is deleted", got)
		}
	})
}

func TestDimensionsOfTheMeshAreNotToldButLaterChangesAre(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		h.target.Accountant(t)
		a := h.applier()
		mill := &manufacturingv1.FinancialDimensionChanged{DimensionId: h.name("CC"), DimensionName: h.name("Cost center"), ValueId: "1", Name: "Mill"}
		shop := &manufacturingv1.FinancialDimensionChanged{DimensionId: h.name("CC"), ValueId: "2", Name: "Shop"}
		h.apply(a, "mill", mill)
		h.apply(a, "shop", shop)
		h.poll()
		all := func() int {
			return len(told[*manufacturingv1.FinancialDimensionChanged](h, "hq/master-data", "dimension/"+h.name("CC")))
		}
		if n := all(); n != 0 {
			t.Fatalf("told %d, want nothing: the mesh made them", n)
		}
		shop.DimensionName = h.name("Cost centre") // renames it for both
		h.apply(a, "renamed", shop)
		h.poll()
		if n := all(); n != 0 {
			t.Fatalf("told %d, want nothing: the mesh renamed the dimension", n)
		}
		mill.DimensionName, mill.Name = "", h.name("Old mill")
		h.apply(a, "both", mill)
		shop.DimensionName = h.name("Centre")
		h.apply(a, "at once", shop)
		h.poll()
		if n := all(); n != 0 {
			t.Fatalf("told %d, want nothing: one event of the mesh changed the value, another the dimension", n)
		}
		plan := h.find("account.analytic.plan", "x_mesh_dimension", h.name("CC"))
		h.write("account.analytic.account", h.find("account.analytic.account", "name", h.name("Old mill")), map[string]any{"name": h.name("New mill")})
		h.poll()
		if got := h.dimension("CC", "1"); len(got) != 1 || got[0].GetName() != h.name("New mill") || all() != 1 {
			t.Fatalf("told %v, want what a person changed", got)
		}
		h.write("account.analytic.plan", plan, map[string]any{"name": h.name("Departments")})
		h.poll()
		if got := h.dimension("CC", "2"); len(got) != 1 || got[0].GetDimensionName() != h.name("Departments") || all() != 3 {
			t.Fatalf("told %v, want both values with the name that a person gave the dimension", got)
		}
	})
}

func TestUnitsThatAPersonDefinedAreTold(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		a := h.applier()
		if err := a.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		piece := h.read("product.product", h.product(nil), "uom_id").ref("uom_id")
		h.poll()
		before := len(told[*manufacturingv1.UnitChanged](h, "hq/master-data", ""))
		code, other, wrong := unitCode(0), unitCode(1), strings.ToLower(unitCode(2))
		box := h.create("uom.uom", map[string]any{"name": h.name("Box"), "x_mesh_code": code, "relative_uom_id": piece, "relative_factor": 24})[0]
		h.create("uom.uom", map[string]any{"name": h.name("Bag"), "x_mesh_code": wrong, "relative_uom_id": piece, "relative_factor": 5})
		h.poll()
		h.poll()
		units := func(code string) []*manufacturingv1.UnitChanged {
			return told[*manufacturingv1.UnitChanged](h, "hq/master-data", "unit/"+code)
		}
		got := units(code)
		if len(got) != 1 || got[0].GetName() != h.name("Box") || got[0].GetReferenceUnit() != "C62" || got[0].GetFactor() != "24" {
			t.Fatalf("told %v, want a box of 24 pieces", got)
		}
		if n := len(told[*manufacturingv1.UnitChanged](h, "hq/master-data", "")); n != before+1 {
			t.Errorf("told of %d units, want one: the code of the other is none, and Odoo's own are known", n-before)
		}
		h.write("uom.uom", box, map[string]any{"x_mesh_code": false})
		h.poll()
		h.poll()
		if got = units(code); len(got) != 2 || !got[1].GetRetired() {
			t.Fatalf("told %v, want it retired without its code", got)
		}
		h.apply(a, "unit", &manufacturingv1.UnitChanged{UnitId: other, Name: h.name("Pallet"), ReferenceUnit: "EA", Factor: "480.0"})
		h.poll()
		if got = units(other); len(got) != 0 {
			t.Fatalf("told %v, want nothing: the mesh made it so", got)
		}
		h.write("uom.uom", h.find("uom.uom", "x_mesh_code", other), map[string]any{"name": h.name("Tray")})
		h.poll()
		if got = units(other); len(got) != 1 || got[0].GetName() != h.name("Tray") || got[0].GetFactor() != "480" {
			t.Fatalf("told %v, want what a person changed", got)
		}
	})
}

// unitCode is one that other runs on the same database hardly have.
func unitCode(n int64) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
	at := time.Now().UnixNano()/1000 + n*17
	return "Y" + string(letters[at%36]) + string(letters[at/36%36])
}

func TestItemThatLosesItsReferenceIsRetired(t *testing.T) {
	onBoth(t, func(t *testing.T, h *office) {
		id := h.product(nil)
		h.poll()
		h.write("product.product", id, map[string]any{"default_code": false})
		h.poll()
		h.poll()
		if got := h.items("bolt"); len(got) != 2 || !got[1].GetRetired() {
			t.Fatalf("told %v, want it retired by its former reference", got)
		}
		h.write("product.product", id, map[string]any{"default_code": h.name("bolt")})
		h.poll()
		if got := h.items("bolt"); len(got) != 3 || got[2].GetRetired() {
			t.Fatalf("told %v, want it in use again", got)
		}
	})
}
