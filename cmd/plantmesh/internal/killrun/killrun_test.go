package killrun_test

import (
	"fmt"
	"log/slog"
	"net/http/httptest"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/odootest"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
)

const (
	eventsVariable = "PLANTMESH_KILL_EVENTS"
	seedVariable   = "PLANTMESH_KILL_SEED"
	// maxTag is how many tags there are: base 36 to the fourth.
	maxTag = 36 * 36 * 36 * 36
)

func TestNodeThatIsKilledAgainAndAgainLeavesTheSandboxAsTheModelHasIt(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT RUN: -short")
	}
	server := httptest.NewServer(sandbox.New("mesh", "key"))
	defer server.Close()
	run(t, odootest.Target{URL: server.URL, Database: "mesh", Key: "key"}, 300, pace{
		least: 20 * time.Millisecond, most: 200 * time.Millisecond, effect: 5 * time.Millisecond, outage: 300 * time.Millisecond,
	})
}

func TestNodeThatIsKilledAgainAndAgainLeavesRealOdooAsTheModelHasIt(t *testing.T) {
	run(t, odootest.FromEnvironment(t).Provision(t), 600, pace{
		least: 500 * time.Millisecond, most: 4 * time.Second, effect: 300 * time.Millisecond, outage: 3 * time.Second,
	})
}

func run(t *testing.T, target odootest.Target, events int, p pace) {
	seed := uint64(time.Now().UnixNano())
	number := func(variable string, into *uint64) {
		if text := os.Getenv(variable); text != "" {
			n, err := strconv.ParseUint(text, 10, 64)
			if err != nil {
				t.Fatalf("%s=%s: give a whole number", variable, text)
			}
			*into = n
		}
	}
	wanted := uint64(events)
	number(eventsVariable, &wanted)
	number(seedVariable, &seed)
	tag := fmt.Sprintf("%04s", strconv.FormatInt(time.Now().UnixMilli()/100%maxTag, 36))
	t.Logf("seed %d, names end in -%s", seed, tag)

	setUp(t, target)
	b := openBooks(t, target, tag)
	m := newModel(seed, tag, b.currency())
	warehouses := b.prepare(m)
	l := newLine(t, target.URL)
	s := newSites(t, target, l, m, warehouses)
	nobody := func() error { return nil }
	s.tell(m.items())
	s.await(b, nobody)
	s.tell(m.opening())
	threads := m.work(int(wanted))
	s.await(b, nobody)
	b.sell(m, warehouses)

	began, before := time.Now(), s.told
	k := unleash(t.Context(), seed, s.nodes[hq], l, p)
	defer func() { _ = k.stop() }()
	s.tell(m.mixed(threads))
	s.await(b, k.failure)
	if err := k.stop(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	kills, report := k.kills()
	t.Logf("%d events in %.1f s, %.1f a second, with %d kills of hq: %s; %d calls, %d of them broken", s.told-before, took.Seconds(), float64(s.told-before)/took.Seconds(), kills, report, l.calls.Load(), l.broken.Load())
	if kills == 0 {
		t.Error("hq was not killed once: raise " + eventsVariable)
	}
	s.once(b)
	s.outcomes()
	t.Logf("%d figures compared", compare(t, m.want, b.found(warehouses)))
	s.agree()
	s.tampered(b, m, warehouses)
}

// setUp makes what plantmesh needs in the database, so that its journal can be read from the start.
func setUp(t *testing.T, target odootest.Target) {
	t.Helper()
	a, err := odoo.New(target.Config(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if err := a.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// currency is the company's.
func (b *books) currency() string {
	b.t.Helper()
	_, name := related(b.read("res.company", []any{}, "currency_id")[0]["currency_id"])
	return name
}
