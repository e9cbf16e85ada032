package totals

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// ledger is what was published, and what the books have of it.
type ledger struct {
	t        *testing.T
	events   []*eventv1.RecordedEvent
	bookings []odoo.Booking
	applied  []odoo.Applied
	people   map[int64]odoo.DimensionValue // analytic accounts that they made
}

func (l *ledger) Bookings(_ context.Context, first, last string) (all []odoo.Booking, err error) {
	for _, b := range l.bookings {
		if b.State == odoo.StatePosted && b.Date >= first && b.Date <= last {
			all = append(all, b)
		}
	}
	return all, nil
}

func (l *ledger) BookingsOf(_ context.Context, postings []string) ([]odoo.Booking, error) {
	return slices.DeleteFunc(slices.Clone(l.bookings), func(b odoo.Booking) bool { return !slices.Contains(postings, b.Posting) }), nil
}

func (l *ledger) AppliedOfType(_ context.Context, name string) ([]odoo.Applied, error) {
	if name != typeDimension {
		return nil, errors.New("asked for " + name)
	}
	return l.applied, nil
}

func (l *ledger) DimensionValues(context.Context, []int64) (map[int64]odoo.DimensionValue, error) {
	return l.people, nil
}

func (l *ledger) all() iter.Seq2[*eventv1.RecordedEvent, error] {
	return func(yield func(*eventv1.RecordedEvent, error) bool) {
		for _, e := range l.events {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (l *ledger) month(month string) Report {
	l.t.Helper()
	r, err := Month(l.t.Context(), odoo.Config{}, month, l.all(), l)
	if err != nil {
		l.t.Fatal(err)
	}
	return r
}

func decimal(t *testing.T, text string) *apd.Decimal {
	t.Helper()
	d, _, err := apd.NewFromString(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// dimension publishes a value that is analytic account n.
func (l *ledger) dimension(n int64, value string) {
	l.t.Helper()
	e := l.record("hq", &manufacturingv1.FinancialDimensionChanged{DimensionId: "cost-center", ValueId: value, Name: value})
	l.applied = append(l.applied, odoo.Applied{Event: odoo.EventKey(e.GetSource(), e.GetId()), Record: n})
}

func (l *ledger) record(site string, payload proto.Message) *eventv1.Event {
	l.t.Helper()
	e, err := plantmesh.NewEvent("//"+site+"/fin", fmt.Sprint(len(l.events)), time.Unix(1_780_000_000, 0), payload)
	if err != nil {
		l.t.Fatal(err)
	}
	l.events = append(l.events, &eventv1.RecordedEvent{Site: site, Offset: uint64(len(l.events) + 1), Event: e})
	return e
}

// posting publishes and books an amount, of which percent are of cost center 1 and the rest of 2.
func (l *ledger) posting(id, site, date, amount, percent string) *odoo.Booking {
	l.t.Helper()
	rest := new(apd.Decimal)
	if _, err := apd.BaseContext.WithPrecision(20).Sub(rest, apd.New(100, 0), decimal(l.t, percent)); err != nil {
		l.t.Fatal(err)
	}
	money := &manufacturingv1.Money{Amount: amount, Currency: "EUR"}
	l.record(site, &manufacturingv1.PostingPrepared{PostingId: id, JournalId: "MISC", PostingDate: date, Lines: []*manufacturingv1.PostingLine{
		{AccountId: "6000", Side: manufacturingv1.PostingSide_POSTING_SIDE_DEBIT, Amount: money, Dimensions: []*manufacturingv1.DimensionShare{
			{DimensionId: "cost-center", ValueId: "1", Percent: percent}, {DimensionId: "cost-center", ValueId: "2", Percent: rest.Text('f')},
		}},
		{AccountId: "4000", Side: manufacturingv1.PostingSide_POSTING_SIDE_CREDIT, Amount: money},
	}})
	minus := new(apd.Decimal)
	minus.Neg(decimal(l.t, amount))
	l.bookings = append(l.bookings, odoo.Booking{Posting: id, Date: date, State: odoo.StatePosted, Lines: []odoo.BookingLine{
		{Account: "6000", Currency: "EUR", Amount: decimal(l.t, amount), Shares: map[int64]*apd.Decimal{11: decimal(l.t, percent), 12: rest}},
		{Account: "4000", Currency: "EUR", Amount: minus},
	}})
	return &l.bookings[len(l.bookings)-1]
}

func newLedger(t *testing.T) *ledger {
	l := &ledger{t: t}
	l.dimension(11, "1")
	l.dimension(12, "2")
	return l
}

func TestMonthOfManyPostingsAgreesToTheLastCent(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 1))
	l := newLedger(t)
	cents := map[string]int64{}
	for n := range 3000 {
		site, amount := fmt.Sprintf("plant-%d", n%3), random.Int64N(1_000_000)+1
		date := fmt.Sprintf("2026-%02d-%02d", 10+n%3, 1+random.IntN(28))
		if n%3 == 1 {
			cents[site] += amount
		}
		l.posting(fmt.Sprint(n), site, date, fmt.Sprintf("%d.%02d", amount/100, amount%100), fmt.Sprintf("%d.5", random.IntN(99)))
	}
	r := l.month("2026-11")
	if !r.Agree || r.Postings != 1000 || r.Booked != 1000 {
		t.Fatalf("seed %d: %d of %d postings booked: %v", seed, r.Booked, r.Postings, r.Findings)
	}
	if len(r.Rows) != 4 { // one site has a date in November: two accounts, and one of them by two cost centers
		t.Fatalf("seed %d: rows %+v", seed, r.Rows)
	}
	for _, row := range r.Rows {
		want := apd.New(cents[row.Site], -2)
		if row.Account == "4000" && row.Events.Credit.Cmp(want) != 0 || row.Account == "6000" && row.Dimension == "" && row.Events.Debit.Cmp(want) != 0 {
			t.Errorf("seed %d: %+v, want %s", seed, row, want)
		}
	}
}

func TestPostingsThatAreNotTheSameAreNamed(t *testing.T) {
	l := newLedger(t)
	l.posting("fine", "plant-a", "2026-11-03", "10.00", "60")
	changed := l.posting("changed", "plant-a", "2026-11-03", "10.00", "60")
	changed.Lines[0].Shares[11], changed.Lines[0].Shares[12] = apd.New(50, 0), apd.New(50, 0)
	changed.Lines[1].Amount = apd.New(-9, 0)
	l.posting("moved", "plant-b", "2026-11-30", "5.00", "60").Date = "2026-12-01"
	l.posting("arrived", "plant-b", "2026-12-01", "5.00", "60").Date = "2026-11-30"
	l.posting("reset", "plant-b", "2026-11-30", "5.00", "60").State = "draft"
	l.posting("missing", "plant-b", "2026-11-30", "5.00", "60")
	l.bookings = l.bookings[:5]
	l.bookings = append(l.bookings, odoo.Booking{
		Posting: "stray", Date: "2026-11-01", State: odoo.StatePosted, Lines: []odoo.BookingLine{{Account: "6000", Currency: "EUR", Amount: apd.New(1, 0)}},
	})
	r := l.month("2026-11")
	got := map[string]Part{}
	for _, f := range r.Findings {
		if f.Cause == "" || f.Site == "" && f.Posting != "stray" {
			t.Errorf("%+v", f)
		}
		for _, p := range f.Parts {
			got[f.Posting+" "+p.Field] = Part{Events: p.Events, Books: p.Books}
		}
	}
	want := map[string]Part{
		"changed account 6000 EUR, cost-center 1": {Events: "debit 6", Books: "debit 5"},
		"changed account 6000 EUR, cost-center 2": {Events: "debit 4", Books: "debit 5"},
		"changed account 4000 EUR":                {Events: "credit 10", Books: "credit 9"},
		"moved date":                              {Events: "2026-11-30", Books: "2026-12-01"},
		"arrived date":                            {Events: "2026-12-01", Books: "2026-11-30"},
		"reset state":                             {Events: "posted", Books: "draft"},
		"missing posting":                         {Events: "2026-11-30, 5 EUR", Books: NotThere},
		"stray posting":                           {Events: NotThere, Books: "2026-11-01, 1 EUR"},
	}
	if r.Agree || !maps.Equal(got, want) {
		t.Errorf("found %v\nwant %v", got, want)
	}
	if r = l.month("2026-10"); !r.Agree || len(r.Rows) != 0 {
		t.Errorf("a month without postings: %+v", r)
	}
	if _, err := Month(t.Context(), odoo.Config{}, "November", l.all(), l); !errors.Is(err, plantmesh.ErrInvalidRequest) {
		t.Errorf("November: %v", err)
	}
}

func TestDimensionsThatPeopleMadeAreCalledWhatTheyAreInOdoo(t *testing.T) {
	l := newLedger(t)
	l.posting("P", "plant-a", "2026-11-03", "10.00", "60")
	l.applied = l.applied[1:]
	l.people = map[int64]odoo.DimensionValue{11: {Dimension: "cost-center", Value: "1"}}
	if r := l.month("2026-11"); !r.Agree {
		t.Errorf("%+v", r.Findings)
	}
	l.people = nil
	if r := l.month("2026-11"); r.Agree {
		t.Error("a posting agrees whose analytic account is gone")
	}
}
