package mesh_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

func schedule(t *testing.T, spec string, window time.Duration, zone string) *mesh.Schedule {
	t.Helper()
	s, err := mesh.ParseSchedule(spec, window, zone)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestScheduleOpensOnceADayAlsoWhenClocksChange(t *testing.T) {
	for _, c := range []struct{ spec, zone, after, openings string }{
		{"0 2 * * *", "Europe/Berlin", "2026-01-10T12:00:00+01:00", "2026-01-11T02:00:00+01:00 2026-01-12T02:00:00+01:00"},
		// 02:00 to 03:00 does not exist on 29 March, and comes twice on 25 October.
		{"0 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00", "2026-03-29T03:00:00+02:00 2026-03-30T02:00:00+02:00"},
		{"30 2 * * *", "Europe/Berlin", "2026-03-29T03:10:00+02:00", "2026-03-29T03:30:00+02:00 2026-03-30T02:30:00+02:00"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00", "2026-10-25T02:30:00+02:00 2026-10-26T02:30:00+01:00"},
		{"30 2 * * *", "Europe/Berlin", "2026-10-25T02:10:00+01:00", "2026-10-26T02:30:00+01:00"},
		{"30 0 * * *", "Europe/Berlin", "2026-10-25T12:00:00+01:00", "2026-10-26T00:30:00+01:00 2026-10-27T00:30:00+01:00"},
		{"0 2 * * *", "America/New_York", "2026-03-08T00:00:00-05:00", "2026-03-08T03:00:00-04:00 2026-03-09T02:00:00-04:00"},
		{"0 2 * * *", "", "2026-03-28T12:00:00+01:00", "2026-03-29T02:00:00Z"},
		{"0 22 * * 5", "Asia/Tokyo", "2026-03-28T12:00:00Z", "2026-04-03T22:00:00+09:00"},
	} {
		s := schedule(t, c.spec, time.Hour, c.zone)
		at, err := time.Parse(time.RFC3339, c.after)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range strings.Fields(c.openings) {
			next := s.Next(at)
			if w, _ := time.Parse(time.RFC3339, want); !next.Equal(w) {
				t.Errorf("%s in %s after %s: %s, want %s", c.spec, c.zone, at, next, want)
			}
			at = next
		}
	}
}

func TestScheduleThatCannotBeIsRefusedWithWhatToDo(t *testing.T) {
	for _, c := range []struct {
		spec   string
		window time.Duration
		zone   string
		want   string
	}{
		{"", time.Hour, "", "day of week, such as"},
		{"0 2 * *", time.Hour, "", "expected exactly 5 fields"},
		{"0 25 * * *", time.Hour, "", "above maximum"},
		{"TZ=", time.Hour, "", "under timezone"},
		{"CRON_TZ=Asia/Tokyo 0 2 * * *", time.Hour, "", "under timezone"},
		{"@every 1h", time.Hour, "", "day of week"},
		{"0 0 30 2 *", time.Hour, "", "no such day"},
		{"0 2 * * *", time.Hour, "Europe/Berlim", "Europe/Berlin"},
		{"0 2 * * *", 25 * time.Hour, "", "longer than the 24h0m0s"},
		{"0,30 * * * *", 31 * time.Minute, "", "longer than the 30m0s"},
		{"0 2 * * *", 0, "", "how long it is open"},
	} {
		if _, err := mesh.ParseSchedule(c.spec, c.window, c.zone); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q for %s in %q: %v", c.spec, c.window, c.zone, err)
		}
	}
}

// hourly opens at half past each hour for ten minutes. A bubble begins at midnight, UTC.
func hourly(t *testing.T, atStart bool) []mesh.Subscription {
	s := schedule(t, "30 * * * *", 10*time.Minute, "")
	s.AtStart = atStart
	return []mesh.Subscription{{From: "*", Streams: []string{"*"}, Schedule: s}}
}

// has fails unless a node holds a stream just up to an offset.
func (n *node) has(stream plantmesh.StreamName, want plantmesh.Offset) {
	n.Helper()
	synctest.Wait()
	if head, _ := n.running.log.Head(stream); head.Offset != want {
		n.Errorf("%s: %s holds %s up to %d, want %d", time.Now().UTC().Format(time.TimeOnly), n.site, stream, head.Offset, want)
	}
}

func TestScheduledStreamComesInItsWindowOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{}).start()
		plant.publish(30)
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: hourly(t, false)}).start()
		pass(29 * time.Minute)
		hq.has(plant.stream(), 0)
		r := hq.running.mesh.Status().Replicas
		if len(r) != 1 || r[0].State != adminv1.ReplicaState_REPLICA_STATE_SCHEDULED || r[0].LagEvents != 30 ||
			time.Until(r[0].Opens) > time.Minute || !strings.Contains(r[0].Reason, "opens at 2000-01-01T00:30:00Z") {
			t.Errorf("%+v", r)
		}
		pass(2 * time.Minute)
		hq.has(plant.stream(), 30)
		plant.publish(10)
		pass(time.Second)
		hq.has(plant.stream(), 40)
		pass(15 * time.Minute)
		plant.publish(10)
		pass(40 * time.Minute)
		hq.has(plant.stream(), 40)
		if s := plant.running.mesh.Status().Followers; len(s) != 1 || s[0].Connected {
			t.Errorf("%+v", s)
		}
		pass(10 * time.Minute)
		hq.has(plant.stream(), 50)
	})
}

