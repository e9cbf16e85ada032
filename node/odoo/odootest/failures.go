package odootest

import (
	"errors"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func provisioningIsRepeatable(t *testing.T, target Target) {
	p := newPlant(t, target)
	for range 2 {
		if err := p.newApplier().Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for _, model := range []string{odoo.ModelFence, odoo.ModelApplied, odoo.ModelHold} {
		p.one("ir.model", where("model", model), "name")
	}
	if target.Code == odoo.CodeAddon {
		p.noActions()
		return
	}
	p.one("ir.model", where("model", odoo.ModelRegister), "name")
	for _, ours := range odoo.ActionsFor(p.major()) {
		action := p.one("ir.actions.server", where("name", ours.Name), "code")
		if code, _ := action["code"].(string); strings.TrimSpace(code) != strings.TrimSpace(ours.Code) {
			t.Errorf("the code of %q in Odoo is not this node's", ours.Name)
		}
	}
}

func unknownKeyBlocks(t *testing.T, target Target) {
	p := newPlant(t, target)
	a := p.newApplier(func(c *odoo.Config) { c.APIKey = "0000000000000000000000000000000000000000" })
	err := a.Handle(t.Context(), p.record(&manufacturingv1.ScrapReported{ItemId: "X", Quantity: pieces("1")}))
	if !errors.Is(err, consumer.ErrBlocked) || !strings.Contains(err.Error(), "API key") {
		t.Errorf("handle with an unknown key: %v, want ErrBlocked that names the key", err)
	}
	if a.Status().Problem == "" {
		t.Error("the status shows no problem")
	}
}

func unknownDatabase(t *testing.T, target Target) {
	target.Database += "_that_is_not_there"
	client := target.Open(t)
	var failed *odoo.Error
	err := client.Call(t.Context(), "res.users", "context_get", nil, nil)
	if !errors.As(err, &failed) || failed.Status != 404 || failed.Class != odoo.Transient {
		t.Errorf("call: %v, want a transient 404", err)
	}
}

func unknownWarehouseBlocks(t *testing.T, target Target) {
	p := newPlant(t, target)
	a := p.newApplier(func(c *odoo.Config) {
		c.Warehouse = "NO1"
		c.Sites = map[string]odoo.Site{"plant-b": {Warehouse: "NO2"}}
	})
	err := a.Prepare(t.Context())
	if !errors.Is(err, consumer.ErrBlocked) || !strings.Contains(err.Error(), "NO1") || !strings.Contains(err.Error(), "NO2") {
		t.Errorf("prepare: %v, want ErrBlocked that names both warehouses", err)
	}
}

func errorsHaveClasses(t *testing.T, target Target) {
	p := newPlant(t, target)
	if err := p.applier.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		model, method string
		args          odoo.Args
		status        int
		class         odoo.Class
		says          string
	}{
		{"no.model", "read", nil, 404, odoo.Configuration, "no.model"},
		{"res.users", "no_method", nil, 404, odoo.Configuration, "no_method"},
		{"mrp.production", "search_count", nil, 422, odoo.Business, "argument: 'domain'"},
		{"mrp.production", "search_count", odoo.Args{"domain": []any{}, "nonsense": 1}, 422, odoo.Business, "got an unexpected keyword argument 'nonsense'"},
		{"mrp.production", "search_count", odoo.Args{"domain": []any{[]any{"nonsense", "=", 1}}}, 500, odoo.Business, "Invalid field"},
		{"mrp.workcenter", "create", odoo.Args{"vals_list": []any{map[string]any{"name": "x", "nonsense": 1}}}, 500, odoo.Business, "Invalid field"},
	} {
		var failed *odoo.Error
		err := p.client.Call(t.Context(), c.model, c.method, c.args, nil)
		if !errors.As(err, &failed) || failed.Status != c.status || failed.Class != c.class || !strings.Contains(failed.Message, c.says) {
			t.Errorf("%s/%s: %v (%+v), want %d, %s, %q", c.model, c.method, err, failed, c.status, c.class, c.says)
		}
	}
}

func fenceIsReadOnly(t *testing.T, target Target) {
	p := newPlant(t, target)
	if err := p.applier.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, model := range []string{odoo.ModelFence, odoo.ModelApplied} {
		var failed *odoo.Error
		_, err := p.client.Create(t.Context(), model, map[string]any{})
		if !errors.As(err, &failed) || failed.Status != 403 || failed.Class != odoo.Configuration {
			t.Errorf("create %s: %v, want 403", model, err)
		}
	}
}

func completionDialog(t *testing.T, target Target) {
	p := newPlant(t, target)
	order := p.name("WO")
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: p.name("IT"), Quantity: pieces("10")})
	record := id(p.one("mrp.production", where("x_mesh_order", order), "id")["id"])
	if err := p.client.Write(t.Context(), "mrp.production", []int64{record}, map[string]any{"qty_producing": 4}); err != nil {
		t.Fatal(err)
	}
	var answer any
	if err := p.client.Call(t.Context(), "mrp.production", "button_mark_done", odoo.Args{"ids": []int64{record}}, &answer); err != nil {
		t.Fatal(err)
	}
	if dialog, ok := answer.(map[string]any); !ok || dialog["type"] != "ir.actions.act_window" {
		t.Errorf("button_mark_done answers %v, want a dialog", answer)
	}
	if state := p.one("mrp.production", where("x_mesh_order", order), "state")["state"]; state == "done" {
		t.Error("the order is done although Odoo asked first")
	}
}

