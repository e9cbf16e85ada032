package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/plantmesh/plantmesh/mesh"
)

// Stream is what a site wants of its own streams of a domain.
type Stream struct {
	// MinCopies is at how many sites an event is durable, this one included, before its publish is acknowledged. More copies
	// survive the loss of this site's disk, and cost a round trip to the site that comes second, third …; while too few of
	// those that subscribe are linked, publishing to the stream answers with an error.
	MinCopies int `yaml:"min_copies,omitempty"`
	// CopiesTimeoutSeconds is how long a publish waits for them.
	CopiesTimeoutSeconds float64 `yaml:"copies_timeout_seconds,omitempty"`
}

// DefaultCopiesTimeout is how long a publish waits for copies at other sites.
const DefaultCopiesTimeout = 10 * time.Second

// CopiesTimeout is CopiesTimeoutSeconds, or the default.
func (s Stream) CopiesTimeout() time.Duration {
	if s.CopiesTimeoutSeconds == 0 {
		return DefaultCopiesTimeout
	}
	return time.Duration(s.CopiesTimeoutSeconds * float64(time.Second))
}

// StreamOf is what is configured for a domain: under its name, or else under the longest pattern that it fits.
func (c Config) StreamOf(domain string) Stream {
	if s, ok := c.Streams[domain]; ok {
		return s
	}
	longestFirst := slices.SortedFunc(maps.Keys(c.Streams), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	for _, pattern := range longestFirst {
		if mesh.Matches(pattern, domain) {
			return c.Streams[pattern]
		}
	}
	return Stream{}
}

// maxCopies is more than any group has sites that keep copies of one stream.
const maxCopies = 100

func (s Stream) validate(path string, f *faults) {
	if s.MinCopies < 0 || s.MinCopies > maxCopies {
		f.add("%s.min_copies %d: must be 1 to %d, this site included", path, s.MinCopies, maxCopies)
	}
	if s.CopiesTimeoutSeconds < 0 || s.CopiesTimeoutSeconds > maxSettleSeconds {
		f.add("%s.copies_timeout_seconds %v: must be above 0, and %d at most", path, s.CopiesTimeoutSeconds, maxSettleSeconds)
	}
	if s.CopiesTimeoutSeconds != 0 && s.MinCopies <= 1 {
		f.add("%s.copies_timeout_seconds %v: there is nothing to wait for without min_copies of 2 or more", path, s.CopiesTimeoutSeconds)
	}
}

func (c Config) validateStreams(f *faults) {
	for _, domain := range slices.Sorted(maps.Keys(c.Streams)) {
		path := fmt.Sprintf("streams.%s", domain)
		validatePattern(f, "streams", domain)
		c.Streams[domain].validate(path, f)
	}
}
