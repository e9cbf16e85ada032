package odoo

import (
	"cmp"
	"time"

	"github.com/plantmesh/plantmesh"
)

// Defaults of [Capture].
const (
	DefaultCaptureInterval = 15 * time.Second
	// DefaultCaptureOverlap is twice and a half of Odoo's limit_time_real.
	DefaultCaptureOverlap = 5 * time.Minute
	DefaultCaptureCompare = 24 * time.Hour
)

// Capture says how changes in Odoo become events.
type Capture struct {
	// IntervalSeconds is how long to wait between two looks at Odoo. 0: DefaultCaptureInterval.
	IntervalSeconds float64 `yaml:"interval_seconds,omitempty"`
	// OverlapSeconds must be longer than any transaction in Odoo takes, and a read replica lags: a change that becomes visible later is found by
	// the next comparison only. 0: DefaultCaptureOverlap.
	OverlapSeconds float64 `yaml:"overlap_seconds,omitempty"`
	// CompareSeconds is how often all records are read: it finds what was deleted. 0: DefaultCaptureCompare.
	CompareSeconds float64 `yaml:"compare_seconds,omitempty"`
}

// Interval is IntervalSeconds or its default.
func (c Capture) Interval() time.Duration { return seconds(c.IntervalSeconds, DefaultCaptureInterval) }

// Overlap is OverlapSeconds or its default.
func (c Capture) Overlap() time.Duration { return seconds(c.OverlapSeconds, DefaultCaptureOverlap) }

// Compare is CompareSeconds or its default.
func (c Capture) Compare() time.Duration { return seconds(c.CompareSeconds, DefaultCaptureCompare) }

func seconds(given float64, standard time.Duration) time.Duration {
	return cmp.Or(time.Duration(given*float64(time.Second)), standard)
}

func (c Capture) validate(fault func(format string, args ...any)) {
	for _, one := range []struct {
		name        string
		value       float64
		least, most time.Duration
	}{
		{"interval_seconds", c.IntervalSeconds, time.Second, time.Hour},
		{"overlap_seconds", c.OverlapSeconds, time.Second, 24 * time.Hour},
		{"compare_seconds", c.CompareSeconds, time.Minute, 31 * 24 * time.Hour},
	} {
		if one.value != 0 && (one.value < one.least.Seconds() || one.value > one.most.Seconds()) {
			fault("odoo.capture.%s %v: must be %v to %v", one.name, one.value, one.least.Seconds(), one.most.Seconds())
		}
	}
}

// CaptureSource is the source of events that tell of changes in Odoo. They are not applied there again.
func CaptureSource(site plantmesh.SiteID) string { return "//" + string(site) + "/odoo/capture" }

// OrdersDomain is that of the stream with the orders for one site, which that site alone has to see.
func OrdersDomain(site string) string { return "orders-" + site }

// NewCaptureClient is a client for the database and key of a configuration.
func NewCaptureClient(cfg Config) (*Client, error) {
	key, err := cfg.key()
	if err != nil {
		return nil, err
	}
	return Open(cfg.access(key))
}
