package demo

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/adapter"
	"github.com/plantmesh/plantmesh/node/odoo"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// whole is a small input, and the evidence of a run in which all went well.
func whole(t *testing.T) (*input, *evidence) {
	t.Helper()
	in, err := generate(5, 1, "shop-floor.yaml")
	if err != nil {
		t.Fatal(err)
	}
	e := &evidence{
		origin: map[plantmesh.StreamName][]*eventv1.RecordedEvent{}, atHQ: map[plantmesh.StreamName][]*eventv1.RecordedEvent{},
		counts: &adminv1.ApplyCounts{}, publish: &adminv1.Latency{}, endToEnd: &adminv1.Latency{},
	}
	record(t, in, e)
	var file adminv1.ImportCounts
	file.Read, file.Recorded = uint64(len(in.rows)), uint64(len(in.events))
	file.Duplicates = uint64(len(in.rows)) - file.GetRecorded()
	for stream, events := range e.origin {
		e.atHQ[stream] = slices.Clone(events)
		for _, site := range followersOf(stream) {
			e.verified = append(e.verified, verified{site: site, result: &adminv1.VerifyResponse{
				Stream: string(stream), Replica: true, HeadOffset: uint64(len(events)), Result: adminv1.VerifyResult_VERIFY_RESULT_VERIFIED,
			}})
		}
		for _, r := range events {
			if !mustReachOdoo[protoreflect.FullName(r.GetEvent().GetType())] {
				e.counts.Ignored++
				continue
			}
			e.journal = append(e.journal, odoo.Applied{
				Event: odoo.EventKey(r.GetEvent().GetSource(), r.GetEvent().GetId()), Stream: stream, Offset: plantmesh.Offset(r.GetOffset()), Subject: r.GetEvent().GetSubject(),
			})
			e.outcomes = append(e.outcomes, outcome(t, r))
			e.counts.Applied++
		}
	}
	again := &adminv1.ImportCounts{Read: 7, Duplicates: 6, Rejected: 1}
	e.files = []importedFile{{plant: plants[0], name: chunkPrefix + "01.csv", counts: &file}, {plant: plants[0], name: redropPrefix + "01.csv", counts: again}}
	e.again = 7
	e.orders = produced(t, e)
	sums := &Report{ByType: map[string]int{}, Totals: newTotals()}
	for _, events := range e.origin {
		for _, r := range events {
			sums.add(r)
		}
	}
	e.totals = odoo.Totals{Entries: sums.Totals.Entries, Completed: sums.Totals.Completed, Rejected: sums.Totals.Rejected, Review: sums.Totals.Review}
	return in, e
}

