package api

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// GetEvent looks one event up; see the protocol.
func (s *events) GetEvent(_ context.Context, req *eventv1.GetEventRequest) (*eventv1.GetEventResponse, error) {
	name, err := plantmesh.ParseStreamName(req.GetStream())
	if err != nil {
		return nil, fmt.Errorf("%w: %w", plantmesh.ErrInvalidRequest, err)
	}
	all, err := s.log.Incarnations(name)
	if err != nil {
		return nil, err
	}
	at := storage.Position{Incarnation: all[len(all)-1].Incarnation, Offset: plantmesh.Offset(req.GetOffset())}
	if i := plantmesh.Incarnation(req.GetIncarnation()); i != 0 {
		at.Incarnation = i
	}
	if key := req.GetKey(); key != nil {
		if at, err = s.find(all, key); err != nil {
			return nil, err
		}
	}
	recorded, err := s.log.GetOf(name, at.Incarnation, at.Offset)
	if err != nil {
		return nil, err
	}
	return &eventv1.GetEventResponse{Stream: string(name), Incarnation: uint64(at.Incarnation), Event: recorded}, nil
}

// find looks for an event in all incarnations, the newest first.
func (s *events) find(all []plantmesh.Head, key *eventv1.EventKey) (at storage.Position, err error) {
	for _, head := range slices.Backward(all) {
		at.Incarnation = head.Incarnation
		at.Offset, err = s.log.LookupOf(head.Stream, head.Incarnation, key.GetSource(), key.GetId())
		if !errors.Is(err, plantmesh.ErrEventNotFound) {
			return at, err
		}
	}
	return at, err
}

// ListStreams lists what is held here; see the protocol.
func (s *events) ListStreams(context.Context, *eventv1.ListStreamsRequest) (*eventv1.ListStreamsResponse, error) {
	list := streamMessages(s.log.Streams())
	for _, one := range list {
		one.Class = s.classOf(plantmesh.StreamName(one.GetStream()))
	}
	return &eventv1.ListStreamsResponse{Streams: list}, nil
}

// fillDamage writes what is damaged into the streams that it is of.
func fillDamage(streams []*eventv1.StreamInfo, damages []storage.Damage) {
	for _, d := range damages {
		for _, s := range streams {
			if s.GetStream() == string(d.Stream) {
				s.Damaged = append(s.Damaged, &eventv1.DamagedRange{
					Incarnation: uint64(d.Incarnation), FirstOffset: uint64(d.First), LastOffset: uint64(d.Last), Lost: d.Lost, Cause: d.Cause,
				})
			}
		}
	}
}

func streamMessages(infos []storage.StreamInfo) []*eventv1.StreamInfo {
	list := make([]*eventv1.StreamInfo, len(infos))
	for i, info := range infos {
		list[i] = &eventv1.StreamInfo{
			Stream: string(info.Head.Stream), Origin: string(info.Head.Stream.Origin()), Incarnation: uint64(info.Head.Incarnation),
			HeadOffset: uint64(info.Head.Offset), StoredBytes: info.StoredBytes, Replica: info.Replica,
		}
		if info.Head.Offset > 0 {
			list[i].EarliestOffset, list[i].HeadTime = uint64(info.Earliest), timestamppb.New(info.Head.Time)
		}
	}
	return list
}
