package plantmesh_test

import (
	"errors"
	"testing"
	"time"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// FuzzEvent feeds what a client publishes: what is taken is of a type of the catalog, with a payload that can be read again, and is
// taken again as it is.
func FuzzEvent(f *testing.F) {
	e, err := plantmesh.NewEvent("//plant-a/mes", "1", time.Unix(1_750_000_000, 0), &manufacturingv1.ProductionCompleted{
		OrderId: "WO-1", ItemId: "valve", Quantity: &manufacturingv1.Quantity{Value: "12.50", Unit: "C62"},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, change := range []func(*eventv1.Event){
		func(*eventv1.Event) {}, func(e *eventv1.Event) { e.Subject = "order/other" }, func(e *eventv1.Event) { e.Data = []byte{0xff} },
		func(e *eventv1.Event) { e.Attributes = map[string]string{"x": "y"} }, func(e *eventv1.Event) { e.Type = "plantmesh.manufacturing.v1.Quantity" },
	} {
		seed := proto.CloneOf(e)
		change(seed)
		b, err := proto.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		e := &eventv1.Event{}
		if proto.Unmarshal(b, e) != nil {
			return
		}
		kind, err := plantmesh.ValidateEvent(e)
		if err != nil {
			var invalid *plantmesh.InvalidEventError
			if !errors.As(err, &invalid) && !errors.Is(err, plantmesh.ErrUnknownEventType) {
				t.Fatalf("error %v", err)
			}
			return
		}
		payload, err := plantmesh.Payload(e)
		if err != nil || kind.Domain == "" || e.GetSubject() != kind.SubjectOf(payload) {
			t.Fatalf("taken: %v of %+v, payload %v, %v", e, kind, payload, err)
		}
		if _, err := plantmesh.ValidateEvent(proto.CloneOf(e)); err != nil {
			t.Fatalf("taken, and refused when it comes again: %v", err)
		}
	})
}

// FuzzIdentity feeds names of certificates: what is taken is written as it was read, but for what a URL leaves open.
func FuzzIdentity(f *testing.F) {
	for _, s := range []string{
		"spiffe://acme/region/eu/site/plant-a", "spiffe://acme/client/mes", "spiffe://acme/region/eu/site/../x", "spiffe://u@acme:1/client/mes?q#f", "%", "spiffe://acme/client/m%65s",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, err := plantmesh.ParseIdentity(text)
		if err != nil {
			return
		}
		if id.Validate() != nil || id.IsSite() == (id.Client != "") {
			t.Fatalf("%q is taken as %+v", text, id)
		}
		if again, err := plantmesh.ParseIdentity(id.String()); err != nil || again != id {
			t.Fatalf("%q is %+v, written as %s, read as %+v, %v", text, id, id, again, err)
		}
	})
}

// FuzzFromStatus feeds statuses as a server may answer them: a reason is a sentinel or nothing, and the text stays.
func FuzzFromStatus(f *testing.F) {
	for _, err := range []error{
		plantmesh.ErrExportDenied, &plantmesh.OffsetError{Stream: "a/b", Asked: 1, Earliest: 2, End: 3, Err: plantmesh.ErrOffsetTrimmed},
		&plantmesh.ConflictError{Source: "s", ID: "i", Stream: "a/b", Offset: 4, Index: 5},
		&plantmesh.InvalidEventError{ID: "i", Violations: []plantmesh.Violation{{Index: 2, Field: "data.x", Rule: "r", Value: "v", Text: "t"}}},
	} {
		b, marshalErr := proto.Marshal(plantmesh.Status(err).Proto())
		if marshalErr != nil {
			f.Fatal(marshalErr)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &spb.Status{}
		if proto.Unmarshal(b, s) != nil {
			return
		}
		came := status.FromProto(s).Err()
		err := plantmesh.FromStatus(came)
		if (err == nil) != (came == nil) {
			t.Fatalf("%v became %v", came, err)
		}
		if err != nil && status.Code(err) != status.Code(came) {
			t.Fatalf("code %s became %s", status.Code(came), status.Code(err))
		}
		_ = plantmesh.IsRetryable(err)
	})
}
