package gossip

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// Config is what a site says about itself, and what it needs for that.
type Config struct {
	Self        plantmesh.Identity
	Version     string // of the software
	MinProtocol uint32
	MaxProtocol uint32
	Address     string // host:port at which others can dial this site; empty: it advertises none
	Outbound    bool   // nobody can dial this site

	Key      *plantmesh.SigningKey // signs what this site says
	Verifier *plantmesh.Verifier   // checks what others say

	// Held lists how far this site holds streams, and only streams that every site of the mesh may have: it goes to all of
	// them. At most MaxHeld are told. nil: none.
	Held   func() []plantmesh.Head
	Logger *slog.Logger
}

// Channel is one side of a link with another site: frames in both directions, in order, between two sites that know each
// other by their certificates. Send and Recv are each called by one goroutine at a time, and end with an error when the
// link does.
type Channel interface {
	Send(*peerv1.GossipFrame) error
	Recv() (*peerv1.GossipFrame, error)
}

// Limits of what is held and sent.
const (
	MaxSites = 1024 // sites known; beyond, those that left or died longest ago are forgotten
	MaxHeld  = 256  // streams told of by one site

	maxFrameBytes   = 1 << 20
	maxCardBytes    = 64 << 10 // 1024 names of links fit
	maxVoucherBytes = 16 << 10
	maxPacketBytes  = 4 << 10
	maxPieceBytes   = 16 << 10
	maxStreamBytes  = 1 << 20 // of one stream, in one direction
	maxStreams      = 64
	maxHops         = 8
	maxQueueBytes   = 512 << 10 // of parcels that wait for one link
	maxPackets      = 256       // received packets that wait for memberlist
	maxNameBytes    = 255
)

// How often, and how patiently. DESIGN.md says why.
const (
	probeInterval   = 2 * time.Second
	probeTimeout    = time.Second
	suspicionMult   = 5 // times probeInterval: 10 s up to ten sites
	suspicionSlower = 2 // times that, while nobody else confirms it
	gossipInterval  = 200 * time.Millisecond
	pushPullEvery   = time.Minute
	streamTimeout   = 10 * time.Second
	forgetDead      = time.Minute // memberlist stops telling the dead

	lookEvery    = time.Second    // at what memberlist thinks
	cardEvery    = time.Second    // least between two cards of this site
	heldEvery    = time.Minute    // between cards in which only offsets are new
	renewEvery   = 24 * time.Hour // a card at least
	cardLife     = 30 * 24 * time.Hour
	knownEvery   = 30 * time.Second // between comparisons of what both sides know
	hearsayGrace = 30 * time.Second // for a site that is known by its card only
	joinEvery    = time.Second
	joinRetry    = 2 * time.Second // of one site, doubled each time
	joinRetryMax = time.Minute
	leaveTimeout = 500 * time.Millisecond
)

// Member is a site of the mesh, as its card and memberlist tell of it.
type Member struct {
	Site        plantmesh.SiteID
	Region      string
	Version     string
	MinProtocol uint32
	MaxProtocol uint32
	Address     string // host:port, empty if it advertises none
	Outbound    bool   // nobody can dial it
	State       adminv1.MemberState
	Since       time.Time // when that state was noticed here
	Reason      string    // why it is not alive
	Links       []plantmesh.SiteID
	Held        []plantmesh.Head // without chain and time
	CardTime    time.Time        // its clock when it said all this
	Via         plantmesh.SiteID // the site to send through; itself if there is a link, empty if there is no way
	Hops        int              // links on the way
}

// Errors that Attach ends with.
var (
	errOwnSite = errors.New("a link with itself")
	errInvalid = fmt.Errorf("%w: gossip", plantmesh.ErrInvalidRequest)
)
