package reconcile

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/replay"
	"github.com/plantmesh/plantmesh/node/odoo/totals"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// atOnce is how many events one call asks the journal about.
const atOnce = 500

// entry is an event whose effect Odoo has, or should have. All of a history are in memory at once, so it keeps what is needed and no more.
type entry struct {
	stream    plantmesh.StreamName
	offset    plantmesh.Offset
	site      string
	key       string // as [odoo.EventKey] has it
	time      time.Time
	noted     time.Time // when its origin recorded it
	payload   proto.Message
	recorded  *eventv1.RecordedEvent // the whole, of what totals reads
	captured  bool                   // Odoo told it
	discarded bool                   // somebody gave it up in Odoo
}

// compare tells which of two events counts later.
func (e entry) compare(o entry) int {
	return cmp.Or(e.time.Compare(o.time), e.noted.Compare(o.noted), cmp.Compare(e.stream, o.stream), cmp.Compare(e.offset, o.offset))
}

// String names it for people.
func (e entry) String() string {
	return fmt.Sprintf("%s@%d %s", e.stream, e.offset, e.payload.ProtoReflect().Descriptor().Name())
}

// history is what the mesh says.
type history struct {
	entries    []entry // by the time of the event
	waiting    int
	unmade     []entry // corrections that are approved, and wait
	incomplete []string
}

// read collects the events that Odoo has the effects of. Positions are asked for before what is parked, and that before the journal: so an
// event that moves on in between is found where it went.
func (r *Reconciliation) read(ctx context.Context) (*history, error) {
	positions, err := r.Node.Positions(ctx)
	if err != nil {
		return nil, err
	}
	discarded, err := r.Node.Discarded(ctx)
	if err != nil {
		return nil, err
	}
	h := &history{}
	var waiting []entry
	for _, name := range slices.Sorted(maps.Keys(positions)) {
		parked := map[string]plantmesh.Offset{}
		var last plantmesh.Offset
		for item, err := range r.Node.Events(ctx, name, time.Time{}) {
			if err != nil {
				return nil, fmt.Errorf("stream %s: %w", name, err)
			}
			if item.Event == nil {
				last = max(last, item.Last)
				h.incomplete = append(h.incomplete, missingOffsets(name, item.First, item.Last))
				continue
			}
			last = max(last, plantmesh.Offset(item.Event.GetOffset()))
			e, ok, err := r.entry(name, item)
			if err != nil {
				return nil, err
			}
			if !ok {
				continue
			}
			if most := r.Config.Reconcile.MaxEvents; len(h.entries)+len(waiting) == most {
				return nil, fmt.Errorf("more than %d events have an effect in Odoo: raise odoo.reconcile.max_events, at about 1.5 kB of memory each", most)
			}
			offset, subject := plantmesh.Offset(item.Event.GetOffset()), item.Event.GetEvent().GetSubject()
			if e.discarded = discarded[e.key]; e.discarded || e.captured {
				h.entries = append(h.entries, e)
				continue
			}
			if _, asked := parked[subject]; !asked {
				if parked[subject], err = r.Node.Parked(ctx, name, subject); err != nil {
					return nil, err
				}
			}
			if offset > positions[name] || parked[subject] != 0 && parked[subject] <= offset {
				waiting = append(waiting, e)
				continue
			}
			h.entries = append(h.entries, e)
		}
		if last < positions[name] { // the copy was removed, and is still coming again
			h.incomplete = append(h.incomplete, missingOffsets(name, last+1, positions[name]))
		}
	}
	if err := r.settle(ctx, h, waiting); err != nil {
		return nil, err
	}
	slices.SortStableFunc(h.entries, entry.compare)
	return h, nil
}

func missingOffsets(name plantmesh.StreamName, first, last plantmesh.Offset) string {
	return fmt.Sprintf("%s: offsets %d to %d", name, first, last)
}

// entry reads an event; ok is false for one that makes nothing to compare.
func (r *Reconciliation) entry(name plantmesh.StreamName, item replay.Item) (e entry, ok bool, err error) {
	event := item.Event.GetEvent()
	e = entry{
		stream: name, offset: plantmesh.Offset(item.Event.GetOffset()), site: item.Event.GetSite(), key: odoo.EventKey(event.GetSource(), event.GetId()),
		time: event.GetTime().AsTime(), noted: item.Event.GetRecordedTime().AsTime(), captured: name.Origin() == r.Site && event.GetSource() == odoo.CaptureSource(r.Site),
	}
	if slices.Contains(totals.Types(), event.GetType()) {
		e.recorded = item.Event
	}
	if !e.captured && !r.Config.HasEffect(r.Site, name, item.Incarnation, item.Event) {
		return entry{}, false, nil
	}
	if e.payload, err = plantmesh.Payload(event); err != nil {
		return entry{}, false, fmt.Errorf("stream %s, offset %d: %w", name, item.Event.GetOffset(), err)
	}
	return e, true, nil
}

// settle asks the journal which of the events that seem to wait are applied: several subjects are worked on at once.
func (r *Reconciliation) settle(ctx context.Context, h *history, waiting []entry) error {
	for chunk := range slices.Chunk(waiting, atOnce) {
		var keys []string
		for _, e := range chunk {
			keys = append(keys, e.key)
		}
		rows, err := r.Odoo.AppliedOf(ctx, keys)
		if err != nil {
			return err
		}
		applied := map[string]bool{}
		for _, row := range rows {
			applied[row.Event] = true
		}
		for _, e := range chunk {
			if applied[e.key] {
				h.entries = append(h.entries, e)
				continue
			}
			if h.waiting++; isCorrection(e) {
				h.unmade = append(h.unmade, e)
			}
		}
	}
	return nil
}