func TestWindowMissedWhileTheNodeWasDownIsMadeUpForIfConfigured(t *testing.T) {
	for _, atStart := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, meshtest.NewFabric())
			plant := w.add("plant-a", mesh.Config{}).start()
			plant.publish(30)
			pass(45 * time.Minute)
			hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: hourly(t, atStart)}).start()
			pass(9 * time.Minute)
			if atStart {
				hq.has(plant.stream(), 30)
			} else {
				hq.has(plant.stream(), 0)
			}
			pass(2 * time.Minute)
			plant.publish(10)
			pass(10 * time.Minute)
			if atStart {
				hq.has(plant.stream(), 30)
			}
			pass(25 * time.Minute)
			hq.has(plant.stream(), 40)
		})
	}
}

func (n *node) publishHold(stream plantmesh.StreamName) {
	n.Helper()
	e, err := plantmesh.NewEvent("//qa", time.Now().String(), time.Now(), &manufacturingv1.QualityHoldPlaced{HoldId: "H1", ItemId: "I1", LotId: "L1", ReasonCode: "R"})
	if err != nil {
		n.Fatal(err)
	}
	if _, err := n.running.log.Append(n.Context(), storage.Write{Entries: []storage.Entry{{Stream: stream, Event: e}}}); err != nil {
		n.Fatal(err)
	}
}

func TestExceptionComesAtOnceWithWhatIsBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{}).start()
		plant.publishTo(quality, 30, 0)
		relay := w.add("relay", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything}).start()
		direct := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: hourly(t, false)}).start()
		behind := w.add("hq-2", mesh.Config{Peers: []string{relay.address}, Subscriptions: hourly(t, false)}).start()
		pass(10 * time.Minute)
		direct.has(quality, 0)
		plant.publishHold(quality)
		plant.publishTo(quality, 20, 0)
		pass(5 * time.Second)
		direct.has(quality, 31)
		behindHas := func(least plantmesh.Offset) {
			t.Helper()
			if head, _ := behind.running.log.Head(quality); head.Offset < least {
				t.Errorf("it holds up to %d", head.Offset)
			}
		}
		behindHas(31) // and as much more as the origin signed at once
		plant.stop()
		plant.start() // which remembers
		pass(time.Minute)
		plant.publishHold(quality)
		pass(5 * time.Second)
		direct.has(quality, 52)
		behindHas(52)
		if r := direct.running.mesh.Status().Replicas; len(r) != 1 || r[0].State != adminv1.ReplicaState_REPLICA_STATE_SCHEDULED {
			t.Errorf("%+v", r)
		}
	})
}

func TestExceptionOfAnEarlierRunComesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{}).start()
		plant.publishTo(quality, 30, 0)
		plant.publishHold(quality)
		plant.publishTo(quality, 20, 0)
		plant.stop()
		plant.start()
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: hourly(t, false)}).start()
		pass(5 * time.Second)
		hq.has(quality, 31)
	})
}
