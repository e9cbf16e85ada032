package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// subscriptions are what is configured and what was added since, which the log keeps.
type subscriptions struct {
	mesh   *mesh.Mesh
	log    *storage.Log
	logger *slog.Logger

	configured []*adminv1.Subscription // set once

	mu      sync.Mutex          // guards what follows
	inForce []mesh.Subscription // of the configuration
	added   []*adminv1.Subscription
}

// subscriptionsCursor is where the log keeps what was added.
const subscriptionsCursor = "mesh/subscriptions"

// openSubscriptions reads what was added in earlier runs and puts it in force.
func openSubscriptions(configured []config.Subscription, m *mesh.Mesh, log *storage.Log, logger *slog.Logger) (*subscriptions, error) {
	s := &subscriptions{mesh: m, log: log, logger: logger, inForce: m.Subscriptions()}
	for _, c := range configured {
		s.configured = append(s.configured, subscriptionMessage(c))
	}
	b, err := log.Cursor(subscriptionsCursor)
	if err != nil {
		return nil, err
	}
	var kept adminv1.ListSubscriptionsResponse
	if err := proto.Unmarshal(b, &kept); err != nil {
		return nil, fmt.Errorf("subscriptions added earlier: %w", err)
	}
	s.added = kept.GetAdded()
	return s, s.apply()
}

// apply puts what is there in force. s.mu is held, or nobody else knows s yet.
func (s *subscriptions) apply() error {
	all := slices.Clone(s.inForce)
	for _, a := range s.added {
		one, err := meshSubscription(a)
		if err != nil {
			return fmt.Errorf("subscription added earlier: %w", err)
		}
		all = append(all, one)
	}
	s.mesh.SetSubscriptions(all)
	return nil
}

// meshSubscription reads a message as the configuration is read. The error names what is wrong with it.
func meshSubscription(a *adminv1.Subscription) (mesh.Subscription, error) {
	c := config.Subscription{Schedule: a.GetSchedule(), Timezone: a.GetTimezone(), AtStart: a.GetAtStart()}
	if a.GetWindow() != nil {
		c.Window = a.GetWindow().AsDuration().String()
	}
	schedule, err := c.ParseSchedule()
	if err != nil {
		return mesh.Subscription{}, fmt.Errorf("subscription.%w", err)
	}
	one := mesh.Subscription{From: a.GetFrom(), Streams: a.GetStreams(), Schedule: schedule}
	return one, one.Check("subscription")
}

func subscriptionMessage(c config.Subscription) *adminv1.Subscription {
	a := &adminv1.Subscription{From: c.From, Streams: c.Streams, Schedule: c.Schedule, Timezone: c.Timezone, AtStart: c.AtStart}
	if window, err := time.ParseDuration(c.Window); err == nil {
		a.Window = durationpb.New(window)
	}
	return a
}

// List returns what is configured and what was added.
func (s *subscriptions) List() *adminv1.ListSubscriptionsResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &adminv1.ListSubscriptionsResponse{Configured: s.configured, Added: slices.Clone(s.added)}
}

// Add subscribes for good.
func (s *subscriptions) Add(ctx context.Context, a *adminv1.Subscription) (bool, error) {
	if _, err := meshSubscription(a); err != nil {
		return false, fmt.Errorf("%w: %w", plantmesh.ErrInvalidRequest, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.added, func(o *adminv1.Subscription) bool { return proto.Equal(a, o) }) {
		return false, nil
	}
	if err := s.keep(ctx, append(slices.Clone(s.added), a)); err != nil {
		return false, err
	}
	s.logger.Info("subscription added", "from", a.GetFrom(), "streams", a.GetStreams(), "schedule", a.GetSchedule())
	return true, nil
}

// Remove takes back what was added, and removes the replicas that nothing wants any more if it is asked to.
func (s *subscriptions) Remove(ctx context.Context, a *adminv1.Subscription, replicas bool) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.added, func(o *adminv1.Subscription) bool {
		return proto.Equal(a, o) || a.GetSchedule() == "" && a.GetFrom() == o.GetFrom() && slices.Equal(a.GetStreams(), o.GetStreams())
	})
	if at < 0 {
		return nil, fmt.Errorf("%w: no subscription to %v from %q was added; what the configuration names is removed there", plantmesh.ErrInvalidRequest, a.GetStreams(), a.GetFrom())
	}
	if err := s.keep(ctx, slices.Delete(slices.Clone(s.added), at, at+1)); err != nil {
		return nil, err
	}
	s.logger.Info("subscription removed", "from", a.GetFrom(), "streams", a.GetStreams(), "replicas", replicas)
	if !replicas {
		return nil, nil
	}
	was := mesh.Subscription{From: a.GetFrom(), Streams: a.GetStreams()}
	var removed []string
	wanted := s.mesh.Subscriptions()
	for _, head := range s.log.Heads() {
		name := head.Stream
		if head.Stream.Origin() == s.log.Site() || !was.Matches(name) ||
			slices.ContainsFunc(wanted, func(w mesh.Subscription) bool { return w.Matches(name) }) {
			continue
		}
		if err := s.mesh.Remove(name); err != nil {
			return removed, err
		}
		removed = append(removed, string(name))
	}
	return removed, nil
}

// RemoveReplica drops one copy; see [api.Subscriptions].
func (s *subscriptions) RemoveReplica(name plantmesh.StreamName) error {
	if err := s.mesh.Remove(name); err != nil {
		return err
	}
	s.logger.Info("replica removed", "stream", string(name))
	return nil
}

// keep makes a list durable and puts it in force. s.mu is held.
func (s *subscriptions) keep(ctx context.Context, added []*adminv1.Subscription) error {
	b, err := proto.Marshal(&adminv1.ListSubscriptionsResponse{Added: added})
	if err != nil {
		return err
	}
	if _, err := s.log.Append(ctx, storage.Write{Cursors: []storage.Cursor{{Name: subscriptionsCursor, Value: b}}}); err != nil {
		return err
	}
	s.added = added
	return s.apply()
}
