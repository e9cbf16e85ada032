package reconcile

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh/node/odoo/capture"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// masterKinds are the kinds of master data, in the order of the report.
var masterKinds = []string{KindUnit, KindItem, KindBill, KindRouting, KindWorkCenter, KindSupplier, KindCustomer, KindDimension}

// thing names one of master data.
type thing struct{ kind, id string }

var thingNames = map[string]string{
	KindUnit: "unit ", KindItem: "item ", KindBill: "bill of materials ", KindRouting: "routing of bill of materials ", KindWorkCenter: "work center ",
	KindSupplier: "supplier ", KindCustomer: "customer ", KindDimension: "dimension ",
}

func (t thing) subject() string { return thingNames[t.kind] + t.id }

// thingOf is what a payload tells of; ok is false if that is no master data.
func thingOf(payload proto.Message) (of thing, ok bool) {
	switch p := payload.(type) {
	case *manufacturingv1.UnitChanged:
		return thing{KindUnit, p.GetUnitId()}, true
	case *manufacturingv1.ItemChanged:
		return thing{KindItem, p.GetItemId()}, true
	case *manufacturingv1.BillOfMaterialsChanged:
		return thing{KindBill, p.GetBillOfMaterialsId()}, true
	case *manufacturingv1.RoutingChanged:
		return thing{KindRouting, p.GetBillOfMaterialsId()}, true
	case *manufacturingv1.WorkCenterChanged:
		return thing{KindWorkCenter, p.GetWorkCenterId()}, true
	case *manufacturingv1.SupplierChanged:
		return thing{KindSupplier, p.GetSupplierId()}, true
	case *manufacturingv1.CustomerChanged:
		return thing{KindCustomer, p.GetCustomerId()}, true
	case *manufacturingv1.FinancialDimensionChanged:
		return thing{KindDimension, p.GetDimensionId() + " value " + p.GetValueId()}, true
	}
	return thing{}, false
}

// word is what was said of a thing: the last of each stream, the very last behind.
type word []entry

func (w word) last() entry { return w[len(w)-1] }

// define takes what an event says of master data.
func (m *model) define(e entry) {
	switch p := e.payload.(type) {
	case *manufacturingv1.CostRolledUp:
		m.costs[p.GetItemId()] = price{p.GetUnitCost(), p.GetUnit(), e}
		return
	case *manufacturingv1.ItemChanged:
		if p.GetStandardCost() != nil || e.captured {
			m.costs[p.GetItemId()] = price{p.GetStandardCost(), p.GetUnit(), e}
		}
	}
	if of, ok := thingOf(e.payload); ok {
		w := slices.DeleteFunc(m.masters[of], func(o entry) bool { return o.stream == e.stream })
		m.masters[of] = append(w, e)
	}
}

// masterData compares what was said last of each thing with what Odoo has. Things of which there are no events are not the mesh's business.
func (c *comparison) masterData(m *model, things []capture.Thing) {
	has := map[thing]capture.Thing{}
	latest := map[string]word{} // of each of Odoo's records: a supplier and a customer may be one
	for _, t := range things {
		of, _ := thingOf(t.Payload)
		if known, ok := has[of]; !ok || isRetired(known.Payload) && !isRetired(t.Payload) {
			has[of] = t
		}
	}
	for of, w := range m.masters {
		if t, ok := has[of]; ok && (of.kind == KindSupplier || of.kind == KindCustomer) {
			if other := latest[t.Record]; other == nil || other.last().compare(w.last()) < 0 {
				latest[t.Record] = w
			}
		}
	}
	l, records, found := c.lookup(m, things), map[string]int{}, map[string][]Difference{}
	for of, w := range m.masters {
		records[of.kind]++
		t, there := has[of]
		if other := latest[t.Record]; there && other != nil && other.last().key != w.last().key {
			continue
		}
		found[of.kind] = append(found[of.kind], l.thing(of, w, t, there)...)
	}
	for _, kind := range masterKinds {
		c.compared(kind, records[kind], found[kind])
	}
}

// thing compares one.
func (l *lookup) thing(of thing, w word, t capture.Thing, there bool) (found []Difference) {
	last := w.last()
	d := Difference{Kind: of.kind, Subject: of.subject(), Events: named([]entry{last})}
	switch {
	case !there && (isRetired(last.payload) || isEmptyRouting(last.payload)):
		return nil
	case !there:
		d.Field, d.Mesh, d.Odoo, d.Cause = of.kind, "there", "not there", absence(of.kind, last)
		return []Difference{d}
	case t.Unfit != "":
		d.Field, d.Mesh, d.Odoo, d.Cause = of.kind, "as its event says", "otherwise", t.Unfit
		return []Difference{d}
	}
	s := &sides{lookup: l, erp: t}
	if s.compare(last.payload); len(s.found) > 0 {
		d.Cause = l.masterCause(of, w, t)
	}
	for _, f := range s.found {
		one := d
		one.Field, one.Mesh, one.Odoo, one.Gap, one.Unit = f.name, f.mesh, f.odoo, f.gap, f.unit
		if f.by != nil {
			one.Events = named([]entry{*f.by})
		}
		found = append(found, one)
	}
	return found
}

// handles are what Odoo finds things of a kind by.
var handles = map[string]string{
	KindUnit: "its Mesh: code", KindItem: "its Internal Reference", KindBill: "its Reference", KindRouting: "the reference of its bill of materials",
	KindWorkCenter: "its Code", KindSupplier: "its Mesh: supplier", KindCustomer: "its Mesh: customer", KindDimension: "its Mesh: dimension or Code",
}

func absence(kind string, last entry) string {
	if last.discarded {
		return "the event was discarded, so Odoo never got it: enter it by hand"
	}
	return "somebody deleted it in Odoo, or changed " + handles[kind]
}

// masterCause is why Odoo has a thing otherwise.
func (l *lookup) masterCause(of thing, w word, t capture.Thing) string {
	last := w.last()
	if last.discarded {
		return "the event was discarded, so Odoo never got it: enter it by hand"
	}
	for _, o := range w[:len(w)-1] {
		older := &sides{lookup: l, erp: t}
		if older.compare(o.payload); len(older.found) == 0 {
			return "Odoo has what " + o.String() + " says: that is older, but Odoo got it later; publish what is right once more"
		}
	}
	cause := "somebody changed it in Odoo by hand"
	if !t.Changed.IsZero() {
		cause += fmt.Sprintf(": written last by %s at %s", cmp.Or(t.By, "somebody"), t.Changed.UTC().Format(time.RFC3339))
	}
	switch {
	case of.kind == KindUnit || of.kind == KindDimension:
		return cause + "; the mesh does not hear of such changes"
	case l.Config.Capture == nil:
		return cause + "; the mesh does not hear of it without capture"
	case time.Since(t.Changed) < max(2*l.Config.Capture.Interval(), time.Minute):
		return cause + "; capture is about to tell the mesh"
	}
	return cause + "; capture should have told the mesh: look at Odoo's problem in plantmesh status"
}

func isRetired(p proto.Message) bool {
	r, ok := p.(interface{ GetRetired() bool })
	return ok && r.GetRetired()
}

func isEmptyRouting(p proto.Message) bool {
	r, ok := p.(*manufacturingv1.RoutingChanged)
	return ok && len(r.GetOperations()) == 0
}
