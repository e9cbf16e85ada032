package reallog_test

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/adapter"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

const (
	logPath     = "../../../../../shared/data/production_log/production_log.csv"
	mappingPath = "../../../../deploy/examples/production-log.yaml"
)

// Items that are not in the log, but in every piece: one is counted, one is weighed. Both go in by the bill of materials.
const (
	carton = "Carton"
	grease = "Grease"
	// greaseGrams go into a piece. Odoo keeps grease in kilograms with two decimals.
	greaseGrams = 20
	// trayPieces are in a tray, a unit that no standard has: blanks are counted in trays.
	trayPieces = 10
	trayUnit   = "XTR"
	// serialUpTo is the largest order of an item whose pieces have serial numbers; others are tracked by lot.
	serialUpTo = 40
)

// report is one line of the log, as the event that it is.
type report struct {
	event                       *eventv1.Event
	payload                     *manufacturingv1.OperationReported
	completed, rejected, review int
}

// packs is how many pieces a report finishes: those that were packed.
func (r report) packs() int {
	if r.payload.GetWorkCenterId() != "Packing" || r.payload.GetActivity() != manufacturingv1.Activity_ACTIVITY_PRODUCTION {
		return 0
	}
	return r.completed
}

func (r report) minutes() float64 {
	return r.payload.GetEndTime().AsTime().Sub(r.payload.GetStartTime().AsTime()).Minutes()
}

// step is an operation at a work center.
type step struct{ operation, center string }

// order is one of the log's, with its reports in the order of their ends.
type order struct {
	name, item string
	quantity   int
	reports    []report
}

func (o *order) packed() (sum int) {
	for _, r := range o.reports {
		sum += r.packs()
	}
	return sum
}

// factory is what the log tells of the shop.
type factory struct {
	orders  []*order // by name
	serial  map[string]bool
	steps   map[string][]step                 // of an item, in the order in which they first ended
	cycles  map[string]map[step]time.Duration // of an item, for one piece
	centers []string
	reports []report // all, in the order of their ends

	read, rejected, duplicates int
}

// readFactory reads the log's first orders; all of them if most is 0. It skips the test where the log is not there.
func readFactory(t *testing.T, most int) *factory {
	t.Helper()
	file, err := os.Open(logPath)
	if err != nil {
		t.Skipf("NOT RUN: the real production log is not beside this checkout: %v", err)
	}
	defer func() { _ = file.Close() }()
	records, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	config, err := adapter.LoadMapping(mappingPath)
	if err != nil {
		t.Fatal(err)
	}
	config.Site = adapter.Expression{} // one shop, as it was: the example cuts it into plants
	mapping, err := adapter.Compile(config, shop)
	if err != nil {
		t.Fatal(err)
	}
	f := &factory{serial: map[string]bool{}, steps: map[string][]step{}, cycles: map[string]map[step]time.Duration{}, read: len(records) - 1}
	seen := map[string]bool{}
	for i, record := range records[1:] {
		values := map[string]string{}
		for column, name := range records[0] {
			values[name] = record[column]
		}
		event, _, err := mapping.Event(adapter.Row{Line: i + 2, Values: values})
		var fault *adapter.RowError
		switch {
		case errors.As(err, &fault):
			f.rejected++
		case err != nil:
			t.Fatal(err)
		case seen[event.GetId()]:
			f.duplicates++
		default:
			seen[event.GetId()] = true
			f.reports = append(f.reports, newReport(t, event))
		}
	}
	f.arrange(most)
	return f
}

func newReport(t *testing.T, event *eventv1.Event) report {
	t.Helper()
	payload, err := plantmesh.Payload(event)
	if err != nil {
		t.Fatal(err)
	}
	r := report{event: event, payload: payload.(*manufacturingv1.OperationReported)}
	r.completed, r.rejected, r.review = pieces(t, r.payload.GetCompletedQuantity()), pieces(t, r.payload.GetRejectedQuantity()), pieces(t, r.payload.GetReviewQuantity())
	return r
}

func pieces(t *testing.T, q *manufacturingv1.Quantity) int {
	t.Helper()
	if q == nil {
		return 0
	}
	n, err := strconv.Atoi(q.GetValue())
	if err != nil || q.GetUnit() != "C62" {
		t.Fatalf("quantity %v: the log has whole pieces", q)
	}
	return n
}

// arrange sorts the reports by time and learns orders, routings and work centers from them.
func (f *factory) arrange(most int) {
	slices.SortStableFunc(f.reports, func(a, b report) int {
		return a.payload.GetEndTime().AsTime().Compare(b.payload.GetEndTime().AsTime())
	})
	orders := map[string]*order{}
	for _, r := range f.reports {
		name := r.payload.GetOrderId()
		if orders[name] == nil {
			if most > 0 && len(orders) == most {
				continue
			}
			quantity, _ := strconv.Atoi(r.payload.GetOrderQuantity().GetValue())
			orders[name] = &order{name: name, item: r.payload.GetItemId(), quantity: quantity}
		}
		orders[name].reports = append(orders[name].reports, r)
	}
	f.reports = slices.DeleteFunc(f.reports, func(r report) bool { return orders[r.payload.GetOrderId()] == nil })
	f.orders = slices.SortedFunc(maps.Values(orders), func(a, b *order) int { return cmp.Compare(a.name, b.name) })
	for _, o := range f.orders {
		if _, known := f.serial[o.item]; !known {
			f.serial[o.item] = true
		}
		f.serial[o.item] = f.serial[o.item] && o.quantity <= serialUpTo
	}
	centers := map[string]bool{}
	spent, made := map[string]map[step]float64{}, map[string]map[step]int{}
	for _, r := range f.reports {
		item, s := r.payload.GetItemId(), step{r.payload.GetOperationId(), r.payload.GetWorkCenterId()}
		if spent[item] == nil {
			spent[item], made[item], f.cycles[item] = map[step]float64{}, map[step]int{}, map[step]time.Duration{}
		}
		if _, known := spent[item][s]; !known {
			f.steps[item] = append(f.steps[item], s)
		}
		spent[item][s] += r.minutes()
		made[item][s] += r.completed
		f.cycles[item][s] = (time.Duration(spent[item][s]*60/float64(max(1, made[item][s]))) + 1) * time.Second
		centers[s.center] = true
	}
	f.centers = slices.Sorted(maps.Keys(centers))
}

func (f *factory) items() []string { return slices.Sorted(maps.Keys(f.steps)) }

// blank is what an item is cut from, bill the name of its bill of materials, heat the lot of its blanks.
func blank(item string) string { return item + ", blank" }
func bill(item string) string  { return "BOM " + item }
func heat(item string) string  { return "Heat of " + item }

// serials are the numbers of an order's pieces after the first `before`.
func serials(order string, before, count int) []string {
	numbers := make([]string, count)
	for i := range numbers {
		numbers[i] = fmt.Sprintf("%s-%04d", order, before+i+1)
	}
	return numbers
}
