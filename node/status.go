package node

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh/mesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// fillMesh writes the mesh's status into an answer.
func fillMesh(s *adminv1.GetStatusResponse, m mesh.Status) {
	for _, l := range m.Links {
		s.Links = append(s.Links, &adminv1.Link{
			Kind: l.Kind, Address: l.Address, Site: string(l.Site), State: l.State, Since: timestamp(l.Since), Reason: l.Reason,
			Protocol: l.Protocol, Version: l.Version, RetryTime: timestamp(l.RetryTime),
		})
		if l.Kind != adminv1.LinkKind_LINK_KIND_REVERSE_SERVED { // over which this node does not call, so it measures nothing
			last := s.Links[len(s.Links)-1]
			last.RoundTrip, last.ClockOffset = durationpb.New(l.RoundTrip), durationpb.New(l.ClockOffset)
		}
	}
	for _, one := range m.Members {
		s.Members = append(s.Members, memberMessage(one))
	}
	s.ClockSkews = m.ClockSkews
	for _, r := range m.Replicas {
		s.Replicas = append(s.Replicas, &adminv1.Replica{
			Stream: string(r.Stream), Link: r.Link, State: r.State, Offset: uint64(r.Offset), SourceOffset: uint64(r.SourceOffset),
			LagEvents: r.LagEvents, LagTime: durationpb.New(r.LagTime), Reason: r.Reason, OpeningTime: timestamp(r.Opens),
		})
	}
	for _, f := range m.Followers {
		s.Followers = append(s.Followers, &adminv1.Follower{
			Site: string(f.Site), Stream: string(f.Stream), Connected: f.Connected, DurableOffset: uint64(f.DurableOffset), LagEvents: f.LagEvents,
			LastReportTime: timestamp(f.LastReportTime), Reason: f.Reason,
		})
	}
}

func memberMessage(m mesh.Member) *adminv1.Member {
	out := &adminv1.Member{
		Site: string(m.Site), Region: m.Region, Version: m.Version, State: m.State, Since: timestamp(m.Since), Reason: m.Reason, Address: m.Address,
		Outbound: m.Outbound, Via: string(m.Via), Hops: uint32(m.Hops), MinProtocol: m.MinProtocol, MaxProtocol: m.MaxProtocol, ClockSkewed: m.ClockSkewed,
	}
	if m.Measured {
		out.RoundTrip, out.ClockOffset = durationpb.New(m.RoundTrip), durationpb.New(m.ClockOffset)
	}
	for _, site := range m.Links {
		out.Links = append(out.Links, string(site))
	}
	for _, h := range m.Held {
		out.Streams = append(out.Streams, &adminv1.MemberStream{Stream: string(h.Stream), Incarnation: uint64(h.Incarnation), Offset: uint64(h.Offset)})
	}
	return out
}

// timestamp is unset for a time that is.
func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
