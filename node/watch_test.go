package node_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node"
	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// frames are what a node answers up to the head of a stream; none for one that it does not hold.
func (r *running) frames(t *testing.T, req *eventv1.SubscribeRequest) (all []*eventv1.SubscribeResponse) {
	t.Helper()
	req.UntilHead = true
	call, err := r.events().Subscribe(t.Context(), req)
	for err == nil {
		var frame *eventv1.SubscribeResponse
		if frame, err = call.Recv(); err == nil {
			all = append(all, frame)
		}
	}
	if err = plantmesh.FromStatus(err); !errors.Is(err, io.EOF) && !errors.Is(err, plantmesh.ErrUnknownStream) {
		t.Fatal(err)
	}
	return all
}

// payloads are those of the events of a stream at a node, as far as it has them.
func (r *running) payloads(t *testing.T, stream string) (all []any) {
	t.Helper()
	for _, frame := range r.frames(t, &eventv1.SubscribeRequest{Stream: stream}) {
		for _, e := range frame.GetEvents().GetEvents() {
			payload, err := plantmesh.Payload(e.GetEvent())
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, payload)
		}
	}
	return all
}

// sum adds up the points of a counter.
func sum(t *testing.T, reader sdkmetric.Reader, name string, labels ...string) (total int64) {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			data, ok := m.Data.(metricdata.Sum[int64])
			if m.Name != name || !ok {
				continue
			}
			for _, point := range data.DataPoints {
				var values []string
				for _, kv := range point.Attributes.ToSlice() {
					values = append(values, kv.Value.String())
				}
				if !slices.ContainsFunc(labels, func(l string) bool { return !slices.Contains(values, l) }) {
					total += point.Value
				}
			}
		}
	}
	return total
}

// A site may not have a stream. It reads why in its own status; who refuses reads whom, in the status, in the metrics, and in
// the audit stream, where there is one event about it, however often it is asked.
func TestRefusalsAreInStatusMetricsAndAuditStream(t *testing.T) {
	c := newCluster(t)
	reader := sdkmetric.NewManualReader()
	plantConfig, hqConfig := c.config("plant-a"), c.config("hq")
	plantConfig.Export = []config.ExportRule{{Streams: []string{"production"}, To: []string{"*"}}}
	plant := c.start(plantConfig, node.WithMetricReader(reader))
	plant.publishReleases(t, "r", 3)
	hqConfig.Peers, hqConfig.Subscriptions = []string{plant.address}, []config.Subscription{{From: "plant-a", Streams: []string{"finance", "audit"}}}
	hq := c.start(hqConfig)
	until(t, "hq says why nothing comes", func() bool {
		replicas := hq.status().GetReplicas()
		return len(replicas) == 2 && strings.Contains(replicas[1].GetReason(), "no export rule at plant-a allows plant-a/finance to hq")
	})
	// A client that is no admin is refused, too.
	if _, err := adminv1.NewAdminServiceClient(plant.dial(c.client("mes"))).GetStatus(t.Context(), &adminv1.GetStatusRequest{}); err == nil {
		t.Fatal("a client that is no admin reads the status")
	}
	until(t, "the refusals are in the audit stream", func() bool { return len(plant.payloads(t, "plant-a/audit")) >= 2 })
	for range 20 {
		if _, err := adminv1.NewAdminServiceClient(plant.dial(c.client("mes"))).GetStatus(t.Context(), &adminv1.GetStatusRequest{}); err == nil {
			t.Fatal("a client that is no admin reads the status")
		}
	}
	var recorded []string
	for _, p := range plant.payloads(t, "plant-a/audit") {
		e, ok := p.(*manufacturingv1.AccessRefused)
		if !ok {
			t.Fatalf("%T in the audit stream", p)
		}
		recorded = append(recorded, e.GetPeerId()+" "+e.GetReason())
	}
	slices.Sort(recorded)
	// plant-a holds no finance stream: asking for it is of no stream, like asking for any other name; its audit stream came with that.
	if want := "client/mes NOT_AN_ADMIN, hq EXPORT_DENIED"; !strings.HasPrefix(strings.Join(recorded, ", "), want) || len(recorded) > 3 {
		t.Errorf("recorded %v", recorded)
	}
	shown := plant.status().GetRefusals()
	if len(shown) < 2 || shown[0].GetPeer() != "client/mes" || shown[0].GetCount() != 21 || shown[0].GetDetail() == "" {
		t.Errorf("status %v", shown)
	}
	if n := sum(t, reader, "plantmesh.access.refused", "NOT_AN_ADMIN"); n != 21 {
		t.Errorf("%d refusals counted", n)
	}
	_, err := plant.events().Publish(t.Context(), &eventv1.PublishRequest{Events: []*eventv1.Event{{
		Id: "forged", Source: "//mes", Type: "plantmesh.manufacturing.v1.ExceptionResolved",
	}}})
	if err == nil {
		t.Error("a client publishes what only nodes may")
	}
}

