package odootest

import (
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/totals"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// bulk has finance wait for a window, with so many events in a call, one call at a time.
func bulk(batch int) func(*odoo.Config) {
	return func(c *odoo.Config) {
		c.Concurrency, c.Windows = 1, []odoo.Window{{Streams: []string{"*/finance"}, Schedule: "0 2 * * *", Batch: batch}}
	}
}

// posting is one between two accounts, on the 28th of a month.
func (p *plant) posting(id, debit, credit, journal, month, amount string) *manufacturingv1.PostingPrepared {
	return &manufacturingv1.PostingPrepared{PostingId: p.name(id), JournalId: journal, PostingDate: month + "-28", Lines: []*manufacturingv1.PostingLine{
		{AccountId: debit, Side: manufacturingv1.PostingSide_POSTING_SIDE_DEBIT, Amount: p.money(amount)},
		{AccountId: credit, Side: manufacturingv1.PostingSide_POSTING_SIDE_CREDIT, Amount: p.money(amount)},
	}}
}

// gathering is a line to a target on which a call that has events applied waits until others wait behind it.
type gathering struct {
	*plant
	next atomic.Pointer[chan struct{}] // what the next such call waits for; nil: nothing
}

func newGathering(t *testing.T, target Target, batch int) *gathering {
	t.Helper()
	g := &gathering{plant: newPlant(t, target)}
	proxy := forward(t, target)
	line := httptest.NewServer(markActions(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get(runsAction) != "" {
			if wait := g.next.Swap(nil); wait != nil {
				<-*wait
			}
		}
		proxy.ServeHTTP(w, r)
	})))
	t.Cleanup(line.Close)
	g.applier = g.newApplier(bulk(batch), func(c *odoo.Config) { c.URL = line.URL })
	if err := g.applier.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return g
}

// together hands events over at the same time, as a window does: the first goes alone, and all others wait when its call ends. It returns the answers, and how
// many calls it took.
func (g *gathering) together(deliveries []consumer.Delivery) (answers []error, calls uint64) {
	g.t.Helper()
	before, begin := g.applier.Status().Calls, make(chan struct{})
	g.next.Store(&begin)
	answers = make([]error, len(deliveries))
	var group errgroup.Group
	for i, d := range deliveries {
		d.Collected = true
		group.Go(func() error { answers[i] = g.applier.Handle(g.t.Context(), d); return nil })
	}
	for g.applier.Status().Waiting < len(deliveries)-1 && g.t.Context().Err() == nil {
		runtime.Gosched()
	}
	close(begin)
	if err := group.Wait(); err != nil {
		g.t.Fatal(err)
	}
	return answers, g.applier.Status().Calls - before
}

// postedInBulk: a window's postings are each booked once, share calls, and the month adds up; so it does after all came again.
func postedInBulk(t *testing.T, target Target) {
	p := newGathering(t, target, 50)
	debit, credit, journal := p.ledger()
	month := fmt.Sprintf("%04d-%02d", 2100+(starts/1_000_000_000+runs.Load()*13)%7000, 1+runs.Load()%12)
	const postings = 60
	deliveries := make([]consumer.Delivery, postings)
	for i := range deliveries {
		deliveries[i] = p.record(p.posting(fmt.Sprint("P", i), debit, credit, journal, month, fmt.Sprintf("%d.1", i+1)))
	}
	answers, calls := p.together(deliveries)
	for i, err := range answers {
		if err != nil {
			t.Errorf("posting %d: %v", i, err)
		}
	}
	if s := p.applier.Status(); calls != 3 || s.Splits != 0 {
		t.Errorf("%d postings took %d calls, %d of them split, want 3: of 1, 50 and 9", postings, calls, s.Splits)
	}
	again, _ := p.together(deliveries)
	for i, err := range again {
		if !errors.Is(err, consumer.ErrDuplicate) {
			t.Errorf("posting %d again: %v", i, err)
		}
	}
	report, err := totals.Month(t.Context(), target.Config(), month, func(yield func(*eventv1.RecordedEvent, error) bool) {
		for _, d := range deliveries {
			if !yield(d.Event, nil) {
				return
			}
		}
	}, p.applier.Reader())
	if err != nil || !report.Agree || report.Booked != postings {
		t.Errorf("totals %+v, %v", report, err)
	}
}

// badPostingInBulk: only the one that Odoo refuses is parked, with its words; in few calls.
func badPostingInBulk(t *testing.T, target Target) {
	p := newGathering(t, target, 64)
	debit, credit, journal := p.ledger()
	const postings, bad = 32, 21
	deliveries := make([]consumer.Delivery, postings)
	for i := range deliveries {
		posting := p.posting(fmt.Sprint("P", i), debit, credit, journal, "2026-01", "7.5")
		if i == bad {
			posting.Lines[0].AccountId = "NONE"
		}
		deliveries[i] = p.record(posting)
	}
	answers, calls := p.together(deliveries)
	for i, err := range answers {
		if i == bad {
			parked(t, err, "Account NONE is not in Odoo")
			continue
		}
		if err != nil {
			t.Errorf("posting %d: %v", i, err)
		}
		p.one("account.move", where("x_mesh_posting", p.name(fmt.Sprint("P", i)), "state", "posted"), "id")
	}
	if rows := p.read("account.move", where("x_mesh_posting", p.name(fmt.Sprint("P", bad))), "id"); len(rows) != 0 {
		t.Errorf("the refused one left %v", rows)
	}
	if most := uint64(2 + 2*bits.Len(postings)); calls > most {
		t.Errorf("%d calls for one bad posting among %d, want %d at most: it is found by halves", calls, postings, most)
	}
}
