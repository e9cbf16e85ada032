package mesh

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestClockThatIsOffIsReportedOnceAndWhenItIsBack(t *testing.T) {
	var text bytes.Buffer
	m := &Mesh{cfg: Config{ClockSkew: 2 * time.Second}, logger: slog.New(slog.NewTextHandler(&text, nil))}
	for _, c := range []struct {
		name           string
		offset, trip   time.Duration
		skewed         bool
		skews          uint64
		warned, agreed int
	}{
		{"within the limit", time.Second, time.Millisecond, false, 0, 0, 0},
		{"perhaps beyond, over a slow line", -2100 * time.Millisecond, time.Second, false, 0, 0, 0},
		{"beyond", -3 * time.Second, time.Second, true, 1, 1, 0},
		{"still beyond", -4 * time.Second, time.Second, true, 1, 1, 0},
		{"back", 10 * time.Millisecond, time.Second, false, 1, 1, 1},
		{"still back", 10 * time.Millisecond, time.Second, false, 1, 1, 1},
		{"beyond again", time.Hour, time.Second, true, 2, 2, 1},
	} {
		m.clocks.measured(m, greeting{site: "hq", clockOffset: c.offset, roundTrip: c.trip})
		if m.clocks.skewed("hq") != c.skewed || m.clocks.skews.Load() != c.skews || m.clocks.skewed("other") {
			t.Errorf("%s: skewed %v, %d times", c.name, m.clocks.skewed("hq"), m.clocks.skews.Load())
		}
		if warned, agreed := strings.Count(text.String(), "differ"), strings.Count(text.String(), "agree again"); warned != c.warned || agreed != c.agreed {
			t.Errorf("%s: log %s", c.name, &text)
		}
	}
}
