package api

import (
	"context"
	"fmt"
	"strings"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumers"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// maxParkedListed is how many parked subjects an answer lists: they fit what gRPC clients receive by default.
const maxParkedListed = 1000

// Consumer is a durable reader that sets aside what cannot be applied.
type Consumer interface {
	// ParkedSubjects returns them oldest first.
	ParkedSubjects() []*adminv1.ParkedSubject
	// Discarded returns what was given up, newest first.
	Discarded() ([]*adminv1.DiscardedEvent, error)
	// ParkedEvent returns one with its event. Errors: plantmesh.ErrInvalidRequest.
	ParkedEvent(s plantmesh.StreamName, subject string) (*adminv1.ParkedSubject, *eventv1.RecordedEvent, error)
	// RetryParked has one tried at once, or without a stream all. Errors: plantmesh.ErrInvalidRequest.
	RetryParked(ctx context.Context, s plantmesh.StreamName, subject string) (int, error)
	// DiscardParked gives an event up. Errors: plantmesh.ErrInvalidRequest.
	DiscardParked(ctx context.Context, req *adminv1.DiscardParkedRequest, by string) (*adminv1.DiscardedEvent, error)
}

// Consumers are those of a node: its own and those of clients.
type Consumers interface {
	// Open opens a client's consumer for a call.
	Open(ctx context.Context, caller plantmesh.Identity, address string, req *eventv1.OpenConsumer) (*consumers.Call, error)
	// Consumer finds one by its full name.
	Consumer(name string) (Consumer, bool)
	// List describes all, by name.
	List() []*adminv1.Consumer
	// Delete removes a client's. Errors: plantmesh.ErrInvalidRequest.
	Delete(name string) error
}

// ListConsumers lists them; see the protocol.
func (a *admin) ListConsumers(context.Context, *adminv1.ListConsumersRequest) (*adminv1.ListConsumersResponse, error) {
	return &adminv1.ListConsumersResponse{Consumers: a.parts.Consumers.List()}, nil
}

// DeleteConsumer removes one; see the protocol.
func (a *admin) DeleteConsumer(_ context.Context, req *adminv1.DeleteConsumerRequest) (*adminv1.DeleteConsumerResponse, error) {
	return &adminv1.DeleteConsumerResponse{}, a.parts.Consumers.Delete(req.GetConsumer())
}

// maxNamed bounds the names in an error.
const maxNamed = 20

func (a *admin) consumer(name string) (Consumer, error) {
	if c, ok := a.parts.Consumers.Consumer(name); ok {
		return c, nil
	}
	var names []string
	for _, c := range a.parts.Consumers.List() {
		names = append(names, c.GetName())
	}
	has := "it has none: its configuration has no `odoo`, and no client made one"
	if len(names) > 0 {
		has = "it has " + strings.Join(names[:min(len(names), maxNamed)], ", ")
	}
	return nil, fmt.Errorf("%w: the node of %s has no consumer %q: %s", plantmesh.ErrInvalidRequest, a.cfg.Self.Site, name, has)
}

// ListParked lists what a consumer set aside; see the protocol.
func (a *admin) ListParked(_ context.Context, req *adminv1.ListParkedRequest) (*adminv1.ListParkedResponse, error) {
	c, err := a.consumer(req.GetConsumer())
	if err != nil {
		return nil, err
	}
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = maxParkedListed
	}
	parked := c.ParkedSubjects()
	answer := &adminv1.ListParkedResponse{Parked: parked[:min(limit, len(parked))], TotalParked: uint64(len(parked))}
	if !req.GetDiscarded() {
		return answer, nil
	}
	discarded, err := c.Discarded()
	answer.Discarded, answer.TotalDiscarded = discarded[:min(limit, len(discarded))], uint64(len(discarded))
	return answer, err
}

// GetParked returns one with its event; see the protocol.
func (a *admin) GetParked(_ context.Context, req *adminv1.GetParkedRequest) (*adminv1.GetParkedResponse, error) {
	c, err := a.consumer(req.GetConsumer())
	if err != nil {
		return nil, err
	}
	parked, event, err := c.ParkedEvent(plantmesh.StreamName(req.GetStream()), req.GetSubject())
	return &adminv1.GetParkedResponse{Parked: parked, Event: event}, err
}

// RetryParked has it tried at once; see the protocol.
func (a *admin) RetryParked(ctx context.Context, req *adminv1.RetryParkedRequest) (*adminv1.RetryParkedResponse, error) {
	c, err := a.consumer(req.GetConsumer())
	if err != nil {
		return nil, err
	}
	subjects, err := c.RetryParked(ctx, plantmesh.StreamName(req.GetStream()), req.GetSubject())
	return &adminv1.RetryParkedResponse{Subjects: uint64(subjects)}, err
}

// DiscardParked gives an event up; see the protocol.
func (a *admin) DiscardParked(ctx context.Context, req *adminv1.DiscardParkedRequest) (*adminv1.DiscardParkedResponse, error) {
	c, err := a.consumer(req.GetConsumer())
	if err != nil {
		return nil, err
	}
	if strings.TrimSpace(req.GetReason()) == "" {
		return nil, fmt.Errorf("%w: reason: say why the event is given up; it is kept", plantmesh.ErrInvalidRequest)
	}
	caller, err := callerOf(ctx)
	if err != nil {
		return nil, err
	}
	record, err := c.DiscardParked(ctx, req, caller.String())
	return &adminv1.DiscardParkedResponse{Discarded: record}, err
}
