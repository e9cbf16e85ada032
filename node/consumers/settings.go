package consumers

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/filter"
	"github.com/plantmesh/plantmesh/node/telemetry"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Defaults of what a caller leaves unset, as the protocol names them.
const (
	DefaultAckDeadline = 30 * time.Second
	DefaultMaxAttempts = 5
	DefaultMaxInFlight = 32
)

// withDefaults is a copy of settings in which everything is set.
func withDefaults(s *eventv1.ConsumerSettings) (*eventv1.ConsumerSettings, error) {
	s = proto.CloneOf(s)
	if err := s.GetFromTime().CheckValid(); s.GetFromTime() != nil && err != nil {
		return nil, fmt.Errorf("%w: settings.from_time: %w", plantmesh.ErrInvalidRequest, err)
	}
	set := func(d **durationpb.Duration, standard time.Duration) {
		if *d == nil {
			*d = durationpb.New(standard)
		}
	}
	set(&s.AckDeadline, DefaultAckDeadline)
	set(&s.MinBackoff, consumer.DefaultMinBackoff)
	set(&s.MaxBackoff, max(consumer.DefaultMaxBackoff, s.GetMinBackoff().AsDuration()))
	set(&s.ParkedRetry, consumer.DefaultParkedRetry)
	if s.MaxAttempts == 0 {
		s.MaxAttempts = DefaultMaxAttempts
	}
	if s.GetMinBackoff().AsDuration() > s.GetMaxBackoff().AsDuration() {
		return nil, fmt.Errorf("%w: settings.min_backoff: %s is more than max_backoff, %s: make it as long at most",
			plantmesh.ErrInvalidRequest, s.GetMinBackoff().AsDuration(), s.GetMaxBackoff().AsDuration())
	}
	return s, nil
}

// differing names the settings in which two differ, apart from where to start, which counts once.
func differing(a, b *eventv1.ConsumerSettings) string {
	a, b = proto.CloneOf(a), proto.CloneOf(b)
	a.Start, b.Start = nil, nil
	var names []string
	fields := a.ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		if !a.ProtoReflect().Get(f).Equal(b.ProtoReflect().Get(f)) {
			names = append(names, string(f.Name()))
		}
	}
	return strings.Join(names, ", ")
}

// matches tells whether settings name a stream.
func matches(s *eventv1.ConsumerSettings, name plantmesh.StreamName) bool {
	for _, pattern := range s.GetStreams() {
		if mesh.Matches(pattern, string(name)) {
			return true
		}
	}
	return false
}

// config is how a consumer runs with settings.
func config(name string, s *eventv1.ConsumerSettings, tracing *telemetry.Tracing) consumer.Config {
	c := consumer.Config{
		Name: name, Tracing: tracing,
		Match:       func(stream plantmesh.StreamName) bool { return matches(s, stream) },
		Concurrency: consumer.DefaultWindow, // calls bound what is open at once
		MaxAttempts: int(s.GetMaxAttempts()),
		ParkedRetry: s.GetParkedRetry().AsDuration(), MinBackoff: s.GetMinBackoff().AsDuration(), MaxBackoff: s.GetMaxBackoff().AsDuration(),
	}
	if f := filter.New(s.GetTypes(), s.GetSubjects()); !f.PassesAll() {
		c.Wants = func(e *eventv1.Event) bool { return f.Passes([]byte(e.GetType()), []byte(e.GetSubject())) }
	}
	return c
}
