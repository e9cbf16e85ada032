package plantmesh_test

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// event is a valid one whose id is made of n.
func event(t testing.TB, n int) *eventv1.Event {
	t.Helper()
	e, err := plantmesh.NewEvent("//plant-a/mes", fmt.Sprintf("report-%d", n), time.Unix(1_700_000_000+int64(n), 0), completed("WO-1", "5"))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func ids(from, to int) []string {
	var list []string
	for n := from; n <= to; n++ {
		list = append(list, fmt.Sprintf("report-%d", n))
	}
	return list
}
