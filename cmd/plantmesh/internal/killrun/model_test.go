package killrun_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

const (
	plantA = plantmesh.SiteID("plant-a")
	plantB = plantmesh.SiteID("plant-b")
	hq     = plantmesh.SiteID("hq")
)

var plants = []plantmesh.SiteID{plantA, plantB}

func other(site plantmesh.SiteID) plantmesh.SiteID {
	if site == plantA {
		return plantB
	}
	return plantA
}

// place is where goods are: in a site's warehouse, or, with no site, outside of all of them.
type place struct {
	site plantmesh.SiteID
	name string
}

var (
	production = place{name: "production"}
	inventory  = place{name: "inventory"} // what counts, adjustments and scrap find and lose
	customers  = place{name: "customer"}
	suppliers  = place{name: "supplier"}
	transit    = place{name: "transit"}
)

const (
	shelfName      = "SHELF"
	quarantineName = "Quarantine"
)

func stock(site plantmesh.SiteID) place      { return place{site, "Stock"} }
func quarantine(site plantmesh.SiteID) place { return place{site, quarantineName} }

func (p place) String() string { return string(p.site) + "/" + p.name }

// region is a place as far as moves between places count: all of a warehouse is one.
func (p place) region() string {
	if p.site != "" {
		return string(p.site)
	}
	return p.name
}

// moved notes goods that went from one place to another; moves within a warehouse, whose number depends on what came first, do not count.
func (l ledger) moved(item string, from, to place, n int64) {
	if from.region() != to.region() {
		l.add(tableMoves, fmt.Sprintf("%s, %s, %s", item, from.region(), to.region()), n)
	}
}

// holds notes what is in a place, if it is one whose stock counts.
func (l ledger) holds(at place, item, lot string, n int64) {
	if at.site != "" || at == transit {
		l.add(tableStock, fmt.Sprintf("%s, %s, %s", at, item, lot), n)
	}
}

// told is what a site says.
type told struct {
	site    plantmesh.SiteID
	payload proto.Message
}

// thread is one piece of work, told in this order. Threads run beside one another, and what they come to does not depend on how.
type thread []told

func (t *thread) tell(site plantmesh.SiteID, payload proto.Message) {
	*t = append(*t, told{site, payload})
}

// model makes up work, and reckons what must come of it.
type model struct {
	*rand.Rand
	tag      string // ends every name, so that runs share a database
	currency string
	now      time.Time
	today    time.Time // what is booked is booked on this day, as reconciliation looks at recent months
	numbers  int
	want     ledger
	sales    []sale
}

func newModel(seed uint64, tag, currency string) *model {
	return &model{
		Rand: rand.New(rand.NewPCG(seed, 0)), tag: tag, currency: currency, want: ledger{},
		now: time.Date(2026, 1, 5, 6, 0, 0, 0, time.UTC), today: time.Now().UTC(),
	}
}

// name is one that no other run uses.
func (m *model) name(s string) string { return s + "-" + m.tag }

// next is a name that nothing else has.
func (m *model) next(s string) string {
	m.numbers++
	return m.name(fmt.Sprintf("%s%d", s, m.numbers))
}

// between is a random number, both ends included.
func (m *model) between(least, most int64) int64 { return least + m.Int64N(most-least+1) }

// often is true in so many of a hundred cases.
func (m *model) often(percent int) bool { return m.IntN(100) < percent }

func (m *model) plant() plantmesh.SiteID { return plants[m.IntN(len(plants))] }

// minutesLater moves the clock of the work on.
func (m *model) minutesLater(n int64) (from, to *timestamppb.Timestamp) {
	begin := m.now
	m.now = m.now.Add(time.Duration(n) * time.Minute)
	return timestamppb.New(begin), timestamppb.New(m.now)
}

// move has goods go from one place to another.
func (m *model) move(item, lot string, from, to place, n int64) {
	m.want.holds(from, item, lot, -n)
	m.want.holds(to, item, lot, n)
	m.want.moved(item, from, to, n)
}

// work is at least so many events of work, thread by thread.
func (m *model) work(events int) (threads []thread) {
	told := 0
	for told < events {
		for _, t := range m.some() {
			threads = append(threads, t)
			told += len(t)
		}
	}
	return threads
}

// some is one piece of work, with those that go with it.
func (m *model) some() []thread {
	site := m.plant()
	switch n := m.IntN(100); {
	case n < 34:
		return m.assembly(site)
	case n < 42:
		return []thread{m.bars(site)}
	case n < 48:
		return []thread{m.serials(site)}
	case n < 60:
		return []thread{m.transfer(site)}
	case n < 66:
		return []thread{m.shipment(site)}
	case n < 72:
		return []thread{m.sale(site)}
	case n < 79:
		return []thread{m.purchase(site)}
	case n < 86:
		return []thread{m.counting(site)}
	case n < 91:
		return []thread{m.partHeld(site)}
	case n < 94:
		return []thread{m.scrap(site)}
	default:
		return []thread{m.posting(site)}
	}
}

// mixed puts threads beside one another, some at a time.
func (m *model) mixed(threads []thread) (all []told) {
	const atOnce = 16
	var open []thread
	for len(threads) > 0 || len(open) > 0 {
		for len(open) < atOnce && len(threads) > 0 {
			open, threads = append(open, threads[0]), threads[1:]
		}
		i := m.IntN(len(open))
		all = append(all, open[i][0])
		if open[i] = open[i][1:]; len(open[i]) == 0 {
			open = append(open[:i], open[i+1:]...)
		}
	}
	return all
}

func pieces(n int64) *manufacturingv1.Quantity    { return quantity(n, "C62") }
func kilograms(n int64) *manufacturingv1.Quantity { return quantity(n, "KGM") }

// grams are hundredths of a kilogram, told in grams.
func grams(n int64) *manufacturingv1.Quantity {
	return &manufacturingv1.Quantity{Value: fmt.Sprint(n * 10), Unit: "GRM"}
}

func quantity(n int64, unit string) *manufacturingv1.Quantity {
	return &manufacturingv1.Quantity{Value: decimal(n), Unit: unit}
}

func (m *model) money(n int64) *manufacturingv1.Money {
	return &manufacturingv1.Money{Amount: decimal(n), Currency: m.currency}
}
