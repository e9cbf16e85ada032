package api

import (
	"context"
	"fmt"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// Subscriptions are what the site replicates from others.
type Subscriptions interface {
	List() *adminv1.ListSubscriptionsResponse
	// Add subscribes, at once and for good. Errors: plantmesh.ErrInvalidRequest.
	Add(ctx context.Context, s *adminv1.Subscription) (added bool, err error)
	// Remove takes back what was added. Errors: plantmesh.ErrInvalidRequest.
	Remove(ctx context.Context, s *adminv1.Subscription, replicas bool) (removed []string, err error)
	// RemoveReplica drops the copy of a stream, which comes anew while it is subscribed to. Errors: plantmesh.ErrUnknownStream, ErrInvalidRequest.
	RemoveReplica(s plantmesh.StreamName) error
}

// Retention is what keeps streams from growing for ever.
type Retention interface {
	// Forget drops a reader that will not come back, and returns how many streams it followed.
	Forget(ctx context.Context, name string) (int, error)
	// Hold is why a stream keeps more than it has to.
	Hold(s plantmesh.StreamName) string
}

// ListSubscriptions lists them; see the protocol.
func (a *admin) ListSubscriptions(context.Context, *adminv1.ListSubscriptionsRequest) (*adminv1.ListSubscriptionsResponse, error) {
	return a.parts.Subscriptions.List(), nil
}

// AddSubscription adds one; see the protocol.
func (a *admin) AddSubscription(ctx context.Context, req *adminv1.AddSubscriptionRequest) (*adminv1.AddSubscriptionResponse, error) {
	added, err := a.parts.Subscriptions.Add(ctx, req.GetSubscription())
	return &adminv1.AddSubscriptionResponse{Added: added}, err
}

// RemoveSubscription removes one; see the protocol.
func (a *admin) RemoveSubscription(ctx context.Context, req *adminv1.RemoveSubscriptionRequest) (*adminv1.RemoveSubscriptionResponse, error) {
	removed, err := a.parts.Subscriptions.Remove(ctx, req.GetSubscription(), req.GetRemoveReplicas())
	return &adminv1.RemoveSubscriptionResponse{RemovedStreams: removed}, err
}

// RemoveReplica removes one; see the protocol.
func (a *admin) RemoveReplica(_ context.Context, req *adminv1.RemoveReplicaRequest) (*adminv1.RemoveReplicaResponse, error) {
	return &adminv1.RemoveReplicaResponse{}, a.parts.Subscriptions.RemoveReplica(plantmesh.StreamName(req.GetStream()))
}

// ForgetSite forgets one; see the protocol.
func (a *admin) ForgetSite(ctx context.Context, req *adminv1.ForgetSiteRequest) (*adminv1.ForgetSiteResponse, error) {
	streams, err := a.parts.Retention.Forget(ctx, SiteReader(plantmesh.SiteID(req.GetSite())))
	if err == nil && streams == 0 {
		err = fmt.Errorf("%w: %s has not followed any stream of this site", plantmesh.ErrInvalidRequest, req.GetSite())
	}
	return &adminv1.ForgetSiteResponse{Streams: uint32(streams)}, err
}

// SiteReader is what retention calls a site that follows streams.
func SiteReader(site plantmesh.SiteID) string { return "site " + string(site) }
