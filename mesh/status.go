package mesh

import (
	"slices"
	"time"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// Status is a snapshot: of each link, replica and follower one after the other. Its parts mirror the messages of the
// same names in AdminService.
type Status struct {
	Links     []Link     // in the order of the configuration, then those to members, then those that sites opened, both by site
	Replicas  []Replica  // ordered by stream
	Followers []Follower // ordered by site and stream
	Members   []Member   // the other sites, ordered by name

	ClockSkews uint64 // how often the clock of a linked site passed the limit
}

// Link is a connection this node keeps to a peer.
type Link struct {
	Kind        adminv1.LinkKind
	Address     string           // as configured; "reverse from <site>" for one that the site opened
	Site        plantmesh.SiteID // behind it; empty until greeted once
	State       adminv1.LinkState
	Since       time.Time     // when that state began
	Reason      string        // why it is not connected, and what to do
	RoundTrip   time.Duration // of the last greeting
	ClockOffset time.Duration // the peer's clock minus ours, at the last greeting
	Protocol    uint32        // agreed on
	Version     string        // of the peer's software
	RetryTime   time.Time     // of the next attempt, while it waits for it
}

// Replica is a stream replicated from a peer to this node.
type Replica struct {
	Stream       plantmesh.StreamName
	Link         string // address of the link that serves it; empty without one
	State        adminv1.ReplicaState
	Offset       plantmesh.Offset // last durable here
	SourceOffset plantmesh.Offset // the source's head, as last heard
	LagEvents    uint64
	LagTime      time.Duration // recording time of the source's head minus that of ours
	Reason       string        // why it is stalled, disconnected, scheduled or slow
	Err          error         // what stalled it, for errors.Is; nil if that is not known
	Opens        time.Time     // when its window opens, while it is scheduled
}

// Follower is a peer that replicates a stream from this node.
type Follower struct {
	Site           plantmesh.SiteID
	Stream         plantmesh.StreamName
	Connected      bool // its call is open
	Incarnation    plantmesh.Incarnation
	DurableOffset  plantmesh.Offset // of that incarnation, as it reported
	LagEvents      uint64
	LastReportTime time.Time
	Reason         string // why its call was refused or ended
}

// Status returns the state of all links, replicas and followers. It blocks on nothing.
func (m *Mesh) Status() Status {
	var s Status
	for i, l := range m.dialed {
		s.Links = append(s.Links, l.status())
		if m.served != nil {
			s.Links = append(s.Links, m.served[i].status())
		}
	}
	for _, l := range slices.Concat(m.learnt.all(), m.accepted.all()) {
		s.Links = append(s.Links, l.status())
	}
	for _, name := range m.replicaNames() {
		s.Replicas = append(s.Replicas, m.replicaStatus(name))
	}
	for _, f := range m.followers.all() {
		if head, err := m.log.HeadOf(f.Stream, f.Incarnation); err == nil && head.Offset > f.DurableOffset {
			f.LagEvents = uint64(head.Offset - f.DurableOffset)
		}
		s.Followers = append(s.Followers, f)
	}
	s.Members, s.ClockSkews = m.members(), m.clocks.skews.Load()
	return s
}

// replicaNames are the streams that are or were replicated, and those wanted that an earlier run left here.
func (m *Mesh) replicaNames() []plantmesh.StreamName {
	names := m.replicas.names()
	for _, head := range m.log.AllHeads() {
		if m.subscribed(head.Stream) {
			names = append(names, head.Stream)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (m *Mesh) replicaStatus(name plantmesh.StreamName) Replica {
	r := m.replicas.of(name).status()
	head, err := m.head(name, 0)
	if err != nil {
		r.Reason = err.Error()
	}
	r.Offset, r.SourceOffset = head.Offset, max(r.SourceOffset, head.Offset)
	r.LagEvents = uint64(r.SourceOffset - r.Offset)
	sourceTime := m.replicas.of(name).sourceTime()
	if r.LagEvents > 0 && head.Offset > 0 && sourceTime.After(head.Time) {
		r.LagTime = sourceTime.Sub(head.Time)
	}
	if r.State == adminv1.ReplicaState_REPLICA_STATE_CATCHING_UP && r.LagEvents == 0 {
		r.State, r.Reason = adminv1.ReplicaState_REPLICA_STATE_CURRENT, ""
	}
	if r.State == adminv1.ReplicaState_REPLICA_STATE_DISCONNECTED && r.Reason == "" {
		r.Reason = m.whyNoLink(name.Origin())
	}
	return r
}

// whyNoLink says why nothing comes from a site.
func (m *Mesh) whyNoLink(site plantmesh.SiteID) string {
	for _, l := range m.links() {
		s := l.status()
		if s.Site != site {
			continue
		}
		if s.State == adminv1.LinkState_LINK_STATE_CONNECTED {
			return "the link to " + string(site) + " is up, but it does not offer the stream: see the export rules there"
		}
		return "no link to " + string(site) + ": " + s.Reason
	}
	return "no link to " + string(site) + ": add its address to peers, or see the links that are not connected"
}
