package reconcile_test

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
	"github.com/plantmesh/plantmesh/node/odoo/replay"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// history is a node that is past everything it was told.
type history map[plantmesh.StreamName][]*eventv1.RecordedEvent

func (h history) Positions(context.Context) (map[plantmesh.StreamName]plantmesh.Offset, error) {
	all := map[plantmesh.StreamName]plantmesh.Offset{}
	for name, events := range h {
		all[name] = plantmesh.Offset(len(events))
	}
	return all, nil
}

func (history) Parked(context.Context, plantmesh.StreamName, string) (plantmesh.Offset, error) {
	return 0, nil
}

func (history) Discarded(context.Context) (map[string]bool, error) { return nil, nil }

func (h history) Events(_ context.Context, name plantmesh.StreamName, _ time.Time) iter.Seq2[replay.Item, error] {
	return func(yield func(replay.Item, error) bool) {
		for _, e := range h[name] {
			if !yield(replay.Item{Incarnation: 1, Event: e}, nil) {
				return
			}
		}
	}
}

func (h history) tell(b testing.TB, payload proto.Message) {
	n := 0
	for _, events := range h {
		n += len(events)
	}
	e, err := plantmesh.NewEvent("//plant-a/mes", fmt.Sprint(n), time.Date(2026, 1, 5, 6, 0, n, 0, time.UTC), payload)
	if err != nil {
		b.Fatal(err)
	}
	kind, err := plantmesh.LookupEventType(e.GetType())
	if err != nil {
		b.Fatal(err)
	}
	name := plantmesh.StreamOf("plant-a", kind.Domain)
	h[name] = append(h[name], &eventv1.RecordedEvent{Site: "plant-a", Offset: uint64(len(h[name]) + 1), Event: e, RecordedTime: timestamppb.New(time.Unix(int64(n), 0))})
}

// provisioned is an Odoo that is set up, and a client of it.
func provisioned(tb testing.TB) (odoo.Config, *odoo.Client) {
	tb.Helper()
	server := httptest.NewServer(sandbox.New("mesh", "key"))
	tb.Cleanup(server.Close)
	cfg := odoo.Default()
	cfg.URL, cfg.Database, cfg.APIKey, cfg.API = server.URL, "mesh", "key", odoo.APIJSON2
	applier, err := odoo.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		tb.Fatal(err)
	}
	defer applier.Close()
	if err := applier.Prepare(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	client, err := odoo.NewClient(server.URL, "mesh", "key")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return cfg, client
}

func TestMoreEventsThanMemoryIsGivenForAreNotCompared(t *testing.T) {
	cfg, client := provisioned(t)
	h := history{}
	for n := range 4 {
		h.tell(t, &manufacturingv1.ItemChanged{ItemId: fmt.Sprint("IT-", n), Name: "Item", Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "C62"})
	}
	cfg.Reconcile.MaxEvents = 3
	r := reconcile.Reconciliation{Site: "hq", Config: cfg, Node: h, Odoo: odoo.NewReader(client), Caller: client}
	if _, err := r.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "more than 3 events have an effect in Odoo: raise odoo.reconcile.max_events") {
		t.Errorf("compared: %v", err)
	}
}

// ahead is a node that has dealt with more than it holds now: the copy of a stream was removed, and is still coming again.
type ahead struct {
	history
	by plantmesh.Offset
}

func (a ahead) Positions(ctx context.Context) (map[plantmesh.StreamName]plantmesh.Offset, error) {
	all, err := a.history.Positions(ctx)
	for name := range all {
		all[name] += a.by
	}
	return all, err
}

func TestOrdersAreNotComparedWhileACopyIsStillComing(t *testing.T) {
	cfg, client := provisioned(t)
	h := history{}
	h.tell(t, &manufacturingv1.ProductionOrderReleased{OrderId: "WO", ItemId: "IT", Quantity: &manufacturingv1.Quantity{Value: "7", Unit: "C62"}})
	r := reconcile.Reconciliation{Site: "hq", Config: cfg, Node: ahead{h, 4}, Odoo: odoo.NewReader(client), Caller: client}
	report, err := r.Run(t.Context())
	if err != nil || fmt.Sprint(report.Incomplete) != "[plant-a/production: offsets 2 to 5]" || len(report.Differences) != 0 {
		t.Errorf("compared: %v, %+v", err, report)
	}
	r.Node = h
	if report, err = r.Run(t.Context()); err != nil || len(report.Incomplete) != 0 || len(report.Differences) == 0 {
		t.Errorf("compared when it has come: %v, %+v", err, report)
	}
}

// A history of 50,000 events about 5,000 items and 20,000 orders, and an Odoo that has the same.
func BenchmarkReconcile(b *testing.B) {
	const items, orders = 5_000, 20_000
	cfg, client := provisioned(b)
	create := func(model string, rows []map[string]any) []int64 {
		b.Helper()
		ids, err := client.Create(b.Context(), model, rows...)
		if err != nil {
			b.Fatal(err)
		}
		return ids
	}
	only := func(model, field, value string) int64 {
		b.Helper()
		var found []struct {
			ID int64 `json:"id"`
		}
		if err := client.SearchRead(b.Context(), model, []any{[]any{field, "=", value}}, []string{"id"}, 1, &found); err != nil || len(found) == 0 {
			b.Fatalf("%s %s: %v", model, value, err)
		}
		return found[0].ID
	}
	unit, shelf := only("uom.uom", "name", "Units"), only("stock.location", "complete_name", "WH/Stock")
	h := history{}
	var rows []map[string]any
	quantity := func(n int) *manufacturingv1.Quantity {
		return &manufacturingv1.Quantity{Value: fmt.Sprint(n), Unit: "C62"}
	}
	name := func(n int) string { return fmt.Sprint("IT-", n) }
	for n := range items {
		rows = append(rows, map[string]any{"name": "Item", "default_code": name(n), "type": "consu", "is_storable": true, "tracking": "none", "uom_id": unit})
		h.tell(b, &manufacturingv1.ItemChanged{ItemId: name(n), Name: "Item", Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "C62"})
		h.tell(b, &manufacturingv1.StockCounted{CountId: fmt.Sprint("C-", n), ItemId: name(n), Quantity: quantity(7)})
	}
	products := create("product.product", rows)
	rows = nil
	for n := range orders {
		rows = append(rows, map[string]any{"x_mesh_order": fmt.Sprint("WO-", n), "state": "done", "product_id": products[n%items], "product_uom_id": unit, "product_qty": 5, "qty_produced": 5})
		h.tell(b, &manufacturingv1.ProductionOrderReleased{OrderId: fmt.Sprint("WO-", n), ItemId: name(n % items), Quantity: quantity(5)})
		h.tell(b, &manufacturingv1.ProductionCompleted{OrderId: fmt.Sprint("WO-", n), ItemId: name(n % items), Quantity: quantity(5)})
	}
	create("mrp.production", rows)
	rows = nil
	for n := range items {
		rows = append(rows, map[string]any{"product_id": products[n], "location_id": shelf, "quantity": 7 + 5*orders/items})
	}
	create("stock.quant", rows)
	r := reconcile.Reconciliation{Site: "hq", Config: cfg, Node: h, Odoo: odoo.NewReader(client), Caller: client}
	b.ReportAllocs()
	for b.Loop() {
		report, err := r.Run(b.Context())
		if err != nil || !report.Agree {
			b.Fatalf("%v, %d differences, such as %+v", err, len(report.Differences), report.Differences[:min(1, len(report.Differences))])
		}
	}
}
