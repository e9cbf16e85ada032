package plantmesh_test

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func completed(order, quantity string) *manufacturingv1.ProductionCompleted {
	return &manufacturingv1.ProductionCompleted{
		OrderId: order, ItemId: "bearing", Quantity: &manufacturingv1.Quantity{Value: quantity, Unit: "C62"},
	}
}

func TestNewEventDerivesTypeAndSubject(t *testing.T) {
	e, err := plantmesh.NewEvent("//plant-a/mes", "1", time.Unix(1, 0), completed("WO-1", "5"))
	if err != nil {
		t.Fatal(err)
	}
	if e.GetType() != "plantmesh.manufacturing.v1.ProductionCompleted" || e.GetSubject() != "order/WO-1" {
		t.Errorf("type %q, subject %q", e.GetType(), e.GetSubject())
	}
}

func TestInvalidEventNamesFieldRuleAndValue(t *testing.T) {
	_, err := plantmesh.NewEvent("//plant-a/mes", "1", time.Unix(1, 0), completed("WO-1", "5,0"))
	var invalid *plantmesh.InvalidEventError
	if !errors.As(err, &invalid) || !errors.Is(err, plantmesh.ErrInvalidEvent) {
		t.Fatalf("got %v", err)
	}
	v := invalid.Violations[0]
	if v.Field != "data.quantity.value" || v.Rule != "string.pattern" || v.Value != "5,0" {
		t.Errorf("violation %+v", v)
	}
}

func TestContentHashIgnoresTraceContextOnly(t *testing.T) {
	e, err := plantmesh.NewEvent("//plant-a/mes", "1", time.Unix(1, 0), completed("WO-1", "5"))
	if err != nil {
		t.Fatal(err)
	}
	before := plantmesh.ContentHash(e)
	e.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if plantmesh.ContentHash(e) != before {
		t.Error("trace context changes the content")
	}
	e.Time = timestamppb.New(time.Unix(2, 0))
	if plantmesh.ContentHash(e) == before {
		t.Error("another time is the same content")
	}
}

func TestEveryCatalogEntryIsComplete(t *testing.T) {
	types := plantmesh.EventTypes()
	if len(types) < 10 {
		t.Fatalf("only %d types", len(types))
	}
	for _, et := range types {
		if et.Domain == "" || et.Class == 0 || len(et.Subject) == 0 || len(et.Owners) == 0 {
			t.Errorf("%s: incomplete catalog entry %+v", et.Name, et)
		}
		if (et.ConfirmWithin > 0) != (et.ManualProcedure != "") {
			t.Errorf("%s: a confirmation time and a manual procedure belong together", et.Name)
		}
	}
}

func BenchmarkValidateEvent(b *testing.B) {
	e, err := plantmesh.NewEvent("//plant-a/mes", "1", time.Unix(1, 0), completed("WO-1", "5"))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := plantmesh.ValidateEvent(e); err != nil {
			b.Fatal(err)
		}
	}
}
