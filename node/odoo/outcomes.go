package odoo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// OutcomeDomain is that of the stream which says what became of events.
const OutcomeDomain = "mesh"

const (
	maxNote   = 2000 // bytes of a note; see the schema
	maxReason = 4000
)

// Log is where outcomes are recorded, and where events are read of which only the place is known.
type Log interface {
	Append(ctx context.Context, w storage.Write) ([]storage.Receipt, error)
	GetOf(s plantmesh.StreamName, i plantmesh.Incarnation, o plantmesh.Offset) (*eventv1.RecordedEvent, error)
}

// Outcomes hands events to an [Applier] and tells the mesh what became of each, in the site's stream of the domain mesh: ErpApplied,
// or ErpRejected with Odoo's words. The site that published an event reads there what the books made of it.
//
// An event's outcome has an id of its own, made of the event's. So it is recorded once, though the event comes again after a reply that was
// lost, or a crash between Odoo's commit and the record of it: Odoo then says what its journal has.
type Outcomes struct {
	applier *Applier
	site    plantmesh.SiteID
	log     Log
}

// NewOutcomes returns a consumer.Handler around an applier.
func NewOutcomes(applier *Applier, site plantmesh.SiteID, log Log) *Outcomes {
	return &Outcomes{applier: applier, site: site, log: log}
}

// Handle applies one event and records what became of it.
//
// What was captured from Odoo is there already, and ignored.
//
// Errors: as of [Applier.Handle]; those of recording, after which the event comes again, and is a duplicate.
func (o *Outcomes) Handle(ctx context.Context, d consumer.Delivery) error {
	if d.Stream.Origin() == o.site && d.Event.GetEvent().GetSource() == CaptureSource(o.site) {
		return consumer.ErrIgnored
	}
	result, err := o.applier.Apply(ctx, d)
	var park *consumer.ParkError
	switch {
	case err == nil, errors.Is(err, consumer.ErrDuplicate) && result.Model != "":
		if failed := o.record(ctx, d, "applied", applied(d, result)); failed != nil {
			return failed
		}
	case errors.As(err, &park):
		reason := cut(err.Error(), maxReason)
		rejected := &manufacturingv1.ErpRejected{Reason: reason, Attempts: uint32(max(d.Attempt, 1)), RejectTime: timestamppb.Now()}
		about(rejected, d)
		hash := sha256.Sum256([]byte(reason))
		if failed := o.record(ctx, d, "rejected-"+hex.EncodeToString(hash[:4]), rejected); failed != nil {
			return failed
		}
	}
	return err
}

// Discarded records that somebody gave a parked event up. It is called before that takes effect, so that nothing is discarded in silence.
func (o *Outcomes) Discarded(ctx context.Context, gone *adminv1.DiscardedEvent) error {
	d := consumer.Delivery{Stream: plantmesh.StreamName(gone.GetStream()), Incarnation: plantmesh.Incarnation(gone.GetIncarnation())}
	var err error
	if d.Event, err = o.log.GetOf(d.Stream, d.Incarnation, plantmesh.Offset(gone.GetOffset())); err != nil {
		return fmt.Errorf("tell the mesh of it: %w", err)
	}
	rejected := &manufacturingv1.ErpRejected{
		Reason: cut(gone.GetReason()+"; before that: "+gone.GetError(), maxReason), Discarded: true, DiscardedBy: gone.GetDiscardedBy(), RejectTime: gone.GetDiscardTime(),
	}
	about(rejected, d)
	return o.record(ctx, d, "discarded", rejected)
}

func applied(d consumer.Delivery, r Result) *manufacturingv1.ErpApplied {
	at, err := time.Parse(dateTime, strings.SplitN(r.Time, ".", 2)[0])
	if err != nil {
		at = time.Now()
	}
	outcome := &manufacturingv1.ErpApplied{
		RecordModel: r.Model, RecordId: r.ID, RecordName: cut(r.Name, 500), Note: cut(r.Note, maxNote), ApplyTime: timestamppb.New(at),
	}
	about(outcome, d)
	return outcome
}

// about names the event that an outcome is of.
func about(outcome proto.Message, d consumer.Delivery) {
	e := d.Event.GetEvent()
	switch out := outcome.(type) {
	case *manufacturingv1.ErpApplied:
		out.EventSource, out.EventId, out.EventType, out.EventSubject = e.GetSource(), e.GetId(), e.GetType(), e.GetSubject()
		out.Stream, out.Incarnation, out.Offset, out.SiteId = string(d.Stream), uint64(d.Incarnation), d.Event.GetOffset(), d.Event.GetSite()
	case *manufacturingv1.ErpRejected:
		out.EventSource, out.EventId, out.EventType, out.EventSubject = e.GetSource(), e.GetId(), e.GetType(), e.GetSubject()
		out.Stream, out.Incarnation, out.Offset, out.SiteId = string(d.Stream), uint64(d.Incarnation), d.Event.GetOffset(), d.Event.GetSite()
	}
}

// record appends an outcome, in the trace of its event. One that is recorded already, in whatever words, stays.
func (o *Outcomes) record(ctx context.Context, d consumer.Delivery, what string, outcome proto.Message) error {
	e := d.Event.GetEvent()
	hash := sha256.Sum256([]byte(EventKey(e.GetSource(), e.GetId())))
	event, err := plantmesh.NewEvent("//"+string(o.site)+"/odoo", what+"-"+hex.EncodeToString(hash[:16]), time.Now(), outcome)
	if err != nil {
		return fmt.Errorf("outcome of event %q: %w", e.GetId(), err)
	}
	event.Traceparent, event.Tracestate = e.GetTraceparent(), e.GetTracestate()
	_, err = o.log.Append(ctx, storage.Write{Entries: []storage.Entry{{Stream: plantmesh.StreamOf(o.site, OutcomeDomain), Event: event}}})
	var conflict *plantmesh.ConflictError
	if errors.As(err, &conflict) {
		return nil
	}
	return err
}

// cut shortens a text that people read.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-len("…")], "") + "…"
}
