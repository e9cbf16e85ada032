package odootest

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// create makes one record.
func (p *plant) create(model string, values map[string]any) int64 {
	p.t.Helper()
	ids, err := p.client.Create(p.t.Context(), model, values)
	if err != nil {
		p.t.Fatal(err)
	}
	return ids[0]
}

// warehouse makes one of a company, or without one of the first, and returns its code and the id of its stock.
func (p *plant) warehouse(code string, company int64) (stock int64) {
	p.t.Helper()
	values := map[string]any{"name": "Plant " + code + " " + p.tag, "code": code}
	if company != 0 {
		values["company_id"] = company
	}
	made := p.create("stock.warehouse", values)
	return ref(p.one("stock.warehouse", where("id", made), "lot_stock_id")["lot_stock_id"])
}

// mapped has the plant's events applied under a mapping, by a user that an administrator lets work in its companies.
func (p *plant) mapped(change func(*odoo.Config)) {
	p.t.Helper()
	if p.target.Connector != "" {
		cfg := p.target.Config()
		change(&cfg)
		admin, err := odoo.NewAdministrator(cfg, p.target.Key, "", slog.New(slog.DiscardHandler))
		if err != nil {
			p.t.Fatal(err)
		}
		defer admin.Close()
		plan, err := admin.Plan(p.t.Context(), false)
		if err != nil {
			p.t.Fatal(err)
		}
		if done, _, err := admin.Provision(p.t.Context(), false); err != nil || !slices.Equal(plan, done) {
			p.t.Fatalf("planned %v, did %v, %v", plan, done, err)
		}
		if left, err := admin.Plan(p.t.Context(), false); err != nil || len(left) != 0 {
			p.t.Errorf("left to do: %v, %v", left, err)
		}
	}
	p.applier = p.newApplier(change)
}

// namesAreMapped: what a plant calls otherwise than Odoo lands where the mapping says; a site's own entries go before those for all.
func namesAreMapped(t *testing.T, target Target) {
	p := newPlant(t, target)
	code := "M" + p.code()
	stock := p.warehouse(code, 0)
	p.create("stock.location", map[string]any{"name": p.name("Raw"), "usage": "internal", "location_id": stock})
	p.create("stock.location", map[string]any{"name": p.name("Bin"), "usage": "internal", "location_id": stock, "barcode": p.name("BAR")})
	p.create("mrp.workcenter", map[string]any{"name": p.name("Lathe"), "code": p.name("L1")})
	named := p.create("mrp.workcenter", map[string]any{"name": p.name("Mill"), "code": p.name("M1")})
	debit, credit, journal := p.ledger()
	box := p.code()
	p.apply(&manufacturingv1.UnitChanged{UnitId: box, Name: p.name("Box"), ReferenceUnit: "C62", Factor: "24"})
	mapping := func(account string) func(*odoo.Config) {
		return func(c *odoo.Config) {
			c.Units = map[string]string{"PCE": "uom.product_uom_unit", "ZBX": p.name("Box")}
			c.Accounts = map[string]string{"D": debit, "C": account}
			c.Locations = map[string]string{"RAW": "Stock"}
			c.Sites = map[string]odoo.Site{"plant-a": {
				Warehouse: code, Locations: map[string]string{"RAW": code + "/Stock/" + p.name("Raw"), "BIN": p.name("BAR")},
				WorkCenters: map[string]string{p.name("10"): p.name("L1"), p.name("20"): p.name("Mill")},
				Journals:    map[string]string{"MATERIAL": journal}, Accounts: map[string]string{"C": credit},
			}}
		}
	}
	p.mapped(mapping("nowhere"))
	if err := p.applier.Prepare(t.Context()); err == nil || strings.Count(err.Error(), "nowhere") != 1 {
		t.Errorf("prepare: %v, want the account of all sites that is not there, and nothing else", err)
	}
	p.mapped(mapping(debit))
	count := func(location, unit, quantity string) {
		t.Helper()
		p.apply(&manufacturingv1.StockCounted{CountId: p.name("C"), ItemId: p.name("IT"), LocationId: location, Quantity: in(unit, quantity)})
	}
	count("RAW", "PCE", "5")
	count("BIN", "ZBX", "0.5")
	product := p.product(p.name("IT"))
	p.inStock(product, p.name("Raw"), "5")
	p.inStock(product, p.name("Bin"), "12")

	for _, id := range []string{p.name("10"), p.name("20")} {
		p.apply(&manufacturingv1.DowntimeStarted{DowntimeId: "D" + id, WorkCenterId: id, StartTime: at(8, 0)})
		p.apply(&manufacturingv1.WorkCenterChanged{WorkCenterId: id, Name: "Machine " + id})
		p.apply(&manufacturingv1.DowntimeEnded{DowntimeId: "D" + id, WorkCenterId: id, EndTime: at(9, 0)})
	}
	expect(t, p.one("mrp.workcenter", where("code", p.name("L1")), "name"), map[string]string{"name": "Machine " + p.name("10")})
	expect(t, p.one("mrp.workcenter", where("id", named), "name", "code"), map[string]string{"name": p.name("Mill"), "code": p.name("M1")})

	p.apply(&manufacturingv1.PostingPrepared{PostingId: p.name("P"), JournalId: "MATERIAL", PostingDate: "2026-01-31", Lines: []*manufacturingv1.PostingLine{
		{AccountId: "D", Side: manufacturingv1.PostingSide_POSTING_SIDE_DEBIT, Amount: p.money("3")},
		{AccountId: "C", Side: manufacturingv1.PostingSide_POSTING_SIDE_CREDIT, Amount: p.money("3")},
	}})
	entry := p.one("account.move", where("x_mesh_posting", p.name("P")), "id")
	if n := len(p.read("account.move.line", []any{[]any{"move_id", "=", id(entry["id"])}, []any{"account_id.code", "in", []string{debit, credit}}}, "id")); n != 2 {
		t.Errorf("%d lines on the mapped accounts, want 2", n)
	}
}