// outcome is what hq tells of an event that is in Odoo.
func outcome(t *testing.T, r *eventv1.RecordedEvent) *eventv1.RecordedEvent {
	t.Helper()
	e := r.GetEvent()
	told, err := plantmesh.NewEvent("//hq/odoo", "applied-"+e.GetId(), scenesBegin, &manufacturingv1.ErpApplied{
		EventSource: e.GetSource(), EventId: e.GetId(), EventType: e.GetType(), EventSubject: e.GetSubject(), Stream: string(streamA), Incarnation: 1,
		Offset: r.GetOffset(), SiteId: "plant-a", RecordModel: "mrp.production", RecordId: 1, RecordName: "WH/MO/1", ApplyTime: timestamppb.New(scenesBegin),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &eventv1.RecordedEvent{Event: told}
}

// produced is what Odoo says of the orders, split into two parts each as Odoo does now and then.
func produced(t *testing.T, e *evidence) []odoo.Order {
	t.Helper()
	sums := map[string]*apd.Decimal{}
	for _, events := range e.origin {
		for _, r := range events {
			if err := addCompletion(sums, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	var orders []odoo.Order
	for name, sum := range sums {
		rest := new(apd.Decimal)
		if _, err := apd.BaseContext.Sub(rest, sum, apd.New(1, 0)); err != nil {
			t.Fatal(err)
		}
		orders = append(orders, odoo.Order{Order: name, Produced: apd.New(1, 0)}, odoo.Order{Order: name, Produced: rest})
	}
	return orders
}

// record gives the input's events offsets, as their plants would. Rows that make no event count as duplicates here.
func record(t *testing.T, in *input, e *evidence) {
	t.Helper()
	config, err := adapter.ParseMapping("shop-floor.yaml", shopFloor)
	if err != nil {
		t.Fatal(err)
	}
	mappings := map[plantmesh.SiteID]*adapter.Mapping{}
	for _, plant := range plants {
		if mappings[plant], err = adapter.Compile(config, plant); err != nil {
			t.Fatal(err)
		}
	}
	seen := map[eventKey]bool{}
	for _, r := range in.rows {
		values := map[string]string{}
		for i, field := range strings.Split(strings.TrimSpace(string(r.text)), ",") {
			values[shopFloorColumns[i]] = field
		}
		event, kind, err := mappings[r.site].Event(adapter.Row{Line: r.line, Values: values})
		if err != nil || seen[eventKey{event.GetSource(), event.GetId()}] {
			continue
		}
		seen[eventKey{event.GetSource(), event.GetId()}] = true
		stream := plantmesh.StreamOf(r.site, kind.Domain)
		e.origin[stream] = append(e.origin[stream], &eventv1.RecordedEvent{Offset: uint64(len(e.origin[stream]) + 1), Site: string(r.site), Event: event})
	}
}

const streamA = plantmesh.StreamName("plant-a/production")

func TestVerdictOnAWholeRunIsGood(t *testing.T) {
	r := judge(whole(t))
	if !r.Verified || r.Lost+r.Doubled+r.OutOfOrder != 0 || len(r.Problems) != 0 {
		t.Errorf("%+v", r)
	}
}

// Whatever goes wrong, the verdict says so, under the right name.
func TestVerdictSeesEveryFault(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(e *evidence)
		sees  func(r *Report) bool
	}{
		"lost at the origin": {
			func(e *evidence) { e.origin[streamA] = e.origin[streamA][:3] },
			func(r *Report) bool { return r.Lost > 0 },
		},
		"lost on the way": {
			func(e *evidence) { e.atHQ[streamA] = e.atHQ[streamA][:3] },
			func(r *Report) bool { return r.Lost > 0 },
		},
		"lost in Odoo": {
			func(e *evidence) { e.journal = e.journal[1:] },
			func(r *Report) bool { return r.Lost == 1 },
		},
		"doubled at the origin": {
			func(e *evidence) {
				twice := proto.CloneOf(e.origin[streamA][0])
				twice.Offset = uint64(len(e.origin[streamA]) + 1)
				e.origin[streamA] = append(e.origin[streamA], twice)
			},
			func(r *Report) bool { return r.Doubled == 1 },
		},
		"doubled in Odoo": {
			func(e *evidence) { e.journal = append(e.journal, e.journal[0]) },
			func(r *Report) bool { return r.Doubled == 1 },
		},
		"in Odoo, and nobody told": {
			func(e *evidence) { e.outcomes = e.outcomes[1:] },
			func(r *Report) bool { return len(r.Problems) == 1 },
		},
		"told twice": {
			func(e *evidence) { e.outcomes = append(e.outcomes, e.outcomes[0]) },
			func(r *Report) bool { return len(r.Problems) == 1 },
		},
		"reordered on the way": {
			func(e *evidence) { e.atHQ[streamA][0], e.atHQ[streamA][1] = e.atHQ[streamA][1], e.atHQ[streamA][0] },
			func(r *Report) bool { return r.OutOfOrder > 0 },
		},
		"reordered in Odoo": {
			func(e *evidence) { slices.Reverse(e.journal) },
			func(r *Report) bool { return r.OutOfOrder > 0 },
		},
		"not verified": {
			func(e *evidence) { e.verified[0].result.Result = adminv1.VerifyResult_VERIFY_RESULT_DIVERGED },
			func(r *Report) bool { return len(r.Problems) == 2 },
		},
		"other sums in Odoo": {
			func(e *evidence) { e.totals.Entries++ },
			func(r *Report) bool { return len(r.Problems) == 1 },
		},
		"a stranger at the origin hides nothing": {
			func(e *evidence) {
				stranger := proto.CloneOf(e.origin[streamA][0])
				stranger.Event.Id = "stranger"
				e.origin[streamA][0] = stranger
			},
			func(r *Report) bool { return r.Lost == 2 },
		},
		"recorded in another order than the rows": {
			func(e *evidence) {
				for _, events := range []map[plantmesh.StreamName][]*eventv1.RecordedEvent{e.origin, e.atHQ} {
					one, two := proto.CloneOf(events[streamA][0]), proto.CloneOf(events[streamA][1])
					one.Offset, two.Offset = two.GetOffset(), one.GetOffset()
					events[streamA][0], events[streamA][1] = two, one
				}
			},
			func(r *Report) bool { return r.OutOfOrder == 1 },
		},
		"changed on the way": {
			func(e *evidence) {
				changed := proto.CloneOf(e.atHQ[streamA][0])
				changed.Event.Data = changed.Event.Data[:len(changed.Event.Data)-1]
				e.atHQ[streamA][0] = changed
			},
			func(r *Report) bool { return len(r.Problems) == 1 },
		},
		"more at hq than at the origin": {
			func(e *evidence) {
				more := proto.CloneOf(e.atHQ[streamA][0])
				more.Offset = uint64(len(e.atHQ[streamA]) + 1)
				e.atHQ[streamA] = append(e.atHQ[streamA], more)
				e.counts.Ignored++
			},
			func(r *Report) bool { return len(r.Problems) == 1 },
		},
		"replica that nobody verified": {
			func(e *evidence) { e.verified = e.verified[1:] },
			func(r *Report) bool { return len(r.Problems) == 1 },
		},
		"replica that ends too early": {
			func(e *evidence) { e.verified[0].result.HeadOffset-- },
			func(r *Report) bool { return len(r.Problems) == 1 },
		},
		"passed over as without effect": {
			func(e *evidence) {
				e.journal = e.journal[1:]
				e.counts.Applied--
				e.counts.Ignored++
			},
			func(r *Report) bool { return r.Lost == 1 },
		},
		"produced less in Odoo": {
			func(e *evidence) { e.orders = e.orders[1:] },
			func(r *Report) bool { return len(r.Problems) == 1 },
		},
		"second drop never read": {
			func(e *evidence) { e.files = e.files[:1] },
			func(r *Report) bool { return len(r.Problems) == 1 },
		},
		"second drop recorded again": {
			func(e *evidence) { e.files[1].counts.Recorded, e.files[1].counts.Duplicates = 1, 5 },
			func(r *Report) bool { return len(r.Problems) == 1 },
		},
		"row not accounted for": {
			func(e *evidence) { e.files[0].counts.Read++ },
			func(r *Report) bool { return len(r.Problems) > 0 },
		},
		"parked": {
			func(e *evidence) {
				e.counts.Applied--
				e.counts.Parked++
				e.parked = []*adminv1.ParkedSubject{{Subject: "order/1", Reason: "no item"}}
			},
			func(r *Report) bool { return len(r.Problems) > 0 },
		},
	} {
		t.Run(name, func(t *testing.T) {
			in, e := whole(t)
			c.spoil(e)
			if r := judge(in, e); r.Verified || !c.sees(r) {
				t.Errorf("lost %d, doubled %d, out of order %d, problems %q", r.Lost, r.Doubled, r.OutOfOrder, r.Problems)
			}
		})
	}
}

func TestGeneratorMakesTheSameEventsForTheSameSeed(t *testing.T) {
	one, err := generate(40, 7, "m.yaml")
	if err != nil {
		t.Fatal(err)
	}
	two, err := generate(40, 7, "m.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(one.rows) != fmt.Sprint(two.rows) || len(one.events) >= len(one.rows) {
		t.Errorf("%d and %d rows, %d events", len(one.rows), len(two.rows), len(one.events))
	}
	for _, plant := range plants {
		if !slices.ContainsFunc(one.rows, func(r row) bool { return r.site == plant }) {
			t.Errorf("no row for %s", plant)
		}
	}
}

// A reject is reported with the line of the input, wherever its row was dropped.
func TestFeedKnowsTheOriginalLineOfEveryRow(t *testing.T) {
	in, err := generate(40, 7, "m.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f := newFeed(in)
	byLine := map[int]string{}
	for _, r := range in.rows {
		byLine[r.line] = string(r.text)
	}
	found := 0
	for _, plant := range plants {
		for _, c := range f.chunks[plant] {
			for i, text := range strings.SplitAfter(string(c.text), "\n") {
				if i == 0 || text == "" {
					continue
				}
				found++
				if got := byLine[f.original(plant, c.name, i+1)]; got != text {
					t.Fatalf("%s %s line %d is %q, found %q", plant, c.name, i+1, text, got)
				}
			}
		}
	}
	if found != len(in.rows) {
		t.Errorf("%d rows dropped of %d", found, len(in.rows))
	}
}
