package killrun_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/cockroachdb/apd/v3"
)

// one is the unit of every figure: they are kept in hundredths, the precision of Odoo's quantities and of the currency.
const one = 100

// ledger is a set of tables: for each, a figure by what it is about. What is not there is zero.
type ledger map[string]map[string]int64

// Names of the tables.
const (
	tableStock     = "stock: place, item, lot"
	tableMoves     = "moved: item, from, to"
	tableProduced  = "produced: order"
	tableOpen      = "open: order"
	tableParts     = "finished parts: order"
	tableEntries   = "time entries: order"
	tableMinutes   = "minutes: order"
	tableCounts    = "reported: order, completed and rejected"
	tableHolds     = "held: hold"
	tableDocuments = "pickings: transfer, shipment, receipt"
	tablePurchased = "purchased: order, line, ordered and received"
	tableDelivered = "delivered: sales order"
	tablePostings  = "postings"
	tableAccounts  = "accounts: side"
)

func (l ledger) add(table, about string, hundredths int64) {
	if l[table] == nil {
		l[table] = map[string]int64{}
	}
	l[table][about] += hundredths
}

// decimal writes hundredths as events do.
func decimal(hundredths int64) string {
	sign := ""
	if hundredths < 0 {
		sign, hundredths = "-", -hundredths
	}
	return fmt.Sprintf("%s%d.%02d", sign, hundredths/one, hundredths%one)
}

// hundredths reads a number as Odoo writes it. One that is finer is not the figure that was asked for.
func hundredths(number any) (int64, error) {
	d, _, err := apd.NewFromString(fmt.Sprint(number))
	if err != nil {
		return 0, err
	}
	d.Exponent += 2
	return d.Int64()
}

// compare names every difference between two ledgers, as many as one wants to read, and returns how many figures there are.
func compare(t *testing.T, want, got ledger) (figures int) {
	t.Helper()
	const most = 12
	tables := maps.Clone(want)
	maps.Copy(tables, got)
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		about := map[string]bool{}
		for _, side := range []ledger{want, got} {
			for key := range side[table] {
				about[key] = true
			}
		}
		differences := 0
		for _, key := range slices.Sorted(maps.Keys(about)) {
			if w, g := want[table][key], got[table][key]; w != g {
				if differences++; differences <= most {
					t.Errorf("%s: %s: %s in Odoo, want %s", table, key, decimal(g), decimal(w))
				}
			}
		}
		if differences > most {
			t.Errorf("%s: %d differences in all", table, differences)
		}
		figures += len(about)
	}
	return figures
}

func TestFiguresFinerThanAUnitAreNotRounded(t *testing.T) {
	for number, want := range map[string]int64{"0": 0, "12.3": 1230, "-0.05": -5, "1e3": 100_000, "7.00": 700} {
		if got, err := hundredths(number); err != nil || got != want {
			t.Errorf("%s is %d, %v, want %d", number, got, err, want)
		}
	}
	for _, number := range []string{"0.001", "99.30000000000001", "false"} {
		if got, err := hundredths(number); err == nil {
			t.Errorf("%s is taken for %d", number, got)
		}
	}
}
