package mesh_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TLS finds whatever a line changes: nothing of it is taken, the reason names the line, and the link comes back.
func TestLineThatDamagesBytesIsNoticedAndNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := pair(t)
		named := 0
		for round := range 50 {
			plant.fabric.Corrupt("plant-a", "hq", []int{300, 700, 1500, 3000, 5000}[round%5])
			for range 10 {
				plant.publish(1)
				reason := hq.running.mesh.Status().Links[0].Reason
				if strings.Contains(reason, "tls: bad record MAC") || strings.Contains(reason, "tls: error decoding") {
					named++
					if !strings.Contains(reason, "changes what is sent") || strings.Contains(reason, "certificate") {
						t.Fatalf("reason %q", reason)
					}
				}
				pass(100 * time.Millisecond)
			}
		}
		if named == 0 {
			t.Error("the line was never named")
		}
		plant.fabric.Corrupt("plant-a", "hq", 0)
		hq.holds(plant, plant.stream())
		hq.eventually("connected", connected)
	})
}
