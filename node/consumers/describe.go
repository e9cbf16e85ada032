package consumers

import (
	"context"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/retention"
	"github.com/plantmesh/plantmesh/node/telemetry"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// forget removes what is kept of a consumer.
func (r *Registry) forget(name string) error {
	if err := r.owner.Update(func(tx *storage.Tx) error { return tx.Delete([]byte(name)) }); err != nil {
		return err
	}
	return r.state.Owner(ownerPrefix + name).Clear()
}

// Readers are the places up to which the consumers need their streams no more, for retention.
func (r *Registry) Readers() []retention.Reader {
	var all []retention.Reader
	for _, n := range r.all() {
		name, settings := n.name(), n.settings()
		for _, p := range n.consumer().Status().Positions {
			if matches(settings, p.Stream) {
				all = append(all, retention.Reader{Name: "consumer " + name, Stream: p.Stream, Incarnation: p.KeptIncarnation, Offset: p.Kept})
			}
		}
	}
	return all
}

func (n *Named) settings() *eventv1.ConsumerSettings {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.about.GetSettings()
}

// describe is a snapshot for people.
func (n *Named) describe() *adminv1.Consumer {
	n.mu.Lock()
	about, calls, problem, last := proto.CloneOf(n.about), n.calls, n.problem, n.lastCall
	n.mu.Unlock()
	if !last.IsZero() {
		about.LastCallTime = timestamppb.New(last)
	}
	for _, c := range calls {
		about.Calls = append(about.Calls, &adminv1.ConsumerCall{
			Address: c.address, Since: timestamppb.New(c.since), InFlight: uint32(c.inFlight()), MaxInFlight: uint32(c.room),
		})
	}
	Describe(about, n.consumer().Status())
	about.Problem = strings.Trim(problem+"; "+about.Problem, "; ")
	return about
}

// Describe writes a consumer's status into what people read.
func Describe(about *adminv1.Consumer, s consumer.Status) {
	about.Problem = s.Problem
	about.Counts = &adminv1.ApplyCounts{
		Applied: s.Counts.Applied, Duplicates: s.Counts.Duplicates, Ignored: s.Counts.Ignored, Parked: s.Counts.Parked, Retries: s.Counts.Retries,
		Discarded: s.Counts.Discarded,
	}
	about.Positions = Positions(s)
	about.ParkedSubjects = uint64(len(s.Parked))
	about.Latency = latencyMessage(s.Latency)
}

func latencyMessage(s telemetry.Summary) *adminv1.Latency {
	return &adminv1.Latency{Count: s.Count, P50: durationpb.New(s.P50), P99: durationpb.New(s.P99), Max: durationpb.New(s.Max)}
}

// What people ask of the parked subjects goes to the consumer that runs, or will run next.

// ParkedSubjects returns them oldest first.
func (n *Named) ParkedSubjects() []*adminv1.ParkedSubject { return n.consumer().ParkedSubjects() }

// Discarded returns what was given up, newest first.
func (n *Named) Discarded() ([]*adminv1.DiscardedEvent, error) { return n.consumer().Discarded() }

// ParkedEvent returns one with its event. Errors: plantmesh.ErrInvalidRequest.
func (n *Named) ParkedEvent(s plantmesh.StreamName, subject string) (*adminv1.ParkedSubject, *eventv1.RecordedEvent, error) {
	return n.consumer().ParkedEvent(s, subject)
}

// RetryParked has one tried as soon as a call has the consumer open, or without a stream all. Errors: plantmesh.ErrInvalidRequest.
func (n *Named) RetryParked(ctx context.Context, s plantmesh.StreamName, subject string) (int, error) {
	return n.consumer().RetryParked(ctx, s, subject)
}

// DiscardParked gives an event up. Errors: plantmesh.ErrInvalidRequest.
func (n *Named) DiscardParked(ctx context.Context, req *adminv1.DiscardParkedRequest, by string) (*adminv1.DiscardedEvent, error) {
	return n.consumer().DiscardParked(ctx, req, by)
}

// Positions are how far a consumer has come in each of its streams.
func Positions(s consumer.Status) (all []*adminv1.ConsumerPosition) {
	for _, p := range s.Positions {
		one := &adminv1.ConsumerPosition{
			Stream: string(p.Stream), Offset: uint64(p.Offset), HeadOffset: uint64(p.Head), LagEvents: uint64(max(p.Head, p.Offset) - p.Offset), WaitingEvents: p.Waiting,
		}
		if !p.Opens.IsZero() {
			one.OpeningTime = timestamppb.New(p.Opens)
		}
		all = append(all, one)
	}
	return all
}
