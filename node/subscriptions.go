package node

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// subscriptions are what is configured and what was added since, which the log keeps.
type subscriptions struct {
	mesh   *mesh.Mesh
	log    *storage.Log
	logger *slog.Logger

	mu         sync.Mutex // guards what follows
	configured []mesh.Subscription
	added      []*adminv1.Subscription
}

// subscriptionsCursor is where the log keeps what was added.
const subscriptionsCursor = "mesh/subscriptions"

// openSubscriptions reads what was added in earlier runs and puts it in force.
func openSubscriptions(m *mesh.Mesh, log *storage.Log, logger *slog.Logger) (*subscriptions, error) {
	s := &subscriptions{mesh: m, log: log, logger: logger, configured: m.Subscriptions()}
	b, err := log.Cursor(subscriptionsCursor)
	if err != nil {
		return nil, err
	}
	var kept adminv1.ListSubscriptionsResponse
	if err := proto.Unmarshal(b, &kept); err != nil {
		return nil, fmt.Errorf("subscriptions added earlier: %w", err)
	}
	s.added = kept.GetAdded()
	s.apply()
	return s, nil
}

// apply puts what is there in force. s.mu is held, or nobody else knows s yet.
func (s *subscriptions) apply() {
	all := slices.Clone(s.configured)
	for _, a := range s.added {
		all = append(all, meshSubscription(a))
	}
	s.mesh.SetSubscriptions(all)
}

func meshSubscription(a *adminv1.Subscription) mesh.Subscription {
	return mesh.Subscription{From: a.GetFrom(), Streams: a.GetStreams()}
}

// List returns what is configured and what was added.
func (s *subscriptions) List() *adminv1.ListSubscriptionsResponse {
	s.mu.Lock()
	defer s.mu.Unlock()
	answer := &adminv1.ListSubscriptionsResponse{Added: slices.Clone(s.added)}
	for _, c := range s.configured {
		answer.Configured = append(answer.Configured, &adminv1.Subscription{From: c.From, Streams: c.Streams})
	}
	return answer
}

// Add subscribes for good.
func (s *subscriptions) Add(ctx context.Context, a *adminv1.Subscription) (bool, error) {
	if err := meshSubscription(a).Check("subscription"); err != nil {
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
	s.logger.Info("subscription added", "from", a.GetFrom(), "streams", a.GetStreams())
	return true, nil
}

// Remove takes back what was added, and removes the replicas that nothing wants any more if it is asked to.
func (s *subscriptions) Remove(ctx context.Context, a *adminv1.Subscription, replicas bool) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at := slices.IndexFunc(s.added, func(o *adminv1.Subscription) bool { return proto.Equal(a, o) })
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
	var removed []string
	wanted := s.mesh.Subscriptions()
	for _, head := range s.log.Heads() {
		name := head.Stream
		if head.Stream.Origin() == s.log.Site() || !meshSubscription(a).Matches(name) ||
			slices.ContainsFunc(wanted, func(w mesh.Subscription) bool { return w.Matches(name) }) {
			continue
		}
		if err := s.log.Remove(name); err != nil {
			return removed, err
		}
		removed = append(removed, string(name))
	}
	return removed, nil
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
	s.apply()
	return nil
}
