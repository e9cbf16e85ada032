package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/telemetry"
	catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// Limits of one publish request, as the protocol promises them.
const (
	maxRequestEvents = 1000
	maxRequestBytes  = 4 << 20
)

// events is EventService.
type events struct {
	eventv1.UnimplementedEventServiceServer
	cfg     Config
	log     *storage.Log
	tracing *telemetry.Tracing
	logger  *slog.Logger

	copies    Copies
	classOf   func(plantmesh.StreamName) catalogv1.Class
	onJump    func(plantmesh.StreamName, storage.Jump)
	latency   *telemetry.Latency // of durable publishing
	consumers Consumers
	receivers sync.WaitGroup // goroutines of PublishStream and Consume
}

// Publish records events; see the protocol.
func (s *events) Publish(ctx context.Context, req *eventv1.PublishRequest) (*eventv1.PublishResponse, error) {
	arrived := time.Now()
	entries, err := s.entries(req, req.GetEvents())
	if err != nil {
		return nil, err
	}
	ctx, traced := s.tracing.Append(ctx, entries)
	receipts, err := s.log.Append(ctx, storage.Write{Entries: entries})
	if err == nil {
		err = s.copied(ctx, receipts)
	}
	traced(err)
	if err != nil {
		return nil, err
	}
	s.latency.Record(time.Since(arrived))
	return &eventv1.PublishResponse{Receipts: receiptMessages(receipts)}, nil
}

// entries checks the events of a request, all of them, and finds their streams.
func (s *events) entries(req proto.Message, list []*eventv1.Event) ([]storage.Entry, error) {
	if err := checkSize(len(list), proto.Size(req)); err != nil {
		return nil, err
	}
	entries := make([]storage.Entry, len(list))
	var faults faults
	for i, e := range list {
		t, err := plantmesh.ValidateEvent(e)
		if err == nil {
			err = s.mayPublish(t)
		}
		if err != nil {
			if err := faults.add(i, e, err); err != nil {
				return nil, err
			}
			continue
		}
		entries[i] = storage.Entry{Stream: plantmesh.StreamOf(s.cfg.Self.Site, t.Domain), Event: e}
	}
	return entries, faults.err()
}

func checkSize(count, bytes int) error {
	switch {
	case count == 0:
		return fmt.Errorf("%w: it holds no event", plantmesh.ErrInvalidRequest)
	case count > maxRequestEvents:
		return fmt.Errorf("%w: it has %d events, the limit is %d: split it", plantmesh.ErrBatchTooLarge, count, maxRequestEvents)
	case bytes > maxRequestBytes:
		return fmt.Errorf("%w: it has %d bytes, the limit is %d: split it", plantmesh.ErrBatchTooLarge, bytes, maxRequestBytes)
	}
	return nil
}

func (s *events) mayPublish(t plantmesh.EventType) error {
	if slices.Contains(t.Owners, catalogv1.Owner_OWNER_SITE) || s.cfg.Enterprise && slices.Contains(t.Owners, catalogv1.Owner_OWNER_ENTERPRISE) {
		return nil
	}
	if slices.Contains(t.Owners, catalogv1.Owner_OWNER_NODE) {
		return fmt.Errorf("%s at %s: %w: only nodes publish it, about themselves", t.Name, s.cfg.Self.Site, plantmesh.ErrNotOwner)
	}
	return fmt.Errorf("%s at %s: %w: its owner is the site that faces the ERP; publish it there", t.Name, s.cfg.Self.Site, plantmesh.ErrNotOwner)
}

// faults collects what is wrong with the events of one request into one error.
type faults struct {
	violations []plantmesh.Violation
	id         string // of the first event at fault
	unknown    error  // first unknown type
	invalid    bool   // something else is wrong as well
}

// add notes what is wrong with one event. What is not the event's fault is returned.
func (f *faults) add(index int, e *eventv1.Event, err error) error {
	var invalid *plantmesh.InvalidEventError
	switch {
	case errors.As(err, &invalid):
		f.invalid = true
		for _, v := range invalid.Violations {
			v.Index = index
			f.violations = append(f.violations, v)
		}
	case errors.Is(err, plantmesh.ErrUnknownEventType):
		if f.unknown == nil {
			f.unknown = fmt.Errorf("events[%d] %q: %w", index, e.GetId(), err)
		}
		f.violations = append(f.violations, plantmesh.Violation{
			Index: index, Field: "type", Rule: "catalog.type", Value: e.GetType(), Text: "is not in the catalog",
		})
	default:
		return fmt.Errorf("events[%d] %q: %w", index, e.GetId(), err)
	}
	if f.id == "" {
		f.id = e.GetId()
	}
	return nil
}

func (f *faults) err() error {
	if len(f.violations) == 0 {
		return nil
	}
	list := &plantmesh.InvalidEventError{ID: f.id, Violations: f.violations}
	if f.invalid {
		return list
	}
	return &unknownTypeError{error: f.unknown, list: list}
}

// unknownTypeError is an ErrUnknownEventType that names every event at fault.
type unknownTypeError struct {
	error
	list *plantmesh.InvalidEventError
}

func (e *unknownTypeError) Unwrap() error { return e.error }

// As gives the list to whoever writes the details of the status.
func (e *unknownTypeError) As(target any) bool {
	list, ok := target.(**plantmesh.InvalidEventError)
	if ok {
		*list = e.list
	}
	return ok
}

func receiptMessages(receipts []storage.Receipt) []*eventv1.Receipt {
	list := make([]*eventv1.Receipt, len(receipts))
	for i, r := range receipts {
		list[i] = &eventv1.Receipt{
			Stream: string(r.Stream), Incarnation: uint64(r.Incarnation), Offset: uint64(r.Offset),
			RecordedTime: timestamppb.New(r.RecordedTime), Duplicate: r.Duplicate,
		}
	}
	return list
}
