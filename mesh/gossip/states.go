package gossip

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/hashicorp/go-msgpack/v2/codec"
	"github.com/hashicorp/memberlist"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// nodeState is what memberlist says of a node in an exchange of states.
type nodeState struct {
	Name  string
	State memberlist.NodeStateType
}

// states asks this site's memberlist what it thinks of all sites. It tells whom it suspects only in an exchange of states, so it is
// asked for one, as another site would ask.
func (t *transport) states() (map[plantmesh.SiteID]memberlist.NodeStateType, error) {
	here, there := net.Pipe()
	defer func() { _ = here.Close() }()
	if !t.hand(there) {
		_ = there.Close()
		return nil, errClosed
	}
	if err := here.SetDeadline(time.Now().Add(streamTimeout)); err != nil {
		return nil, err
	}
	ask := []byte{kindPushPull}
	var header []byte
	if err := codec.NewEncoderBytes(&header, &codec.MsgpackHandle{}).Encode(&pushPullHeader{}); err != nil {
		return nil, err
	}
	if _, err := here.Write(append(ask, header...)); err != nil {
		return nil, err
	}
	return readStates(here)
}

// readStates reads memberlist's half of an exchange.
func readStates(r io.Reader) (map[plantmesh.SiteID]memberlist.NodeStateType, error) {
	in := bufio.NewReader(r)
	kind, err := in.ReadByte()
	if err != nil {
		return nil, err
	}
	if kind != kindPushPull {
		return nil, fmt.Errorf("an answer of kind %d", kind)
	}
	decoder := codec.NewDecoder(in, &codec.MsgpackHandle{})
	var answer pushPullHeader
	if err := decoder.Decode(&answer); err != nil {
		return nil, err
	}
	out := map[plantmesh.SiteID]memberlist.NodeStateType{}
	for range answer.Nodes {
		var n nodeState
		if err := decoder.Decode(&n); err != nil {
			return nil, err
		}
		out[plantmesh.SiteID(n.Name)] = n.State
	}
	return out, nil
}

// standing is what this site makes of another one.
type standing struct {
	state  adminv1.MemberState
	since  time.Time
	reason string
	cut    time.Time // when the last way to it went; zero while there is one
}

// Why a site is not alive.
const (
	reasonSilent  = "it does not answer, nor do others hear it"
	reasonHearsay = "it is known by what others pass on, and has not answered yet"
	reasonNoWay   = "no chain of links leads to it"
	reasonHeard   = "it does not answer in time, though a link with it is up"
	reasonLeft    = "it was stopped in order"
)

// judge decides about a site from its card, what memberlist thinks, and whether there is a way to it.
func judge(c *card, thought memberlist.NodeStateType, known bool, w way, reachable bool, before standing, now time.Time) standing {
	s := standing{state: adminv1.MemberState_MEMBER_STATE_ALIVE}
	linked := reachable && w.hops == 1
	switch {
	case c.said.GetLeaving():
		s = standing{state: adminv1.MemberState_MEMBER_STATE_LEFT, reason: reasonLeft}
	case known && thought == memberlist.StateAlive:
	case known && thought == memberlist.StateSuspect:
		s = standing{state: adminv1.MemberState_MEMBER_STATE_SUSPECT, reason: reasonSilent}
	case known:
		s = standing{state: adminv1.MemberState_MEMBER_STATE_DEAD, reason: reasonSilent}
	case before.state == adminv1.MemberState_MEMBER_STATE_DEAD, before.reason == reasonHearsay && now.Sub(before.since) >= hearsayGrace:
		s = standing{state: adminv1.MemberState_MEMBER_STATE_DEAD, reason: reasonSilent}
	default:
		s = standing{state: adminv1.MemberState_MEMBER_STATE_SUSPECT, reason: reasonHearsay}
	}
	if !reachable {
		if s.cut = before.cut; s.cut.IsZero() {
			s.cut = now
		}
		s.state = s.without(now.Sub(s.cut))
	}
	switch s.state {
	case adminv1.MemberState_MEMBER_STATE_DEAD:
		if linked {
			s = standing{state: adminv1.MemberState_MEMBER_STATE_SUSPECT, reason: reasonHeard}
		} else if !reachable {
			s.reason = reasonNoWay
		}
	case adminv1.MemberState_MEMBER_STATE_SUSPECT:
		if !reachable && s.reason != reasonHearsay {
			s.reason = reasonNoWay
		}
	default:
	}
	s.since = before.since
	if s.state != before.state || before.since.IsZero() {
		s.since = now
	}
	return s
}

// without is the state of a site to which no way leads for some time: cards say so, which those at the two ends of each cut link have
// signed. memberlist comes to the same end, but may take long where much is cut at once: it takes itself for slow then.
func (s standing) without(away time.Duration) adminv1.MemberState {
	const grace = suspicionMult * probeInterval
	switch {
	case s.state == adminv1.MemberState_MEMBER_STATE_LEFT:
	case away >= suspicionSlower*grace:
		return adminv1.MemberState_MEMBER_STATE_DEAD
	case away >= grace && s.state == adminv1.MemberState_MEMBER_STATE_ALIVE:
		return adminv1.MemberState_MEMBER_STATE_SUSPECT
	}
	return s.state
}
