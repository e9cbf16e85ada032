package capture

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// Odoo has no routings of their own: the operations belong to a bill of materials. Its reference is the routing's id too, unless the mesh has another.
var routings = kind{
	name: "routings", model: "mrp.bom", fields: append(slices.Clone(billFields), "x_mesh_routing"), build: buildRoutings, unheld: []string{"routing_id", "setup_duration"},
	parts: []part{{model: "mrp.routing.workcenter", parent: "bom_id"}},
	end: func(last proto.Message) proto.Message {
		m := proto.Clone(last)
		if routing, ok := m.(*manufacturingv1.RoutingChanged); ok {
			routing.Operations = nil
		}
		return m
	},
}

// buildRoutings tells of the operations of bills that have some, or had some when they were told last.
func buildRoutings(ctx context.Context, p *pass, rows []row) ([]thing, error) {
	rows = slices.DeleteFunc(slices.Clone(rows), func(r row) bool {
		return !isMade(r) || r.text("code") == "" // the bill's own kind says what is missing
	})
	steps, err := p.linesOf(ctx, "mrp.routing.workcenter", rows, "name", "sequence", "workcenter_id", "time_cycle_manual", "x_mesh_operation", "active")
	if err != nil {
		return nil, err
	}
	ids := map[int64]bool{}
	for _, all := range steps {
		for _, s := range all {
			ids[s.ref("workcenter_id")] = true
		}
	}
	centers, err := p.related(ctx, "mrp.workcenter", "id", ids, "name", "code")
	if err != nil {
		return nil, err
	}
	has, err := p.columns(ctx, "mrp.routing.workcenter")
	if err != nil {
		return nil, err
	}
	var things []thing
	for _, r := range rows {
		t := p.thing(r)
		site := "" // of a bill for one plant
		if kind := r.ref("picking_type_id"); kind != 0 {
			if site, err = p.siteOfType(ctx, kind); err != nil {
				return nil, err
			}
		}
		routing := &manufacturingv1.RoutingChanged{RoutingId: cmp.Or(r.text("x_mesh_routing"), r.text("code")), BillOfMaterialsId: r.text("code")}
		for _, s := range steps[r.id()] {
			t.join(s, p.uid)
			if has["active"] && !s.yes("active") {
				continue
			}
			center := centers[s.ref("workcenter_id")]
			id, problem := p.config.PlantWorkCenter(site, center.text("code"), center.text("name"))
			t.leftOut = cmp.Or(t.leftOut, problem)
			step := &manufacturingv1.Operation{OperationId: idIn(s, "x_mesh_operation"), Name: s.text("name"), WorkCenterId: id}
			if step.RunDuration, err = minutes(s.number("time_cycle_manual")); err != nil {
				return nil, err
			}
			routing.Operations = append(routing.Operations, step)
		}
		if len(routing.Operations) == 0 && !p.look {
			var told state
			if found, err := p.load(p.prefix("told", p.kind.name)+t.key, &told); err != nil || !found {
				if err != nil {
					return nil, err
				}
				continue
			}
		}
		t.payload = routing
		things = append(things, t)
	}
	return things, nil
}

// minutes are a duration to the nanosecond; nil if there is none.
func minutes(n *apd.Decimal) (*durationpb.Duration, error) {
	if n == nil || n.Sign() <= 0 {
		return nil, nil
	}
	exact, rounded := new(apd.Decimal), new(apd.Decimal)
	calc := apd.BaseContext.WithPrecision(40)
	if _, err := calc.Mul(exact, n, apd.New(int64(time.Minute), 0)); err != nil {
		return nil, err
	}
	if _, err := calc.RoundToIntegralValue(rounded, exact); err != nil {
		return nil, err
	}
	nanos, err := rounded.Int64()
	if err != nil {
		return nil, err
	}
	return durationpb.New(time.Duration(nanos)), nil
}
