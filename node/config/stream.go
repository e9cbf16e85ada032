package config

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/node/retention"
)

// Stream is what a site wants of streams: of its own of a domain, or of all whose whole name fits.
type Stream struct {
	// Retention is how long events are kept here after they were recorded: a number of hours, days or years, such as 36h, 90d
	// or 10y. Without it they are kept for ever.
	Retention string `yaml:"retention,omitempty"`
	// RetentionBytes is how much of the stream is kept here, such as 50GB; the oldest blocks go first.
	RetentionBytes string `yaml:"retention_bytes,omitempty"`
	// TrimUnfetched lets retention go past what a site or consumer that follows the stream has not got yet; it meets a gap.
	TrimUnfetched bool `yaml:"trim_unfetched,omitempty"`

	// Class is what the stream goes before or behind on a thin line: urgent, standard or bulk. Without it the origin's word holds,
	// and at the origin the catalog's.
	Class string `yaml:"class,omitempty"`

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

// StreamOf is what is configured for a stream: under its name, or else under the longest pattern that it fits. Keys without
// a site are of this site's own streams.
func (c Config) StreamOf(name plantmesh.StreamName) Stream {
	domain := "" // fits no key
	if string(name.Origin()) == c.Site {
		domain = name.Domain()
	}
	for _, key := range []string{string(name), domain} {
		if s, ok := c.Streams[key]; ok && key != "" {
			return s
		}
	}
	longestFirst := slices.SortedFunc(maps.Keys(c.Streams), func(a, b string) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
	})
	for _, pattern := range longestFirst {
		if strings.Contains(pattern, "/") && mesh.Matches(pattern, string(name)) || domain != "" && mesh.Matches(pattern, domain) {
			return c.Streams[pattern]
		}
	}
	return Stream{}
}

// maxCopies is more than any group has sites that keep copies of one stream.
const maxCopies = 100

func (s Stream) validate(path string, f *faults) {
	if _, err := parseAge(s.Retention); err != nil {
		f.add("%s.retention %q: %w", path, s.Retention, err)
	}
	if _, err := parseBytes(s.RetentionBytes); err != nil {
		f.add("%s.retention_bytes %q: %w", path, s.RetentionBytes, err)
	}
	if s.TrimUnfetched && s.Retention == "" && s.RetentionBytes == "" {
		f.add("%s.trim_unfetched: there is nothing to trim without retention or retention_bytes", path)
	}
	if _, ok := classNames[s.Class]; !ok {
		f.add("%s.class %q: must be urgent, standard or bulk", path, s.Class)
	}
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
	for _, key := range slices.Sorted(maps.Keys(c.Streams)) {
		path := fmt.Sprintf("streams.%s", key)
		site, domain, whole := strings.Cut(key, "/")
		validatePattern(f, "streams", site)
		if whole {
			validatePattern(f, "streams", domain)
		}
		if whole && site != c.Site && c.Streams[key].MinCopies > 0 {
			f.add("%s.min_copies %d: it is of publishing, so of this site's own streams: name the domain alone", path, c.Streams[key].MinCopies)
		}
		c.Streams[key].validate(path, f)
	}
}

// RetentionRule is what the stream keeps. Validate has found it well-formed.
func (s Stream) RetentionRule() retention.Rule {
	age, _ := parseAge(s.Retention)
	bytes, _ := parseBytes(s.RetentionBytes)
	return retention.Rule{MaxAge: age, MaxBytes: bytes, TrimUnfetched: s.TrimUnfetched}
}

// DiskReserveBytes is DiskReserve in bytes. Validate has found it well-formed.
func (l Limits) DiskReserveBytes() int {
	bytes, _ := parseBytes(l.DiskReserve)
	return int(bytes)
}
