//go:build linux

package netlab

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

const (
	producers = 3
	// paceEvery is between the events of one producer: a busy plant, on a machine that runs other labs too.
	paceEvery = 10 * time.Millisecond
)

// Load publishes at a site all the time. Every event is sent until it is acknowledged.
type Load struct {
	t      *testing.T
	stream plantmesh.StreamName
	stop   context.CancelFunc
	done   sync.WaitGroup

	mu    sync.Mutex // guards acked
	acked map[string]plantmesh.Offset
}

// NewLoad publishes nothing by itself, in a stream of a site.
func NewLoad(s *Site, stream plantmesh.StreamName) *Load {
	return &Load{t: s.t, stream: stream, stop: func() {}, acked: map[string]plantmesh.Offset{}}
}

// StartLoad publishes completions of production at a site until the load is stopped.
func StartLoad(s *Site) *Load {
	ctx, stop := context.WithCancel(s.t.Context())
	l := NewLoad(s, plantmesh.StreamOf(s.Name, "production"))
	l.stop = stop
	s.t.Cleanup(stop)
	for producer := range producers {
		l.done.Go(func() {
			tick := time.NewTicker(paceEvery)
			defer tick.Stop()
			for i := 0; ctx.Err() == nil; i++ {
				l.publish(s, completion(s.Name, fmt.Sprintf("%s-%d-%06d", s.Name, producer, i)))
				<-tick.C
			}
		})
	}
	return l
}

// Hold publishes an urgent event and waits until it is acknowledged.
func (l *Load) Hold(s *Site, id string) { l.publish(s, hold(s.Name, "H-"+id)) }

// reportsAtOnce is how many reports are published with one call.
const reportsAtOnce = 200

// Reports publishes machine reports, of the bulk class, of about so many bytes that do not compress. It returns how many.
func (l *Load) Reports(s *Site, bytes int) (count int) {
	for bytes > 0 {
		var batch []*eventv1.Event
		for range reportsAtOnce {
			e := report(s.Name, fmt.Sprintf("%s-r-%06d", s.Name, count))
			batch = append(batch, e)
			count, bytes = count+1, bytes-noiseBytes
		}
		l.publish(s, batch...)
	}
	return count
}

func completion(site plantmesh.SiteID, id string) *eventv1.Event {
	return event(site, id, &manufacturingv1.ProductionCompleted{
		OrderId: "WO-" + id, ItemId: "bearing", Quantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"},
	})
}

// noiseBytes is how much a report holds that no encoder can take away: five fields of 90 bytes, each 120 letters.
const noiseBytes = 5 * 90

// report is a machine's report, of the bulk class, that does not compress.
func report(site plantmesh.SiteID, id string) *eventv1.Event {
	noise := func() string {
		raw := make([]byte, noiseBytes/5)
		_, _ = rand.Read(raw) // never fails
		return base64.RawStdEncoding.EncodeToString(raw)
	}
	at := timestamppb.New(time.Unix(1_750_000_000, 0))
	return event(site, id, &manufacturingv1.OperationReported{
		OrderId: noise(), OperationId: noise(), WorkCenterId: noise(), WorkerId: noise(), ItemId: noise(),
		Activity: manufacturingv1.Activity_ACTIVITY_PRODUCTION, StartTime: at, EndTime: at,
		CompletedQuantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"},
	})
}

// hold is urgent.
func hold(site plantmesh.SiteID, id string) *eventv1.Event {
	return event(site, id, &manufacturingv1.QualityHoldPlaced{HoldId: id, ItemId: "bearing", LotId: "L-" + id, ReasonCode: "surface"})
}

func event(site plantmesh.SiteID, id string, payload proto.Message) *eventv1.Event {
	e, err := plantmesh.NewEvent("//"+string(site)+"/lab", id, time.Unix(1_750_000_000, 0), payload)
	if err != nil {
		panic(err) // the lab's own events are right
	}
	return e
}

// publish repeats until the event is acknowledged: whatever was sent must be accounted for.
func (l *Load) publish(s *Site, events ...*eventv1.Event) {
	receipts, err := s.client.Publish(l.t.Context(), events...)
	if err != nil {
		if l.t.Context().Err() == nil {
			l.t.Errorf("publish %s: %v", events[0].GetId(), err)
		}
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, e := range events {
		l.acked[e.GetId()] = receipts[i].Offset
	}
}

// Stop ends the load and returns what was acknowledged: event id to offset.
func (l *Load) Stop() map[string]plantmesh.Offset {
	l.stop()
	l.done.Wait()
	return l.acked
}
