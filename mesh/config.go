package mesh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh"
	catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"
)

// Config is what a node's configuration says about its peers.
type Config struct {
	Region  string   // of this site; empty: as its certificate says
	Version string   // of this software, shown to peers
	Peers   []string // host:port of the nodes to link to

	// Outbound says that nobody can dial this site: it opens a reverse connection to each peer besides the ordinary one.
	Outbound bool

	// Advertise is host:port at which other members may dial this site; empty: only those whose configuration names it do.
	Advertise string
	// ClockSkew is how far the clock of a linked site may be off; 0: DefaultClockSkew.
	ClockSkew time.Duration

	Subscriptions []Subscription // what to replicate from them
	Export        []ExportRule   // what they may replicate from here; nil: DefaultExport, empty: nothing

	// ClassOf is the configured class of a stream, unspecified for most; nil: of all. Those have the class that their origin
	// names, which has it from the catalog.
	ClassOf func(s plantmesh.StreamName) catalogv1.Class

	// Dial opens a connection to a peer; nil: TCP. TLS is laid over what it returns.
	Dial func(ctx context.Context, address string) (net.Conn, error)

	// Refused is told of each call of a peer that the export policy does not allow, and must not block; nil: nobody is.
	Refused func(Refusal)
	// Now is the clock that this site tells to others, compares with theirs, and signs with; nil: the system's.
	Now func() time.Time

	// SigningKey signs this site's streams; required.
	SigningKey *plantmesh.SigningKey

	Timings Timings
}

// Subscription asks for streams of other sites. Patterns may hold `*`, which stands for any characters.
type Subscription struct {
	From    string   // pattern of sites
	Streams []string // patterns of domains

	Schedule *Schedule // when they come; nil: at all times. A stream that several subscriptions ask for comes when any lets it
}

// ExportRule allows some of this site's streams to some sites. A stream leaves if any rule allows it.
type ExportRule struct {
	Streams []string // patterns of domains
	To      []string // patterns of sites
	Regions []string // patterns of the regions that those sites' certificates name; empty: any
}

// DefaultExport is everything to everyone in the mesh.
func DefaultExport() []ExportRule {
	return []ExportRule{{Streams: []string{"*"}, To: []string{"*"}}}
}

// Timings are how patient a node is. Zero values stand for the defaults below.
type Timings struct {
	DialTimeout  time.Duration // for TCP and TLS, and again for the greeting
	Heartbeat    time.Duration // between the frames of a quiet WatchStreams; the protocol promises at most 5 s
	Silence      time.Duration // without a sign of life after which a link is dropped
	MinBackoff   time.Duration // before the second attempt
	MaxBackoff   time.Duration // most before any further one
	RefusedRetry time.Duration // after a refusal, which only people can mend
	StallRetry   time.Duration // of a replica that cannot go on
	HelloEvery   time.Duration // between measurements of round trip and clock offset
	SignEvery    time.Duration // between checkpoints of a stream that grows
	RecoveryWait time.Duration // how long peers may take, at the start, to say or send what they hold of this site's streams
}

// Defaults of Timings.
const (
	DefaultDialTimeout  = 10 * time.Second
	DefaultHeartbeat    = 4 * time.Second
	DefaultSilence      = 15 * time.Second
	DefaultMinBackoff   = 200 * time.Millisecond
	DefaultMaxBackoff   = 10 * time.Second
	DefaultRefusedRetry = 10 * time.Second
	DefaultStallRetry   = 30 * time.Second
	DefaultHelloEvery   = time.Minute
	DefaultSignEvery    = 2 * time.Second
	DefaultRecoveryWait = 5 * time.Second

	// DefaultClockSkew is more than a clock drifts that asks a time server now and then.
	DefaultClockSkew = 2 * time.Second
)

func (t Timings) withDefaults() Timings {
	for _, d := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&t.DialTimeout, DefaultDialTimeout},
		{&t.Heartbeat, DefaultHeartbeat},
		{&t.Silence, DefaultSilence},
		{&t.MinBackoff, DefaultMinBackoff},
		{&t.MaxBackoff, DefaultMaxBackoff},
		{&t.RefusedRetry, DefaultRefusedRetry},
		{&t.StallRetry, DefaultStallRetry},
		{&t.HelloEvery, DefaultHelloEvery},
		{&t.SignEvery, DefaultSignEvery},
		{&t.RecoveryWait, DefaultRecoveryWait},
	} {
		if *d.value <= 0 {
			*d.value = d.standard
		}
	}
	return t
}

// withDefaults checks everything and names each fault by its path in the configuration.
func (c Config) withDefaults(self plantmesh.Identity) (Config, error) {
	var faults []error
	if c.SigningKey == nil {
		faults = append(faults, errors.New("signing key: missing: a site signs its streams"))
	}
	if c.Region == "" {
		c.Region = self.Region
	}
	if c.Region != self.Region {
		faults = append(faults, fmt.Errorf("region %q: the certificate says %q: make both agree", c.Region, self.Region))
	}
	for i, address := range c.Peers {
		if host, port, err := net.SplitHostPort(address); err != nil || host == "" || port == "" {
			faults = append(faults, fmt.Errorf("peers[%d] %q: an address is host:port, such as hq.example:7443", i, address))
		}
		if first := slices.Index(c.Peers, address); first != i {
			faults = append(faults, fmt.Errorf("peers[%d] %q: the same as peers[%d]: remove one", i, address, first))
		}
	}
	if c.Outbound && len(c.Peers) == 0 {
		faults = append(faults, errors.New("reach outbound: peers is empty: name at least one, for nobody can dial this site"))
	}
	if c.Advertise != "" {
		host, port, err := net.SplitHostPort(c.Advertise)
		switch {
		case err != nil || host == "" || port == "":
			faults = append(faults, fmt.Errorf("advertise %q: an address is host:port, such as plant-a.example:7443", c.Advertise))
		case c.Outbound:
			faults = append(faults, fmt.Errorf("advertise %q: nobody can dial this site, as reach says: remove one of the two", c.Advertise))
		}
	}
	if c.ClockSkew <= 0 {
		c.ClockSkew = DefaultClockSkew
	}
	for i, s := range c.Subscriptions {
		faults = append(faults, s.Check(fmt.Sprintf("subscriptions[%d]", i)))
	}
	if c.Export == nil {
		c.Export = DefaultExport()
	}
	for i, r := range c.Export {
		faults = append(faults, checkPatterns(fmt.Sprintf("export[%d].streams", i), r.Streams), checkPatterns(fmt.Sprintf("export[%d].to", i), r.To))
		if len(r.Regions) > 0 {
			faults = append(faults, checkPatterns(fmt.Sprintf("export[%d].regions", i), r.Regions))
		}
	}
	if c.Dial == nil {
		var dialer net.Dialer
		c.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Timings = c.Timings.withDefaults()
	return c, errors.Join(faults...)
}

func checkPatterns(path string, patterns []string) error {
	if len(patterns) == 0 {
		return fmt.Errorf(`%s: empty: list names, or "*" for all`, path)
	}
	for _, p := range patterns {
		if p == "" || strings.Trim(p, "abcdefghijklmnopqrstuvwxyz0123456789-*") != "" {
			return fmt.Errorf("%s %q: a pattern has lower-case letters, digits, hyphens, and * for any characters", path, p)
		}
	}
	return nil
}