// mappingIsHeldAgainstOdoo: everything that is wrong with a mapping blocks, named at once with its path, and so does a check say.
func mappingIsHeldAgainstOdoo(t *testing.T, target Target) {
	p := newPlant(t, target)
	code, company := "N"+p.code(), p.name("Works")
	stock := p.warehouse(code, 0)
	p.create("stock.location", map[string]any{"name": p.name("Bin"), "usage": "internal", "location_id": stock, "barcode": p.name("BAR")})
	for range 2 {
		p.create("stock.location", map[string]any{"name": p.name("Twice"), "usage": "internal", "location_id": p.create("stock.location", map[string]any{"name": p.name("Hall"), "location_id": stock})})
	}
	other := "O" + p.code()
	p.warehouse(other, p.create("res.company", map[string]any{"name": company}))
	first := name(p.one("stock.warehouse", where("code", "WH"), "company_id")["company_id"])
	wrong := func(c *odoo.Config) {
		c.Warehouse = "NO1"
		c.Units = map[string]string{"ZZ": "uom.none", "YY": "kg"}
		c.Sites = map[string]odoo.Site{
			"plant-b": {Warehouse: "NO2"},
			"plant-c": {Company: p.name("Nobody"), Warehouse: code},
			"plant-d": {Company: first, Warehouse: other},
			"plant-e": {
				Company: first, Warehouse: code, Locations: map[string]string{"A": p.name("Bin"), "B": p.name("BAR"), "C": "WH/Stock", "D": p.name("None"), "E": p.name("Twice")},
				Journals: map[string]string{"J": "NOJ"}, Accounts: map[string]string{"A": "NOA"}, WorkCenters: map[string]string{"10": p.name("NOW")},
			},
		}
	}
	if target.Connector != "" { // it may work in the other company, and sees it
		p.mapped(func(c *odoo.Config) { c.Sites = map[string]odoo.Site{"plant-x": {Company: company, Warehouse: other}} })
	}
	says := []string{
		`odoo.warehouse "NO1": Odoo has no warehouse with this code`, `odoo.sites.plant-b.warehouse "NO2"`,
		`odoo.sites.plant-c.company "` + p.name("Nobody") + `": Odoo has no such company`,
		`odoo.sites.plant-d.warehouse "` + other + `": it belongs to ` + company,
		`odoo.sites.plant-e.locations.B "` + p.name("BAR") + `": it is what A is mapped to`,
		`odoo.sites.plant-e.locations.C "WH/Stock": it is WH/Stock in Odoo, which is no storage location in warehouse ` + code,
		`odoo.sites.plant-e.locations.D "` + p.name("None") + `": Odoo has no storage location`,
		`odoo.sites.plant-e.locations.E "` + p.name("Twice") + `": Odoo has 2 of them`,
		`odoo.sites.plant-e.work_centers.10 "` + p.name("NOW") + `": Odoo has no work center`,
		`odoo.sites.plant-e.journals.J "NOJ": Odoo has no journal`, `odoo.sites.plant-e.accounts.A "NOA": Odoo has no account`,
		`odoo.units.ZZ "uom.none": Odoo has no unit`, `odoo.units.YY "kg": this is Odoo's own unit uom.product_uom_kgm`,
	}
	a := p.newApplier(wrong)
	err := a.Prepare(t.Context())
	if !errors.Is(err, consumer.ErrBlocked) {
		t.Fatalf("prepare: %v, want it blocked", err)
	}
	cfg := p.target.Config()
	cfg.APIKey = p.key()
	if target.Connector != "" {
		cfg.Login = odoo.ConnectorLogin
	}
	wrong(&cfg)
	findings, failed := odoo.Check(t.Context(), cfg)
	if failed != nil {
		t.Fatal(failed)
	}
	var found []string
	for _, f := range findings {
		if f.About == "mapping" && !f.OK {
			found = append(found, f.Text)
		}
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) || !strings.Contains(a.Status().Problem, text) || !strings.Contains(strings.Join(found, "\n"), text) {
			t.Errorf("prepare, status or check lack %s:\n%v\n%s", text, err, strings.Join(found, "\n"))
		}
	}
	if len(found) != len(says) {
		t.Errorf("%d findings, want %d:\n%s", len(found), len(says), strings.Join(found, "\n"))
	}
}

// gramsAreExact: quantities are converted within their dimension, and exactly at the edge of what Odoo keeps.
func gramsAreExact(t *testing.T, target Target) {
	p := newPlant(t, target)
	item := p.item("IT")
	item.Unit = "GRM"
	p.apply(item)
	product := p.product(p.name("IT"))
	for _, c := range []struct{ unit, value, grams string }{
		{"KGM", "0.001", "1"}, {"KGM", "0.00001", "0.01"}, {"KGM", "1.1", "1100"}, {"KGM", "999999999.99999", "999999999999.99"}, {"TNE", "0.000001", "1"}, {"GRM", "0.1", "0.1"},
	} {
		p.apply(&manufacturingv1.StockCounted{CountId: p.name("C"), ItemId: p.name("IT"), Quantity: in(c.unit, c.value)})
		p.inStock(product, "Stock", c.grams)
	}
	p.refused(&manufacturingv1.StockCounted{CountId: p.name("C"), ItemId: p.name("IT"), Quantity: in("MTR", "1")}, "cannot be converted to g")
	p.refused(&manufacturingv1.StockCounted{CountId: p.name("C"), ItemId: p.name("IT"), Quantity: in("KGM", "1000000000.000001")}, "16 significant digits")
}