// The origin of a replica loses its disk: readers are told by a typed reset, the site of the replica raises an exception, and
// metrics count it. Over a restart the exception is neither raised again nor forgotten.
func TestResetRaisesAnExceptionAndCountsInAMetric(t *testing.T) {
	c := newCluster(t)
	reader := sdkmetric.NewManualReader()
	plantConfig, hqConfig := c.config("plant-a"), c.config("hq")
	plantConfig.Listen = freePort(t)
	plant := c.start(plantConfig)
	plant.publishReleases(t, "first", 5)
	hqConfig.Peers, hqConfig.Subscriptions = []string{plantConfig.Listen}, []config.Subscription{{From: "*", Streams: []string{"*"}}}
	hq := c.start(hqConfig, node.WithMetricReader(reader))
	hq.holdsWhole(t, "plant-a/production", 5)
	before := hq.frames(t, &eventv1.SubscribeRequest{Stream: "plant-a/production"})
	plant.end()
	plantConfig.DataDir += "-new"
	plant = c.start(plantConfig)
	plant.publishReleases(t, "second", 2)
	hq.holdsWhole(t, "plant-a/production", 2)
	open := func(hq *running) *adminv1.OpenException {
		for _, e := range hq.status().GetExceptions() {
			if e.GetKind() == "history-jump" && e.GetAbout() == "replica plant-a/production" {
				return e
			}
		}
		return nil
	}
	until(t, "the exception is raised", func() bool { return open(hq) != nil })
	raised := open(hq)
	if n := sum(t, reader, "plantmesh.stream.jumps", "replica", "recreated", "plant-a/production"); n != 1 {
		t.Errorf("%d jumps counted", n)
	}
	after := hq.frames(t, &eventv1.SubscribeRequest{
		Stream: "plant-a/production", Start: &eventv1.SubscribeRequest_Cursor{Cursor: before[len(before)-1].GetCursor()},
	})
	if len(after) < 2 || after[0].GetHistoryReset().GetOldOffset() != 5 {
		t.Errorf("a reader goes on with %v", after)
	}
	if n := sum(t, reader, "plantmesh.stream.jumps", "subscription", "recreated"); n != 1 {
		t.Errorf("%d jumps of subscriptions counted", n)
	}
	until(t, "its exception is raised too", func() bool { return sum(t, reader, "plantmesh.exceptions.open", "history-jump") == 2 })
	hq.end()
	hq = c.start(hqConfig)
	if again := open(hq); again.GetExceptionId() != raised.GetExceptionId() || !again.GetRaiseTime().AsTime().Equal(raised.GetRaiseTime().AsTime()) {
		t.Errorf("after a restart %v, before %v", again, raised)
	}
	events := hq.payloads(t, "hq/exceptions")
	if len(events) != 2 || events[0].(*manufacturingv1.ExceptionRaised).GetExceptionId() != raised.GetExceptionId() {
		t.Errorf("events %v", events)
	}
}
