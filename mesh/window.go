package mesh

import "time"

const (
	// queueFor is how much of a line's time may lie in its queues: what an urgent event finds before it. Less would leave
	// the line idle between two reports.
	queueFor = 750 * time.Millisecond
	// Bounds of a window. The first one is what a line of 50 kbit/s carries in three seconds.
	minWindow   = 4 << 10
	firstWindow = 16 << 10
	maxWindow   = 16 << 20
	// rateFor is how long a delivery rate that was measured counts, once to twice.
	rateFor = 5 * time.Second
	// More than burstBytes within quickTrip is a line that thin ones have no likeness to.
	burstBytes = 64 << 10
	quickTrip  = 50 * time.Millisecond
	// quickestTrip keeps a rate measured in memory finite.
	quickestTrip = 50 * time.Microsecond
)

// window is how many bytes may be under way to a site: what the line delivers in one round trip and queueFor. It is
// measured from reports alone, for what the kernel and routers buffer is not ours to see, as in BBR (Cardwell et al.,
// 2016): the delivery rate is the best of late, the round trip the shortest seen. The zero value is not ready: see newWindow.
type window struct {
	size      int
	delivered uint64 // bytes that arrived
	trip      time.Duration
	best      [2]float64 // bytes per second: of this period and the one before
	period    time.Time  // when this one began
}

func newWindow(now time.Time) window { return window{size: firstWindow, period: now} }

// packet is what was sent at once.
type packet struct {
	mark      uint64 // a report of as much says that it arrived
	bytes     int
	sent      time.Time
	delivered uint64 // window.delivered when it was sent
	idle      bool   // the window was not half full then, so its rate may say little of the line
}

// sample takes note of a packet that was reported now. delivered counts it.
func (w *window) sample(p packet, now time.Time) {
	trip := max(now.Sub(p.sent), quickestTrip)
	if w.trip == 0 || trip < w.trip {
		w.trip = trip
	}
	arrived := w.delivered - p.delivered
	rate := float64(arrived) / trip.Seconds()
	switch {
	case !p.idle && trip > 3*(w.trip+queueFor): // the line has become slower
		w.best, w.period = [2]float64{rate}, now
	case !p.idle && now.Sub(w.period) > rateFor:
		w.best, w.period = [2]float64{rate, w.best[0]}, now
	default:
		w.best[0] = max(w.best[0], rate)
	}
	wanted := max(w.best[0], w.best[1]) * (w.trip + queueFor).Seconds()
	// At most twice of what arrived in a round trip: a router's first burst says little of its line. What is more than a burst
	// and came quickly does.
	factor := 2.0
	if arrived >= burstBytes && trip < quickTrip {
		factor = 8
	}
	grown := max(float64(w.size), factor*float64(arrived))
	w.size = int(min(max(min(wanted, grown), minWindow), maxWindow))
}

// patience is how long after sending a packet still counts as under way.
func (w *window) patience() time.Duration { return max(5*time.Second, 4*(w.trip+queueFor)) }
