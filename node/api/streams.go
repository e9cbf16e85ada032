package api

import (
	"context"
	"fmt"

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
	offset := plantmesh.Offset(req.GetOffset())
	if key := req.GetKey(); key != nil {
		if offset, err = s.log.Lookup(name, key.GetSource(), key.GetId()); err != nil {
			return nil, err
		}
	}
	head, err := s.log.Head(name)
	if err != nil {
		return nil, err
	}
	recorded, err := s.log.Get(name, offset)
	if err != nil {
		return nil, err
	}
	return &eventv1.GetEventResponse{Stream: string(name), Incarnation: uint64(head.Incarnation), Event: recorded}, nil
}

// ListStreams lists what is held here; see the protocol.
func (s *events) ListStreams(context.Context, *eventv1.ListStreamsRequest) (*eventv1.ListStreamsResponse, error) {
	return &eventv1.ListStreamsResponse{Streams: streamMessages(s.log.Streams())}, nil
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
