package reallog_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// chapter is events that need what the chapters before them set up.
type chapter struct {
	name   string
	events []*eventv1.Event
}

// teller makes events of the shop.
type teller struct {
	t      *testing.T
	at     time.Time
	events []*eventv1.Event
}

func (s *teller) tell(id string, payload proto.Message) {
	s.t.Helper()
	event, err := plantmesh.NewEvent("//shop/erp-feed", id, s.at, payload)
	if err != nil {
		s.t.Fatal(err)
	}
	s.events = append(s.events, event)
}

func (s *teller) end(name string) chapter {
	c := chapter{name, s.events}
	s.events = nil
	return c
}

func quantity(n int, unit string) *manufacturingv1.Quantity {
	return &manufacturingv1.Quantity{Value: strconv.Itoa(n), Unit: unit}
}

// story is everything that is published. Subjects go on side by side in Odoo, so a chapter is told when the one before it is applied.
func (f *factory) story(t *testing.T) []chapter {
	s := &teller{t: t, at: f.reports[0].payload.GetStartTime().AsTime().Add(-24 * time.Hour)}
	return []chapter{f.things(s), f.bills(s), f.stock(s), f.log(s)}
}

// things are units, items and work centers, which need nothing.
func (f *factory) things(s *teller) chapter {
	s.tell("unit", &manufacturingv1.UnitChanged{UnitId: trayUnit, Name: "Tray of 10", ReferenceUnit: "C62", Factor: strconv.Itoa(trayPieces)})
	item := func(id, unit string, tracking manufacturingv1.Tracking, purchased bool) {
		category := "Shop / Parts"
		if purchased {
			category = "Shop / Material"
		}
		s.tell("item/"+id, &manufacturingv1.ItemChanged{
			ItemId: id, Name: id, Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: unit, Tracking: tracking, Category: category, Purchased: purchased, Sold: !purchased,
		})
	}
	item(carton, "C62", manufacturingv1.Tracking_TRACKING_NONE, true)
	item(grease, "KGM", manufacturingv1.Tracking_TRACKING_NONE, true)
	for _, id := range f.items() {
		item(blank(id), "C62", manufacturingv1.Tracking_TRACKING_LOT, true)
		tracking := manufacturingv1.Tracking_TRACKING_LOT
		if f.serial[id] {
			tracking = manufacturingv1.Tracking_TRACKING_SERIAL
		}
		item(id, "C62", tracking, false)
	}
	for _, center := range f.centers {
		s.tell("work-center/"+center, &manufacturingv1.WorkCenterChanged{WorkCenterId: center, Name: center, EfficiencyPercent: "100"})
	}
	return s.end("units, items and work centers")
}

// bills are bills of materials, their routings, and the bills again, which then say at which operation a piece gets its carton.
func (f *factory) bills(s *teller) chapter {
	for _, id := range f.items() {
		b := &manufacturingv1.BillOfMaterialsChanged{
			BillOfMaterialsId: bill(id), ItemId: id, Quantity: quantity(1, "C62"), Components: []*manufacturingv1.Component{
				{LineId: "blank", ItemId: blank(id), Quantity: quantity(1, "C62")},
				{LineId: "carton", ItemId: carton, Quantity: quantity(1, "C62")},
				{LineId: "grease", ItemId: grease, Quantity: quantity(greaseGrams, "GRM")},
			},
		}
		s.tell("bill/"+id, proto.CloneOf(b))
		routing, packing := &manufacturingv1.RoutingChanged{RoutingId: "R " + id, BillOfMaterialsId: bill(id)}, ""
		for i, at := range f.steps[id] {
			name := fmt.Sprintf("%d", (i+1)*10)
			if at.center == "Packing" {
				packing = name
			}
			routing.Operations = append(routing.Operations, &manufacturingv1.Operation{
				OperationId: name, Name: at.operation, WorkCenterId: at.center, RunDuration: durationpb.New(f.cycles[id][at]),
			})
		}
		s.tell("routing/"+id, routing)
		if packing != "" {
			b.Components[1].OperationId = packing
			s.tell("bill-with-operations/"+id, b)
		}
	}
	return s.end("bills of materials and routings")
}

// stock is counted before the first report: blanks in whole trays, by lot.
func (f *factory) stock(s *teller) chapter {
	open := f.opening()
	for _, id := range f.items() {
		s.tell("count/"+blank(id), &manufacturingv1.StockCounted{
			CountId: "opening", ItemId: blank(id), LotId: heat(id), Quantity: quantity(open[blank(id)]/trayPieces, trayUnit), CountTime: timestamppb.New(s.at),
		})
	}
	s.tell("count/"+carton, &manufacturingv1.StockCounted{CountId: "opening", ItemId: carton, Quantity: quantity(open[carton], "C62")})
	s.tell("count/"+grease, &manufacturingv1.StockCounted{CountId: "opening", ItemId: grease, Quantity: quantity(open[grease], "KGM")})
	return s.end("opening stock")
}

// log is the log: every line as the report that it is, and what it means for orders and stock. An order is released at its first report.
// What is packed was consumed and is complete; an order that never gets to packing has its material all the same. What was rejected costs
// another blank.
func (f *factory) log(s *teller) chapter {
	byName, packed := map[string]*order{}, map[string]int{}
	for _, o := range f.orders {
		byName[o.name] = o
	}
	for _, r := range f.reports {
		o := byName[r.payload.GetOrderId()]
		s.at = r.payload.GetEndTime().AsTime()
		if r.event == o.reports[0].event {
			f.release(s, o)
		}
		s.events = append(s.events, r.event)
		if r.rejected > 0 {
			s.tell("scrap/"+r.event.GetId(), &manufacturingv1.ScrapReported{
				OrderId: o.name, ItemId: blank(o.item), Quantity: quantity(r.rejected, "C62"), LotId: heat(o.item), OperationId: r.payload.GetOperationId(), ReasonCode: "rejected",
			})
		}
		if n := r.packs(); n > 0 {
			f.pack(s, o, packed[o.name], n, r.event.GetId())
			packed[o.name] += n
		}
	}
	return s.end("the log")
}

func (f *factory) release(s *teller, o *order) {
	s.tell("release/"+o.name, &manufacturingv1.ProductionOrderReleased{
		OrderId: o.name, ItemId: o.item, Quantity: quantity(o.quantity, "C62"), BillOfMaterialsId: bill(o.item),
		PlannedStartTime: o.reports[0].payload.GetStartTime(), PlannedEndTime: o.reports[len(o.reports)-1].payload.GetEndTime(),
	})
	if o.packed() == 0 {
		s.tell("consume/"+o.name, &manufacturingv1.MaterialConsumed{OrderId: o.name, ItemId: blank(o.item), LotId: heat(o.item), Quantity: quantity(o.quantity, "C62")})
	}
}

func (f *factory) pack(s *teller, o *order, before, n int, id string) {
	s.tell("consume/"+id, &manufacturingv1.MaterialConsumed{OrderId: o.name, ItemId: blank(o.item), LotId: heat(o.item), Quantity: quantity(n, "C62")})
	done := &manufacturingv1.ProductionCompleted{OrderId: o.name, ItemId: o.item, Quantity: quantity(n, "C62"), Partial: before+n < o.quantity}
	if f.serial[o.item] {
		done.SerialIds = serials(o.name, before, n)
	} else {
		done.LotId = o.name
	}
	s.tell("complete/"+id, done)
}
