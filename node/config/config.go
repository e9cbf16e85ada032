package config

import (
	"time"

	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/scrub"
	"github.com/plantmesh/plantmesh/storage"
)

// Config is what a site says about its node. Paths are relative to the folder of the file, until [Load] resolves them.
type Config struct {
	Mesh   string `yaml:"mesh"`   // trust domain and environment
	Site   string `yaml:"site"`   // name of this site
	Region string `yaml:"region"` // its region

	DataDir string `yaml:"data_dir"`       // folder of the log and of what is derived from it
	Listen  string `yaml:"listen"`         // host:port of the one port: clients and peers
	HTTP    string `yaml:"http,omitempty"` // host:port of the console, on a loopback address; empty: none
	TLS     TLS    `yaml:"tls"`

	// Reach says whether others can dial this site: direct or outbound. Where they cannot, it opens a second connection to
	// each of its peers, over which they call it.
	Reach string `yaml:"reach"`

	// Advertise is host:port at which other members of the mesh may dial this site. Omitted: only those whose peers name it do.
	Advertise string `yaml:"advertise,omitempty"`

	Peers  []string `yaml:"peers,omitempty"`  // host:port of the nodes to link to
	Admins []string `yaml:"admins,omitempty"` // clients that may call AdminService, besides the site's own certificate

	Streams map[string]Stream `yaml:"streams,omitempty"` // by domain for this site's streams, by site/domain for all; patterns may hold *

	Export        []ExportRule   `yaml:"export"` // what may leave, to whom; omitted: everything to everyone of the mesh
	Subscriptions []Subscription `yaml:"subscriptions,omitempty"`

	Adapters  []Adapter    `yaml:"adapters,omitempty"`  // how the plant's systems come in
	Odoo      *odoo.Config `yaml:"odoo,omitempty"`      // only where the node faces Odoo
	Telemetry *Telemetry   `yaml:"telemetry,omitempty"` // omitted: no tracing and no metrics
	Limits    Limits       `yaml:"limits"`
}

// TLS names the PEM files of the site's identity.
type TLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	CA   string `yaml:"ca"`
}

// ExportRule allows some of this site's streams to some sites. Patterns may hold *.
type ExportRule struct {
	Streams []string `yaml:"streams"` // domains, such as production
	To      []string `yaml:"to"`      // sites
	Regions []string `yaml:"regions"` // regions of those sites; empty: any
}

// Subscription asks for streams of other sites. Patterns may hold *.
type Subscription struct {
	From    string   `yaml:"from"`    // sites
	Streams []string `yaml:"streams"` // domains

	// Schedule is when the streams come, as a cron expression of minute, hour, day of month, month and day of week; without it
	// at all times. What the catalog marks as an exception comes at once, with all that stands before it in its stream.
	Schedule string `yaml:"schedule,omitempty"`
	Window   string `yaml:"window,omitempty"`   // how long it is open then, such as 2h or 90m
	Timezone string `yaml:"timezone,omitempty"` // of the schedule, such as Europe/Berlin; empty: UTC
	AtStart  bool   `yaml:"at_start,omitempty"` // open for one window when the node starts too, so that none is missed
}

// Values of reach.
const (
	ReachDirect   = "direct"   // others can dial this site
	ReachOutbound = "outbound" // nobody can
)

// KindFile is the kind of an adapter that watches a folder.
const KindFile = "file"

// Adapter is one way in which events come in.
type Adapter struct {
	Name    string `yaml:"name"`    // unique; its progress is kept under it
	Kind    string `yaml:"kind"`    // file
	Dir     string `yaml:"dir"`     // watched folder
	Pattern string `yaml:"pattern"` // of file names in it
	Mapping string `yaml:"mapping"` // file that says how a row becomes an event

	// SettleSeconds is how long a file must not have changed before it is taken for complete. Longer is safer with slow
	// writers and costs that much delay.
	SettleSeconds float64 `yaml:"settle_seconds"`
}

// Telemetry says where traces and metrics go.
type Telemetry struct {
	OTLPEndpoint string  `yaml:"otlp_endpoint"` // http://host:port of an OTLP gRPC collector; https for TLS
	SampleRatio  float64 `yaml:"sample_ratio"`  // share of untraced calls that begin a trace, 0 to 1
}

// Limits trade memory for speed.
type Limits struct {
	TailBytes       int `yaml:"tail_bytes"`        // recent blocks kept in memory for readers that follow closely
	CacheBytes      int `yaml:"cache_bytes"`       // the database's block cache
	MaxBlockBytes   int `yaml:"max_block_bytes"`   // where a block is cut
	MaxPendingBytes int `yaml:"max_pending_bytes"` // what may wait for the disk

	DiskReserve string `yaml:"disk_reserve"` // what stays free on the disk: below it, new events are refused

	ScrubBytesPerSecond int           `yaml:"scrub_bytes_per_second"` // how fast what is stored is read again, to find what the disk damaged
	ClockSkew           time.Duration `yaml:"clock_skew"`             // how far the clock of a linked site may be off before it is reported
}

// Defaults of an adapter and of telemetry.
const (
	DefaultPattern       = "*.csv"
	DefaultSettleSeconds = 1
	DefaultSampleRatio   = 1
	DefaultClockSkew     = mesh.DefaultClockSkew
)

// Default is a configuration that lacks only who the site is and its certificate.
func Default() Config {
	return Config{
		DataDir: "data",
		Listen:  "127.0.0.1:7443",
		Reach:   ReachDirect,
		Export:  []ExportRule{{Streams: []string{"*"}, To: []string{"*"}, Regions: []string{}}},
		Limits: Limits{
			TailBytes: storage.DefaultTailBytes, CacheBytes: storage.DefaultCacheBytes, MaxBlockBytes: storage.DefaultMaxBlockBytes,
			MaxPendingBytes: storage.DefaultMaxPendingBytes, DiskReserve: "256MB", ScrubBytesPerSecond: scrub.DefaultBytesPerSecond, ClockSkew: DefaultClockSkew,
		},
	}
}
