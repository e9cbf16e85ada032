package odoo

import (
	"cmp"
	"fmt"
	"time"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

var itemKinds = map[manufacturingv1.ItemKind]string{
	manufacturingv1.ItemKind_ITEM_KIND_STOCKED:    "stocked",
	manufacturingv1.ItemKind_ITEM_KIND_CONSUMABLE: "consumable",
	manufacturingv1.ItemKind_ITEM_KIND_SERVICE:    "service",
}

var trackings = map[manufacturingv1.Tracking]string{
	manufacturingv1.Tracking_TRACKING_UNSPECIFIED: "none",
	manufacturingv1.Tracking_TRACKING_NONE:        "none",
	manufacturingv1.Tracking_TRACKING_LOT:         "lot",
	manufacturingv1.Tracking_TRACKING_SERIAL:      "serial",
}

var sides = map[manufacturingv1.PostingSide]string{
	manufacturingv1.PostingSide_POSTING_SIDE_DEBIT:  "debit",
	manufacturingv1.PostingSide_POSTING_SIDE_CREDIT: "credit",
}

// office translates master data and finance.
func (b *builder) office(payload proto.Message) (Effect, bool) {
	switch p := payload.(type) {
	case *manufacturingv1.UnitChanged:
		return b.unit(p), true
	case *manufacturingv1.ItemChanged:
		return b.item(p), true
	case *manufacturingv1.BillOfMaterialsChanged:
		e := Effect{
			Kind: EffectBill, Goods: Goods{Item: p.GetItemId(), Quantity: b.quantity("quantity", p.GetQuantity())}, Work: Work{BillOfMaterials: p.GetBillOfMaterialsId()},
			Master: Master{Retired: p.GetRetired(), ForSite: p.GetSiteId() != ""},
		}
		for i, c := range p.GetComponents() {
			e.Components = append(e.Components, Component{
				Line: c.GetLineId(), Item: c.GetItemId(), Quantity: b.quantity(fmt.Sprintf("components[%d].quantity", i), c.GetQuantity()), Operation: c.GetOperationId(),
			})
		}
		b.site = p.GetSiteId()
		return e, true
	case *manufacturingv1.RoutingChanged:
		e := Effect{Kind: EffectRouting, Work: Work{BillOfMaterials: p.GetBillOfMaterialsId(), Routing: p.GetRoutingId()}}
		for i, o := range p.GetOperations() {
			e.Operations = append(e.Operations, Operation{
				Operation: o.GetOperationId(), Name: cmp.Or(o.GetName(), o.GetOperationId()), WorkCenter: o.GetWorkCenterId(), Sequence: 10 * (i + 1),
				Minutes: b.minutes(fmt.Sprintf("operations[%d].run_duration", i), o.GetRunDuration()),
			})
		}
		return e, true
	case *manufacturingv1.WorkCenterChanged:
		b.site = p.GetSiteId()
		return Effect{Kind: EffectWorkCenter, Work: Work{WorkCenter: p.GetWorkCenterId()}, Master: Master{
			Name: p.GetName(), Cost: b.money("cost_per_hour", p.GetCostPerHour()), Efficiency: p.GetEfficiencyPercent(), Retired: p.GetRetired(),
		}}, true
	case *manufacturingv1.SupplierChanged:
		return Effect{Kind: EffectPartner, Master: Master{Name: p.GetName(), Retired: p.GetRetired(), Partner: &Partner{
			Role: "supplier", ID: p.GetSupplierId(), TaxNumber: p.GetTaxNumber(), Email: p.GetEmail(), Phone: p.GetPhone(), Street: p.GetStreet(),
			PostalCode: p.GetPostalCode(), City: p.GetCity(), Country: p.GetCountryCode(), Currency: p.GetCurrency(),
		}}}, true
	case *manufacturingv1.CustomerChanged:
		return Effect{Kind: EffectPartner, Master: Master{Name: p.GetName(), Retired: p.GetRetired(), Partner: &Partner{
			Role: "customer", ID: p.GetCustomerId(), TaxNumber: p.GetTaxNumber(), Email: p.GetEmail(), Phone: p.GetPhone(), Street: p.GetStreet(),
			PostalCode: p.GetPostalCode(), City: p.GetCity(), Country: p.GetCountryCode(), Currency: p.GetCurrency(),
		}}}, true
	case *manufacturingv1.FinancialDimensionChanged:
		return Effect{Kind: EffectDimension, Master: Master{
			Name: p.GetName(), Retired: p.GetRetired(), Dimension: p.GetDimensionId(), DimensionName: p.GetDimensionName(), Value: p.GetValueId(),
		}}, true
	case *manufacturingv1.PostingPrepared:
		return b.posting(p), true
	case *manufacturingv1.CostRolledUp:
		return Effect{
			Kind: EffectCost, Goods: Goods{Item: p.GetItemId(), Quantity: b.quantity("unit", &manufacturingv1.Quantity{Value: "1", Unit: p.GetUnit()})},
			Master: Master{Cost: b.money("unit_cost", p.GetUnitCost())},
		}, true
	}
	return b.logistics(payload)
}

func (b *builder) unit(p *manufacturingv1.UnitChanged) Effect {
	if external, name := b.cfg.unit(p.GetUnitId()); external+name != "" {
		b.fail("unit_id", fmt.Errorf("%s is a unit that Odoo has (%s): nothing can define it anew; correct it at the source", p.GetUnitId(), external+name))
	}
	e := Effect{Kind: EffectUnit, Master: Master{Name: p.GetName(), Code: p.GetUnitId(), Retired: p.GetRetired()}}
	if p.GetReferenceUnit() != "" {
		e.Quantity = b.quantity("factor", &manufacturingv1.Quantity{Value: p.GetFactor(), Unit: p.GetReferenceUnit()})
	}
	return e
}

func (b *builder) item(p *manufacturingv1.ItemChanged) Effect {
	return Effect{
		Kind: EffectItem, Goods: Goods{Item: p.GetItemId(), Quantity: b.quantity("unit", &manufacturingv1.Quantity{Value: "1", Unit: p.GetUnit()})},
		Master: Master{
			Name: p.GetName(), ItemKind: itemKinds[p.GetKind()], Tracking: trackings[p.GetTracking()], Category: p.GetCategory(), Barcode: p.GetBarcode(),
			Cost: b.money("standard_cost", p.GetStandardCost()), Price: b.money("list_price", p.GetListPrice()),
			Purchased: p.GetPurchased(), Sold: p.GetSold(), Retired: p.GetRetired(),
		},
	}
}

func (b *builder) posting(p *manufacturingv1.PostingPrepared) Effect {
	e := Effect{
		Kind: EffectPost, Details: Details{Document: p.GetPostingId()},
		Posting: Posting{Journal: p.GetJournalId(), Date: p.GetPostingDate(), Reference: p.GetReference()},
	}
	for i, l := range p.GetLines() {
		line := PostingLine{Account: l.GetAccountId(), Side: sides[l.GetSide()], Label: l.GetLabel(), Partner: l.GetPartnerId()}
		if m := b.money(fmt.Sprintf("lines[%d].amount", i), l.GetAmount()); m != nil {
			line.Money = *m
		}
		for _, d := range l.GetDimensions() {
			line.Shares = append(line.Shares, Share{Dimension: d.GetDimensionId(), Value: d.GetValueId(), Percent: d.GetPercent()})
		}
		e.Lines = append(e.Lines, line)
	}
	return e
}

func (b *builder) money(field string, m *manufacturingv1.Money) *Money {
	if m == nil {
		return nil
	}
	if digits := significantDigits(m.GetAmount()); digits > mostDigits {
		b.fail(field, fmt.Errorf("amount %s has %d significant digits, Odoo keeps %d: correct it at the source", m.GetAmount(), digits, mostDigits))
	}
	return &Money{Amount: m.GetAmount(), Currency: m.GetCurrency()}
}

// minutes are a duration as Odoo plans with it.
func (b *builder) minutes(field string, d *durationpb.Duration) string {
	if d == nil {
		return ""
	}
	minutes, nanos := new(apd.Decimal), apd.New(int64(d.AsDuration()), 0)
	if _, err := apd.BaseContext.WithPrecision(mostDigits).Quo(minutes, nanos, apd.New(int64(time.Minute), 0)); err != nil {
		b.fail(field, err)
	}
	return minutes.Text('f')
}

func (b *builder) fail(field string, err error) {
	if b.err == nil {
		b.err = fmt.Errorf("%s: %w", field, err)
	}
}
