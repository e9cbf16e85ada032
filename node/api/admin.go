package api

import (
	"context"
	"os"
	"strconv"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/telemetry"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// admin is AdminService.
type admin struct {
	adminv1.UnimplementedAdminServiceServer
	cfg       Config
	parts     Parts
	verifying chan struct{} // holds a token while a Verify reads
}

func newAdmin(cfg Config, parts Parts) *admin {
	return &admin{cfg: cfg, parts: parts, verifying: make(chan struct{}, 1)}
}

// GetStatus answers with the state of the node; see the protocol.
func (a *admin) GetStatus(context.Context, *adminv1.GetStatusRequest) (*adminv1.GetStatusResponse, error) {
	return a.status(), nil
}

// status collects the state of the node's parts.
func (a *admin) status() *adminv1.GetStatusResponse {
	self := a.cfg.Self
	status := &adminv1.GetStatusResponse{
		Node: &adminv1.Node{
			Mesh: self.Mesh, Site: string(self.Site), Region: self.Region, Version: a.cfg.Version,
			StartTime: timestamppb.New(a.cfg.Started), PublishLatency: LatencyMessage(a.parts.Latency.Summary()), ResidentBytes: residentBytes(),
		},
		Streams: streamMessages(a.parts.Log.Streams()),
	}
	for _, s := range status.GetStreams() {
		s.Class = a.parts.ClassOf(plantmesh.StreamName(s.GetStream()))
		s.RetentionHold = a.parts.Retention.Hold(plantmesh.StreamName(s.GetStream()))
	}
	fillDamage(status.GetStreams(), a.parts.Log.Damages())
	for _, fill := range a.parts.Status {
		fill(status)
	}
	return status
}

// LatencyMessage writes a summary for the wire.
func LatencyMessage(s telemetry.Summary) *adminv1.Latency {
	return &adminv1.Latency{Count: s.Count, P50: durationpb.New(s.P50), P99: durationpb.New(s.P99), Max: durationpb.New(s.Max)}
}

// residentBytes is what Linux counts; 0 elsewhere.
func residentBytes() uint64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * uint64(os.Getpagesize())
}
