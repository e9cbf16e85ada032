package node

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

func TestComparisonReadsEveryEventThatTheNodeHoldsOnceAndInOrder(t *testing.T) {
	log, err := storage.Open("log", storage.Options{Mesh: "acme", Site: "plant-a", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	const events = 50
	for n := range events {
		e, err := plantmesh.NewEvent("//plant-a/mes", fmt.Sprint(n), time.Now(), &manufacturingv1.ProductionOrderClosed{
			OrderId: fmt.Sprint("WO-", n), Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := log.Append(t.Context(), storage.Write{Entries: []storage.Entry{{Stream: "plant-a/production", Event: e}}}); err != nil {
			t.Fatal(err)
		}
	}
	read := func(since time.Time, most int) (all []uint64) {
		t.Helper()
		n := &ownNode{log: log}
		for item, err := range n.Events(t.Context(), "plant-a/production", since) {
			if err != nil {
				t.Fatal(err)
			}
			if item.Event == nil {
				t.Fatalf("offsets %d to %d are said to be not held", item.First, item.Last)
			}
			if all = append(all, item.Event.GetOffset()); len(all) == most {
				break
			}
		}
		return all
	}
	var want []uint64
	for n := range uint64(events) {
		want = append(want, n+1)
	}
	if got := read(time.Time{}, 0); !slices.Equal(got, want) {
		t.Errorf("read %v", got)
	}
	if got := read(time.Time{}, 7); !slices.Equal(got, want[:7]) {
		t.Errorf("read %v, want the first 7", got)
	}
	if got := read(time.Now().Add(time.Hour), 0); len(got) != 0 {
		t.Errorf("read %v of the future", got)
	}
	for _, err := range (&ownNode{log: log}).Events(t.Context(), "plant-a/nothing", time.Time{}) {
		if err == nil {
			t.Error("read a stream that is not there")
		}
	}
}