func scrapDialog(t *testing.T, target Target) {
	p := newPlant(t, target)
	p.apply(&manufacturingv1.ProductionOrderReleased{OrderId: p.name("WO"), ItemId: p.name("IT"), Quantity: pieces("10")})
	product := id(p.one("product.product", where("default_code", p.name("IT")), "id")["id"])
	ids, err := p.client.Create(t.Context(), "stock.scrap", map[string]any{"product_id": product, "scrap_qty": 3})
	if err != nil {
		t.Fatal(err)
	}
	var answer any
	if err := p.client.Call(t.Context(), "stock.scrap", "action_validate", odoo.Args{"ids": ids}, &answer); err != nil {
		t.Fatal(err)
	}
	if dialog, ok := answer.(map[string]any); !ok || dialog["res_model"] != "stock.warn.insufficient.qty.scrap" {
		t.Errorf("action_validate answers %v, want a dialog", answer)
	}
	expect(t, p.one("stock.scrap", where("id", ids[0]), "state"), map[string]string{"state": "draft"})
}

func ignoredTypes(t *testing.T, target Target) {
	p := newPlant(t, target)
	err := p.applier.Handle(t.Context(), p.record(&manufacturingv1.InspectionRecorded{
		InspectionId: p.name("I"), ItemId: p.name("IT"), Result: manufacturingv1.InspectionResult_INSPECTION_RESULT_PASSED,
	}))
	if !errors.Is(err, consumer.ErrIgnored) {
		t.Errorf("inspection: %v, want ErrIgnored", err)
	}
}

func unknownUnit(t *testing.T, target Target) {
	p := newPlant(t, target)
	err := p.applier.Handle(t.Context(), p.record(&manufacturingv1.ScrapReported{ItemId: p.name("IT"), Quantity: in("ZZ", "1")}))
	parked(t, err, `unit "ZZ" has no counterpart in Odoo`)
	err = p.applier.Handle(t.Context(), p.record(&manufacturingv1.ScrapReported{ItemId: p.name("IT"), Quantity: pieces("1234567890123456")}))
	parked(t, err, "16 significant digits")
}

func missingIsNamed(t *testing.T, target Target) {
	p := newPlant(t, target, func(c *odoo.Config) { c.CreateMissing = nil })
	order, item := p.name("WO"), p.name("IT")
	err := p.applier.Handle(t.Context(), p.record(&manufacturingv1.ProductionOrderReleased{OrderId: order, ItemId: item, Quantity: pieces("1")}))
	parked(t, err, "Item "+item+" is not in Odoo: create a product with this internal reference, or let plantmesh do it with create_missing: [items].")
	err = p.applier.Handle(t.Context(), p.record(&manufacturingv1.OperationReported{
		OrderId: order, ItemId: item, OrderQuantity: pieces("1"), OperationId: "OP", WorkCenterId: p.name("WC"),
		Activity: manufacturingv1.Activity_ACTIVITY_SETUP, StartTime: at(6, 0), EndTime: at(7, 0),
	}))
	parked(t, err, "Production order "+order+" is not in Odoo")
	if n := len(p.read("product.product", where("default_code", item), "id")); n != 0 {
		t.Errorf("%d products were made", n)
	}
}

// parked checks that an event was set aside with a text.
func parked(t testing.TB, err error, says string) {
	t.Helper()
	var park *consumer.ParkError
	if !errors.As(err, &park) || !strings.Contains(err.Error(), says) {
		t.Errorf("handle: %v, want it parked with %q", err, says)
	}
}
