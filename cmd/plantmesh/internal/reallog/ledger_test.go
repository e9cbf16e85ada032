package reallog_test

import (
	"fmt"
	"strconv"
)

// ledger is a set of tables: for each, a value by what it is about. Both sides of the comparison have one.
type ledger map[string]map[string]string

func (l ledger) set(table, about, value string) {
	if l[table] == nil {
		l[table] = map[string]string{}
	}
	l[table][about] = value
}

// Names of the tables.
const (
	tableTotals     = "totals"
	tableRecords    = "records"
	tableOrders     = "orders: state, produced, open"
	tableConsumed   = "consumed: order, item"
	tableSet        = "set aside for an open order: order, item"
	tableScrapped   = "scrapped: order"
	tableTime       = "minutes: order, operation, work center"
	tableActivities = "reports: activity"
	tableStock      = "stock: item, lot"
)

// opening is the stock before the first report: what will be used and a little more, blanks in whole trays.
func (f *factory) opening() map[string]int {
	open := map[string]int{carton: 100, grease: 5}
	made := 0
	for _, o := range f.orders {
		need := o.packed()
		if need == 0 {
			need = o.quantity
		}
		for _, r := range o.reports {
			need += r.rejected
		}
		open[blank(o.item)] += need
		made += o.packed()
	}
	for _, item := range f.items() {
		open[blank(item)] = (open[blank(item)]/trayPieces + 2) * trayPieces
	}
	open[carton] += made
	open[grease] += (made*greaseGrams + 999) / 1000
	return open
}

// expected is what must be in Odoo after the story, reckoned from the log.
func (f *factory) expected() ledger {
	l := ledger{}
	stock, lots, made := f.opening(), 0, 0
	minutes, activities := map[string]float64{}, map[string]int{}
	var completed, rejected, review int
	for _, o := range f.orders {
		packed, scrapped := o.packed(), 0
		for _, r := range o.reports {
			completed, rejected, review = completed+r.completed, rejected+r.rejected, review+r.review
			scrapped += r.rejected
			minutes[fmt.Sprintf("%s, %s, %s", o.name, r.payload.GetOperationId(), r.payload.GetWorkCenterId())] += r.minutes()
			activities[r.payload.GetActivity().String()]++
		}
		made += packed
		stock[blank(o.item)] -= packed + scrapped
		f.expectOrder(l, o, packed, scrapped)
		if packed > 0 {
			lots += f.expectLots(l, o, packed)
		}
	}
	for about, sum := range minutes {
		if sum == 0 {
			continue // reports that began and ended in the same minute: no time in Odoo either
		}
		l.set(tableTime, about, decimal(sum))
	}
	for about, count := range activities {
		l.set(tableActivities, about, strconv.Itoa(count))
	}
	for _, item := range f.items() {
		lots++
		l.set(tableStock, blank(item)+", "+heat(item), strconv.Itoa(stock[blank(item)]))
	}
	l.set(tableStock, carton+", ", strconv.Itoa(stock[carton]-made))
	l.set(tableStock, grease+", ", kilograms(stock[grease]*1000-made*greaseGrams))
	steps := 0
	for _, s := range f.steps {
		steps += len(s)
	}
	for about, count := range map[string]int{
		"products": 2*len(f.items()) + 2, "bills of materials": len(f.items()), "their lines": 3 * len(f.items()), "operations": steps, "work centers": len(f.centers), "lots": lots,
	} {
		l.set(tableRecords, about, strconv.Itoa(count))
	}
	for about, count := range map[string]int{
		"reports": len(f.reports), "orders": len(f.orders), "completed": completed, "rejected": rejected, "for review": review, "made": made,
		"time entries that nobody reported": 0,
	} {
		l.set(tableTotals, about, strconv.Itoa(count))
	}
	return l
}

func (f *factory) expectOrder(l ledger, o *order, packed, scrapped int) {
	state := "done"
	if packed < o.quantity {
		state = "open"
	}
	l.set(tableOrders, o.name, fmt.Sprintf("%s, %d, %d", state, packed, o.quantity-packed))
	if scrapped > 0 {
		l.set(tableScrapped, o.name, strconv.Itoa(scrapped))
	}
	if packed == 0 {
		l.set(tableSet, o.name+", "+blank(o.item), strconv.Itoa(o.quantity))
		return
	}
	l.set(tableConsumed, o.name+", "+blank(o.item), strconv.Itoa(packed))
	l.set(tableConsumed, o.name+", "+carton, strconv.Itoa(packed))
	l.set(tableConsumed, o.name+", "+grease, kilograms(packed*greaseGrams))
}

// expectLots are the lots, or serial numbers, of what was packed, and their number.
func (f *factory) expectLots(l ledger, o *order, packed int) int {
	if !f.serial[o.item] {
		l.set(tableStock, o.item+", "+o.name, strconv.Itoa(packed))
		return 1
	}
	for _, number := range serials(o.name, 0, packed) {
		l.set(tableStock, o.item+", "+number, "1")
	}
	return packed
}

// decimal writes a sum without the noise of binary fractions: the log is to the minute.
func decimal(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

func kilograms(grams int) string { return plain(strconv.FormatFloat(float64(grams)/1000, 'f', 3, 64)) }
