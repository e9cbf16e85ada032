package storage_test

import (
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

func TestLastExceptionOutlivesARestart(t *testing.T) {
	fs := vfs.NewMem()
	open := func() *storage.Log {
		log, err := storage.Open("log", storage.Options{Mesh: "acme", Site: "plant-a", FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		return log
	}
	log := open()
	hold := &manufacturingv1.QualityHoldPlaced{HoldId: "H1", ItemId: "I1", LotId: "L1", ReasonCode: "R"}
	closed := &manufacturingv1.ProductionOrderClosed{OrderId: "WO-1", Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED}
	for i, id := range []string{"1", "2", "3", "2"} { // the last is a duplicate
		event, err := plantmesh.NewEvent("//qa", id, time.Unix(1, 0), closed)
		if id == "2" {
			event, err = plantmesh.NewEvent("//qa", id, time.Unix(1, 0), hold)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.Append(t.Context(), storage.Write{Entries: []storage.Entry{{Stream: "plant-a/quality", Event: event}}}); err != nil {
			t.Fatal(i, err)
		}
	}
	for range 2 {
		if off, err := log.LastException("plant-a/quality", 0); off != 2 || err != nil {
			t.Errorf("%d, %v", off, err)
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		log = open()
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}
