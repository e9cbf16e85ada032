package killrun_test

import (
	"fmt"

	"github.com/plantmesh/plantmesh"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// Items of the shop floor. A piece takes two bolts and 50 g of glue by its bill of materials, and steel as reported.
const (
	bolt, glue, steel = "BOLT", "GLUE", "STEEL"
	bar, serial       = "BAR", "SER"
	assemblies        = 3 // items FIN0 and so on
	boltsEach         = 2 * one
	glueEach          = 5
)

func heat(n int64) string { return fmt.Sprintf("HEAT%d", n) }

// order is a production order as the model has it.
type order struct {
	*model
	thread
	site              plantmesh.SiteID
	id, item          string
	total, done, lots int64
	pending           map[[2]string]int64 // reported material that the next part takes: item, lot
	made              map[string]int64    // by lot
}

// assembly is an order from its release to some end, and the holds on its lots.
func (m *model) assembly(site plantmesh.SiteID) []thread {
	o := &order{
		model: m, site: site, id: m.next("WO"), item: m.name(fmt.Sprintf("FIN%d", m.IntN(assemblies))), total: m.between(5, 30) * one,
		pending: map[[2]string]int64{}, made: map[string]int64{},
	}
	o.release()
	for range m.between(2, 7) {
		switch m.IntN(8) {
		case 0, 1:
			o.report()
		case 2:
			o.consumeSteel()
		case 3:
			o.consume(bolt, "", m.between(1, 20)*one, pieces)
		case 4:
			o.scrap()
		case 5:
			o.total += m.between(1, 9) * one
			o.release()
		default:
			if rest := (o.total - o.done) / one; rest > 1 {
				o.complete(m.between(1, rest-1)*one, true)
			}
		}
	}
	o.end()
	return append([]thread{o.thread}, o.hold()...)
}

func (o *order) release() {
	o.tell(o.site, &manufacturingv1.ProductionOrderReleased{OrderId: o.id, ItemId: o.item, Quantity: pieces(o.total), BillOfMaterialsId: "BOM " + o.item})
}

func (o *order) report() {
	minutes, completed, rejected := o.between(1, 90), o.between(0, 9)*one, o.between(0, 2)*one
	from, to := o.minutesLater(minutes)
	o.tell(o.site, &manufacturingv1.OperationReported{
		OrderId: o.id, OperationId: fmt.Sprintf("OP%d", o.IntN(2)), WorkCenterId: o.name("WC"), Activity: manufacturingv1.Activity_ACTIVITY_PRODUCTION,
		StartTime: from, EndTime: to, CompletedQuantity: pieces(completed), RejectedQuantity: pieces(rejected),
	})
	o.want.add(tableEntries, o.id, one)
	o.want.add(tableMinutes, o.id, minutes*one)
	o.want.add(tableCounts, o.id+", completed", completed)
	o.want.add(tableCounts, o.id+", rejected", rejected)
}

func (o *order) consumeSteel() {
	unit := kilograms
	if o.often(50) {
		unit = grams
	}
	o.consume(steel, heat(o.between(1, 2)), o.between(1, 500), unit)
}

func (o *order) consume(item, lot string, n int64, unit func(int64) *manufacturingv1.Quantity) {
	event := &manufacturingv1.MaterialConsumed{OrderId: o.id, ItemId: o.name(item), Quantity: unit(n)}
	if lot != "" {
		lot = o.name(lot)
		event.LotId = lot
	}
	o.tell(o.site, event)
	o.pending[[2]string{item, lot}] += n
}

// use takes what was reported out of stock.
func (o *order) use() {
	for what, n := range o.pending {
		o.move(o.name(what[0]), what[1], stock(o.site), production, n)
	}
	clear(o.pending)
}

func (o *order) scrap() {
	event := &manufacturingv1.ScrapReported{OrderId: o.id, ItemId: o.name(bolt), ReasonCode: "DENT"}
	n := o.between(1, 3) * one
	event.Quantity = pieces(n)
	if o.often(50) {
		event.ItemId, event.LotId, event.Quantity = o.name(steel), o.name(heat(1)), kilograms(n)
	}
	o.tell(o.site, event)
	o.move(event.GetItemId(), event.GetLotId(), stock(o.site), inventory, n)
}

// complete is a part of the order, or its end.
func (o *order) complete(n int64, partial bool) {
	lot := fmt.Sprintf("%s/%d", o.id, o.lots)
	if o.often(60) {
		o.lots++
	}
	o.tell(o.site, &manufacturingv1.ProductionCompleted{OrderId: o.id, ItemId: o.item, Quantity: pieces(n), LotId: lot, Partial: partial})
	if o.pending[[2]string{bolt, ""}] == 0 { // nothing was reported: the bill of materials counts
		o.pending[[2]string{bolt, ""}] = n * boltsEach / one
	}
	o.pending[[2]string{glue, ""}] = n * glueEach / one
	o.use()
	o.finished(n)
	o.made[lot] += n
}

func (o *order) finished(n int64) {
	o.done += n
	o.want.add(tableProduced, o.id, n)
	o.want.add(tableParts, o.id, one)
}

func (o *order) end() {
	rest := o.total - o.done
	switch n := o.IntN(10); {
	case n < 6:
		switch o.IntN(4) {
		case 0:
			rest += 2 * one
		case 1:
			rest = max(one, rest-one)
		}
		o.complete(rest, false)
		if o.often(20) {
			o.report() // late, as plants are
		}
		if o.often(20) { // it leaves at once, since the order is done
			o.consumeSteel()
			o.use()
		}
	case n < 8:
		o.tell(o.site, &manufacturingv1.ProductionOrderClosed{OrderId: o.id, Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED})
		o.use()
	default:
		o.want.add(tableOpen, o.id, rest)
	}
}

// hold brings the goods into stock, or into quarantine if a hold on their lot is left. Holds are told beside the completions: either may be first.
func (o *order) hold() (threads []thread) {
	for n := range o.lots + 1 {
		lot := fmt.Sprintf("%s/%d", o.id, n)
		made, target := o.made[lot], stock(o.site)
		if made == 0 {
			continue
		}
		if o.often(40) {
			var t thread
			for {
				id := o.next("H")
				t.tell(o.site, &manufacturingv1.QualityHoldPlaced{HoldId: id, ItemId: o.item, LotId: lot, ReasonCode: "CRACK"})
				if o.often(40) {
					target = quarantine(o.site)
					o.want.add(tableHolds, id, made)
					break
				}
				t.tell(o.site, &manufacturingv1.QualityHoldReleased{HoldId: id, ItemId: o.item, LotId: lot})
				if o.often(60) {
					break
				}
			}
			threads = append(threads, t)
		}
		o.move(o.item, lot, production, target, made)
	}
	return threads
}

// bars are made by weight, and counted in grams.
func (m *model) bars(site plantmesh.SiteID) thread {
	o := &order{model: m, site: site, id: m.next("WB"), item: m.name(bar), total: m.between(1000, 6000)}
	o.tell(site, &manufacturingv1.ProductionOrderReleased{OrderId: o.id, ItemId: o.item, Quantity: kilograms(o.total)})
	for range m.between(1, 3) {
		o.weigh(m.between(1, 300), true)
	}
	o.weigh(o.total-o.done, false)
	return o.thread
}

func (o *order) weigh(n int64, partial bool) {
	o.tell(o.site, &manufacturingv1.ProductionCompleted{OrderId: o.id, ItemId: o.item, Quantity: grams(n), Partial: partial})
	o.finished(n)
	o.move(o.item, "", production, stock(o.site), n)
}

// serials are pieces with numbers of their own. Their order stays open.
func (m *model) serials(site plantmesh.SiteID) thread {
	o := &order{model: m, site: site, id: m.next("WS"), item: m.name(serial), total: 9 * one}
	o.tell(site, &manufacturingv1.ProductionOrderReleased{OrderId: o.id, ItemId: o.item, Quantity: pieces(o.total)})
	for range m.between(1, 2) {
		var ids []string
		for range m.between(1, 3) {
			id := m.next("SN")
			ids = append(ids, id)
			m.move(o.item, id, production, stock(site), one)
		}
		n := int64(len(ids)) * one
		o.tell(site, &manufacturingv1.ProductionCompleted{OrderId: o.id, ItemId: o.item, Quantity: pieces(n), SerialIds: ids, Partial: true})
		o.finished(n)
	}
	m.want.add(tableOpen, o.id, o.total-o.done)
	return o.thread
}
