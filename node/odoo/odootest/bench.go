package odootest

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// Work at once: what the node has under way by default, and what the bare client has; neither can use more on a server with as many threads.
const (
	eventsAtOnce = odoo.DefaultConcurrency * odoo.DefaultBatch
	callsAtOnce  = odoo.DefaultConcurrency
)

// workload is one kind of event, each about a subject of its own, as plants report them.
type workload struct {
	name  string
	ready func(p *plant, n int) // makes what n events need
	event func(p *plant, i int) proto.Message
	bare  func(p *plant, i int) error // the same by bare calls
}

// Bench compares applying with bare calls, type by type, in one run.
func Bench(b *testing.B, target Target) {
	for _, w := range slices.Concat(workloads(), floorWorkloads(), tradeWorkloads()) {
		b.Run(w.name+"/plantmesh", func(b *testing.B) {
			p := newPlant(b, target)
			w.ready(p, b.N)
			p.deliver(b, eventsAtOnce, false, func(i int) proto.Message { return w.event(p, i) })
		})
		b.Run(w.name+"/bare", func(b *testing.B) {
			p := newPlant(b, target)
			w.ready(p, b.N)
			b.ResetTimer()
			share(b, callsAtOnce, func(i int) error { return w.bare(p, i) })
		})
	}
	benchPostings(b, target)
}

// deliver measures the events of a benchmark, so many at once.
func (p *plant) deliver(b *testing.B, atOnce int, collected bool, event func(i int) proto.Message) {
	deliveries := make([]consumer.Delivery, b.N)
	for i := range deliveries {
		deliveries[i] = p.record(event(i))
		deliveries[i].Collected = collected
	}
	if err := p.applier.Prepare(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	share(b, atOnce, func(i int) error { return p.applier.Handle(b.Context(), deliveries[i]) })
}

// share does the work of a benchmark with some goroutines, and reports its rate.
func share(b *testing.B, workers int, do func(i int) error) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < b.N; i = int(next.Add(1)) - 1 {
				if err := do(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func (p *plant) numbered(s string, i int) string { return fmt.Sprintf("%s-%d", p.name(s), i) }

// call makes a bare call, which has to succeed.
func (p *plant) call(model, method string, ids []int64, context map[string]any) error {
	return p.client.Call(p.t.Context(), model, method, odoo.Args{"ids": ids, "context": context}, nil)
}

func workloads() []workload {
	var product, center, loss, location atomic.Int64
	item := func(p *plant, _ int) {
		p.apply(p.item("IT"))
		p.count("IT", "", "1000000")
		product.Store(p.product(p.name("IT")))
		location.Store(id(p.one("stock.location", where("complete_name", "WH/Stock"), "id")["id"]))
	}
	orders := func(p *plant, n int) {
		item(p, n)
		for i := range n {
			p.release(p.numbered("WO", i), "10")
		}
	}
	released := func(p *plant, i int) int64 {
		return id(p.one("mrp.production", where("x_mesh_order", p.numbered("WO", i)), "id")["id"])
	}
	return []workload{
		{"release", item, func(p *plant, i int) proto.Message {
			return &manufacturingv1.ProductionOrderReleased{OrderId: p.numbered("WO", i), ItemId: p.name("IT"), Quantity: pieces("10")}
		}, func(p *plant, i int) error {
			ids, err := p.client.Create(p.t.Context(), "mrp.production", map[string]any{"product_id": product.Load(), "product_qty": 10, "origin": p.numbered("WO", i)})
			if err != nil {
				return err
			}
			return p.call("mrp.production", "action_confirm", ids, nil)
		}},
		{"report", func(p *plant, n int) {
			orders(p, n)
			p.apply(&manufacturingv1.WorkCenterChanged{WorkCenterId: p.name("LATHE"), Name: "Lathe"})
			center.Store(id(p.one("mrp.workcenter", where("code", p.name("LATHE")), "id")["id"]))
			loss.Store(id(p.one("mrp.workcenter.productivity.loss", where("loss_type", "productive"), "id")["id"]))
		}, func(p *plant, i int) proto.Message {
			return &manufacturingv1.OperationReported{
				OrderId: p.numbered("WO", i), OperationId: "10", WorkCenterId: p.name("LATHE"), Activity: manufacturingv1.Activity_ACTIVITY_PRODUCTION,
				StartTime: at(8, 0), EndTime: at(9, 0), CompletedQuantity: pieces("3"),
			}
		}, func(p *plant, i int) error {
			work, err := p.client.Create(p.t.Context(), "mrp.workorder", map[string]any{"name": "10", "production_id": released(p, i), "workcenter_id": center.Load()})
			if err != nil {
				return err
			}
			_, err = p.client.Create(p.t.Context(), "mrp.workcenter.productivity", map[string]any{
				"workorder_id": work[0], "workcenter_id": center.Load(), "loss_id": loss.Load(), "date_start": "2026-01-05 08:00:00", "date_end": "2026-01-05 09:00:00",
			})
			if err != nil {
				return err
			}
			return p.client.Write(p.t.Context(), "mrp.workorder", work, map[string]any{"state": "progress", "qty_produced": 3})
		}},
		{"complete", orders, func(p *plant, i int) proto.Message {
			return &manufacturingv1.ProductionCompleted{OrderId: p.numbered("WO", i), ItemId: p.name("IT"), Quantity: pieces("10")}
		}, func(p *plant, i int) error {
			ids := []int64{released(p, i)}
			if err := p.client.Write(p.t.Context(), "mrp.production", ids, map[string]any{"qty_producing": 10}); err != nil {
				return err
			}
			return p.call("mrp.production", "button_mark_done", ids, map[string]any{"skip_consumption": true, "skip_redirection": true, "skip_backorder": true})
		}},
		{"scrap", item, func(p *plant, i int) proto.Message {
			return &manufacturingv1.ScrapReported{ItemId: p.name("IT"), Quantity: pieces("1"), OrderId: p.numbered("WO", i)}
		}, func(p *plant, i int) error {
			ids, err := p.client.Create(p.t.Context(), "stock.scrap", map[string]any{
				"product_id": product.Load(), "scrap_qty": 1, "location_id": location.Load(), "origin": p.numbered("WO", i),
			})
			if err != nil {
				return err
			}
			return p.call("stock.scrap", "action_validate", ids, nil)
		}},
		{"count", func(p *plant, n int) {
			item(p, n)
			for i := range n {
				changed := p.item("IT")
				changed.ItemId = p.numbered("IT", i)
				p.apply(changed)
			}
		}, func(p *plant, i int) proto.Message {
			return &manufacturingv1.StockCounted{CountId: p.name("C"), ItemId: p.numbered("IT", i), Quantity: pieces("7")}
		}, func(p *plant, i int) error {
			quant, err := p.client.Create(p.t.Context(), "stock.quant", map[string]any{
				"product_id": id(p.one("product.product", where("default_code", p.numbered("IT", i)), "id")["id"]), "location_id": location.Load(), "inventory_quantity": 7,
			})
			if err != nil {
				return err
			}
			return p.call("stock.quant", "action_apply_inventory", quant, nil)
		}},
	}
}
