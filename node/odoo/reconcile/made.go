package reconcile

import (
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func (s *sides) unit(mesh *manufacturingv1.UnitChanged) {
	erp, _ := s.erp.Payload.(*manufacturingv1.UnitChanged)
	s.text("name", mesh.GetName(), erp.GetName())
	if mesh.GetReferenceUnit() != "" {
		if s.Config.SameUnit(mesh.GetReferenceUnit(), erp.GetReferenceUnit()) {
			s.number("factor", decimalOf(mesh.GetFactor()), decimalOf(erp.GetFactor()), mesh.GetReferenceUnit())
		} else {
			s.text("reference_unit", mesh.GetReferenceUnit(), erp.GetReferenceUnit())
		}
	}
	s.yes("retired", mesh.GetRetired(), erp.GetRetired())
}

func (s *sides) item(mesh *manufacturingv1.ItemChanged) {
	erp, _ := s.erp.Payload.(*manufacturingv1.ItemChanged)
	s.text("name", mesh.GetName(), erp.GetName())
	kind, tracking := mesh.GetKind(), mesh.GetTracking()
	if tracking == manufacturingv1.Tracking_TRACKING_UNSPECIFIED || kind != manufacturingv1.ItemKind_ITEM_KIND_STOCKED {
		tracking = manufacturingv1.Tracking_TRACKING_NONE
	}
	if tracking == manufacturingv1.Tracking_TRACKING_NONE && s.tracked[mesh.GetItemId()] { // the mesh itself turned that on
		kind, tracking = erp.GetKind(), erp.GetTracking()
	}
	s.text("kind", choice(kind), choice(erp.GetKind()))
	s.text("tracking", choice(tracking), choice(erp.GetTracking()))
	if !s.Config.SameUnit(mesh.GetUnit(), erp.GetUnit()) {
		s.text("unit", mesh.GetUnit(), erp.GetUnit())
	}
	s.stated("category", mesh.GetCategory(), erp.GetCategory())
	s.text("barcode", mesh.GetBarcode(), erp.GetBarcode())
	s.yes("purchased", mesh.GetPurchased(), erp.GetPurchased())
	s.yes("sold", mesh.GetSold(), erp.GetSold())
	if mesh.GetListPrice() != nil {
		s.price("list_price", decimalOf(mesh.GetListPrice().GetAmount()), erp.GetListPrice())
	}
	s.yes("retired", mesh.GetRetired(), erp.GetRetired())
	s.cost(mesh.GetItemId(), erp)
}

// cost compares what was said last of the cost of an item with that of one in its own unit.
func (s *sides) cost(item string, erp *manufacturingv1.ItemChanged) {
	said, ok := s.costs[item]
	if !ok {
		return
	}
	per, err := s.inventory.Measures.Convert(apd.New(1, 0), said.unit, s.measures[item])
	if err != nil || per.IsZero() {
		return // of a unit that Odoo does not have: it has refused that
	}
	one, before := new(apd.Decimal), len(s.found)
	_, _ = exact.Quo(one, decimalOf(said.amount.GetAmount()), per) // cannot fail for numbers of 60 digits
	s.price("standard_cost", one, erp.GetStandardCost())
	for i := range s.found[before:] {
		s.found[before+i].by = &said.by
	}
}

func (s *sides) bill(mesh *manufacturingv1.BillOfMaterialsChanged) {
	erp, _ := s.erp.Payload.(*manufacturingv1.BillOfMaterialsChanged)
	s.text("item", mesh.GetItemId(), erp.GetItemId())
	s.quantity("quantity", mesh.GetQuantity(), erp.GetQuantity())
	if mesh.GetSiteId() != "" && (erp.GetSiteId() == "" || s.warehouse(mesh.GetSiteId()) != s.warehouse(erp.GetSiteId())) {
		s.text("site_id", mesh.GetSiteId(), erp.GetSiteId())
	}
	s.yes("retired", mesh.GetRetired(), erp.GetRetired())
	lines := map[string]*manufacturingv1.Component{}
	for _, l := range erp.GetComponents() {
		lines[l.GetLineId()] = l
	}
	for _, l := range mesh.GetComponents() {
		about, is := fmt.Sprintf("component %s", l.GetLineId()), lines[l.GetLineId()]
		delete(lines, l.GetLineId())
		if is == nil {
			s.text(about, amountOf(l), "not there")
			continue
		}
		s.text(about+": item", l.GetItemId(), is.GetItemId())
		s.quantity(about+": quantity", l.GetQuantity(), is.GetQuantity())
		s.text(about+": operation", l.GetOperationId(), is.GetOperationId())
	}
	for _, l := range erp.GetComponents() {
		if lines[l.GetLineId()] != nil {
			s.text("component "+l.GetLineId(), "not there", amountOf(l))
		}
	}
}

func amountOf(c *manufacturingv1.Component) string {
	return fmt.Sprintf("%s %s of %s", odoo.Plain(decimalOf(c.GetQuantity().GetValue())), c.GetQuantity().GetUnit(), c.GetItemId())
}

func (s *sides) routing(mesh *manufacturingv1.RoutingChanged) {
	erp, _ := s.erp.Payload.(*manufacturingv1.RoutingChanged)
	steps := map[string]*manufacturingv1.Operation{}
	var before, after []string // the order of those that both have
	for _, o := range erp.GetOperations() {
		steps[o.GetOperationId()] = o
	}
	for _, o := range mesh.GetOperations() {
		about, is := "operation "+o.GetOperationId(), steps[o.GetOperationId()]
		if is == nil {
			s.text(about, "there", "not there")
			continue
		}
		before = append(before, o.GetOperationId())
		s.operation(about, o, is)
	}
	for _, o := range erp.GetOperations() {
		if slices.Contains(before, o.GetOperationId()) {
			after = append(after, o.GetOperationId())
			continue
		}
		s.text("operation "+o.GetOperationId(), "not there", "there")
	}
	if !slices.Equal(before, after) {
		s.text("order of operations", fmt.Sprint(before), fmt.Sprint(after))
	}
}

func (s *sides) operation(about string, mesh, erp *manufacturingv1.Operation) {
	name := mesh.GetName()
	if name == "" {
		name = mesh.GetOperationId()
	}
	s.text(about+": name", name, erp.GetName())
	center := mesh.GetWorkCenterId()
	if center != erp.GetWorkCenterId() && s.centers[center] == erp.GetWorkCenterId() { // the event has its name
		center = erp.GetWorkCenterId()
	}
	s.text(about+": work_center", center, erp.GetWorkCenterId())
	if mesh.GetRunDuration() != nil && !sameTime(mesh.GetRunDuration(), erp.GetRunDuration()) {
		s.text(about+": run_duration", mesh.GetRunDuration().AsDuration().String(), erp.GetRunDuration().AsDuration().String())
	}
}

// sameTime tells whether two durations are the same in minutes of 15 digits, which is how Odoo has them.
func sameTime(a, b *durationpb.Duration) bool {
	return (a.AsDuration() - b.AsDuration()).Abs() < time.Microsecond
}

func (s *sides) workCenter(mesh *manufacturingv1.WorkCenterChanged) {
	erp, _ := s.erp.Payload.(*manufacturingv1.WorkCenterChanged)
	s.text("name", mesh.GetName(), erp.GetName())
	if mesh.GetCostPerHour() != nil {
		s.number("cost_per_hour", decimalOf(mesh.GetCostPerHour().GetAmount()), decimalOf(erp.GetCostPerHour().GetAmount()), "")
	}
	efficiency := mesh.GetEfficiencyPercent()
	if efficiency == "" {
		efficiency = "100"
	}
	s.number("efficiency_percent", decimalOf(efficiency), decimalOf(erp.GetEfficiencyPercent()), "")
	s.yes("retired", mesh.GetRetired(), erp.GetRetired())
}
