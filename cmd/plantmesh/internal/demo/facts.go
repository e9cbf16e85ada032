package demo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// fact is an event that a scene published, and where its plant says that it is recorded.
type fact struct {
	event     *eventv1.Event
	receipt   plantmesh.Receipt
	discarded bool // somebody gave it up: it must not be in Odoo
}

func (f fact) inOdoo() bool {
	return mustReachOdoo[protoreflect.FullName(f.event.GetType())] && !f.discarded
}

func (f fact) key() eventKey { return eventKey{f.event.GetSource(), f.event.GetId()} }

func (f fact) odooKey() string { return odoo.EventKey(f.event.GetSource(), f.event.GetId()) }

// publishTimeout bounds one publish of a scene, with all that the client repeats.
const publishTimeout = time.Minute

// publish records events at a plant, in this order, as one of its systems would. It returns when they are acknowledged.
func (s *show) publish(ctx context.Context, at plantmesh.SiteID, payloads ...proto.Message) ([]*fact, error) {
	var events []*eventv1.Event
	for _, p := range payloads {
		s.made++
		e, err := plantmesh.NewEvent(fmt.Sprintf("//%s/scenes", at), fmt.Sprintf("%s-%d", s.tag, s.made), scenesBegin, p)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	return s.record(ctx, at, events)
}

// record publishes events that are made already.
func (s *show) record(ctx context.Context, at plantmesh.SiteID, events []*eventv1.Event) ([]*fact, error) {
	ctx, cancel := context.WithTimeout(ctx, publishTimeout)
	defer cancel()
	receipts, err := s.cluster.sites[at].client.Publish(ctx, events...)
	if err != nil {
		return nil, err
	}
	facts := make([]*fact, len(events))
	for i, e := range events {
		facts[i] = &fact{event: e, receipt: receipts[i]}
	}
	return facts, nil
}

// arrived waits until the node at hq holds events, and those that have an effect are in Odoo's journal.
func (s *show) arrived(ctx context.Context, what string, facts []*fact) error {
	heads := map[string]fact{}
	for _, f := range facts {
		heads[string(f.receipt.Stream)] = *f
	}
	err := s.alive(ctx, what, func() (string, error) {
		hq, err := s.status(ctx, siteHQ)
		if err != nil {
			return "", err
		}
		held := map[string]plantmesh.Receipt{}
		for _, h := range hq.GetStreams() {
			held[h.GetStream()] = plantmesh.Receipt{Incarnation: plantmesh.Incarnation(h.GetIncarnation()), Offset: plantmesh.Offset(h.GetHeadOffset())}
		}
		for stream, want := range heads {
			if at := held[stream]; at.Incarnation < want.receipt.Incarnation || at.Incarnation == want.receipt.Incarnation && at.Offset < want.receipt.Offset {
				return fmt.Sprintf("%s at hq is at %d of %d", stream, at.Offset, want.receipt.Offset), nil
			}
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	return s.journaled(ctx, what, facts)
}

// journaled waits until the effects of events are in Odoo's journal.
func (s *show) journaled(ctx context.Context, what string, facts []*fact) error {
	var keys []string
	for _, f := range facts {
		if f.inOdoo() {
			keys = append(keys, f.odooKey())
		}
	}
	return s.alive(ctx, what, func() (string, error) {
		n, err := s.odoo.Count(ctx, odoo.ModelApplied, []any{[]any{"x_event", "in", keys}})
		if err != nil || n >= len(keys) {
			return "", err
		}
		return fmt.Sprintf("%d of %d events are in Odoo", n, len(keys)), nil
	})
}

// check looks for the events of a scene at their plant, at hq and in Odoo: everywhere once, in order, and nothing else but
// what was there before.
func (s *show) check(ctx context.Context, r *Scene, at plantmesh.SiteID, facts []*fact) error {
	streams := map[plantmesh.StreamName][]*fact{}
	for _, f := range facts {
		streams[f.receipt.Stream] = append(streams[f.receipt.Stream], f)
	}
	var names []string
	for stream, of := range streams {
		names = append(names, string(stream))
		there, err := readHistory(ctx, s.cluster.sites[at].client, stream)
		if err != nil {
			return err
		}
		copied, err := readHistory(ctx, s.cluster.sites[siteHQ].client, stream)
		if err != nil {
			return err
		}
		r.checkRecorded(of, there)
		r.compare(fmt.Sprintf("%s at hq", stream), there, copied)
	}
	for _, site := range []plantmesh.SiteID{at, siteHQ} {
		if err := r.verifyAt(ctx, s.cluster.sites[site], names); err != nil {
			return err
		}
	}
	journal, err := odoo.NewReader(s.odoo).Applied(ctx)
	if err != nil {
		return fmt.Errorf("read Odoo's journal: %w", err)
	}
	r.checkEffects(facts, journal)
	return nil
}

// checkRecorded looks for events where their receipts say that they are.
func (r *Scene) checkRecorded(facts []*fact, there history) {
	times := map[eventKey]int{}
	at := map[eventKey]placed{}
	for _, p := range there {
		times[p.key()]++
		at[p.key()] = p
	}
	for _, f := range facts {
		key := f.key()
		switch p := at[key]; {
		case times[key] == 0:
			r.Lost++
		case times[key] > 1:
			r.Doubled++
		case p.incarnation != f.receipt.Incarnation || p.recorded.GetOffset() != uint64(f.receipt.Offset):
			r.OutOfOrder++
		}
	}
}

// checkEffects looks for the effects of events in Odoo's journal: once, in the order of publishing within a subject.
func (r *Scene) checkEffects(facts []*fact, journal []odoo.Applied) {
	index, last := map[string]int{}, map[string]int{}
	for i, f := range facts {
		index[f.odooKey()] = i
	}
	times := make([]int, len(facts))
	for _, row := range journal {
		i, ok := index[row.Event]
		if !ok {
			continue
		}
		times[i]++
		subject := string(row.Stream) + " " + row.Subject
		if i < last[subject] {
			r.OutOfOrder++
		}
		last[subject] = max(last[subject], i)
	}
	for i, f := range facts {
		switch {
		case f.inOdoo() && times[i] == 0:
			r.Lost++
		case f.discarded && times[i] > 0:
			r.fault("event %q was discarded, and is in Odoo", f.event.GetId())
		case times[i] > 1:
			r.Doubled++
		}
	}
}

// scenesBegin is when the events of the scenes happen, by their plants' clocks.
var scenesBegin = time.Date(2026, 5, 20, 6, 0, 0, 0, time.UTC)

// order is what a scene makes of one order's life.
type order struct{ id, item string }

// order names an order of this run, and what it makes: an Odoo may have been through a demo before.
func (s *show) order(name string) order {
	return order{id: "WO-" + s.tag + "-" + name, item: "gearbox-" + s.tag}
}

func pieces(n string) *manufacturingv1.Quantity {
	return &manufacturingv1.Quantity{Value: n, Unit: "C62"}
}

func (o order) released() *manufacturingv1.ProductionOrderReleased {
	return &manufacturingv1.ProductionOrderReleased{OrderId: o.id, ItemId: o.item, Quantity: pieces("4")}
}

func (o order) reported() *manufacturingv1.OperationReported {
	return &manufacturingv1.OperationReported{
		OrderId: o.id, ItemId: o.item, OperationId: "assembly", WorkCenterId: "ASSEMBLY-1", Activity: manufacturingv1.Activity_ACTIVITY_PRODUCTION,
		StartTime: timestamppb.New(scenesBegin), EndTime: timestamppb.New(scenesBegin.Add(time.Hour)), CompletedQuantity: pieces("4"), OrderQuantity: pieces("4"),
	}
}

func (o order) completed() *manufacturingv1.ProductionCompleted {
	return &manufacturingv1.ProductionCompleted{OrderId: o.id, ItemId: o.item, Quantity: pieces("4")}
}

// subject is the order as a subject of events.
func (o order) subject() string { return "order/" + o.id }

// factsOf are those about one order.
func factsOf(facts []*fact, o order) []*fact {
	return slices.DeleteFunc(slices.Clone(facts), func(f *fact) bool { return f.event.GetSubject() != o.subject() })
}
