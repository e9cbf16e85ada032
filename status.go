package plantmesh

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/durationpb"
)

// errorDomain is the domain of every google.rpc.ErrorInfo.
const errorDomain = "plantmesh"

// retryAfter is the delay that RetryInfo asks for where a retry can help.
const retryAfter = 500 * time.Millisecond

// wire is how one sentinel crosses the wire.
type wire struct {
	err    error
	code   codes.Code
	reason string
	retry  bool // the same call may succeed later
}

// wires is the only place where errors and gRPC codes meet. A test walks it.
var wires = []wire{
	{ErrInvalidRequest, codes.InvalidArgument, "INVALID_REQUEST", false},
	{ErrInvalidEvent, codes.InvalidArgument, "INVALID_EVENT", false},
	{ErrUnknownEventType, codes.InvalidArgument, "UNKNOWN_EVENT_TYPE", false},
	{ErrEventIDConflict, codes.AlreadyExists, "EVENT_ID_CONFLICT", false},
	{ErrBatchTooLarge, codes.ResourceExhausted, "BATCH_TOO_LARGE", false}, // as gRPC itself answers when a message is too large
	{ErrNotOwner, codes.PermissionDenied, "NOT_OWNER", false},
	{ErrInvalidCursor, codes.InvalidArgument, "INVALID_CURSOR", false},
	{ErrUnknownStream, codes.NotFound, "UNKNOWN_STREAM", false},
	{ErrEventNotFound, codes.NotFound, "EVENT_NOT_FOUND", false},
	{ErrOffsetBeyondHead, codes.OutOfRange, "OFFSET_BEYOND_HEAD", false},
	{ErrOffsetTrimmed, codes.OutOfRange, "OFFSET_TRIMMED", false},
	{ErrNotBlockBoundary, codes.InvalidArgument, "NOT_A_BLOCK_BOUNDARY", false},
	{ErrIncarnationChanged, codes.FailedPrecondition, "INCARNATION_CHANGED", false},
	{ErrConsumerBusy, codes.FailedPrecondition, "CONSUMER_BUSY", false},
	{ErrConsumerDeleted, codes.NotFound, "CONSUMER_DELETED", false},
	{ErrTooManyConsumers, codes.ResourceExhausted, "TOO_MANY_CONSUMERS", false},
	{ErrChainDiverged, codes.FailedPrecondition, "CHAIN_DIVERGED", false},
	{ErrCorruptBlock, codes.DataLoss, "CORRUPT_BLOCK", false},
	{ErrInvalidCheckpoint, codes.DataLoss, "INVALID_CHECKPOINT", false},
	{ErrStorageFailed, codes.Internal, "STORAGE_FAILED", false},
	{ErrUnauthenticated, codes.Unauthenticated, "UNAUTHENTICATED", false},
	{ErrNotASite, codes.PermissionDenied, "NOT_A_SITE", false},
	{ErrNotAnAdmin, codes.PermissionDenied, "NOT_AN_ADMIN", false},
	{ErrMeshMismatch, codes.PermissionDenied, "MESH_MISMATCH", false},
	{ErrSiteMismatch, codes.PermissionDenied, "SITE_MISMATCH", false},
	{ErrExportDenied, codes.PermissionDenied, "EXPORT_DENIED", false},
	{ErrProtocolUnsupported, codes.FailedPrecondition, "PROTOCOL_UNSUPPORTED", false},
	{ErrSelfLink, codes.FailedPrecondition, "SELF_LINK", false},
	{ErrCopiesMissing, codes.DeadlineExceeded, "COPIES_MISSING", true},
	{ErrAlreadyLinked, codes.FailedPrecondition, "ALREADY_LINKED", false},
	{ErrDiskReserve, codes.ResourceExhausted, "DISK_FULL", true},
	{ErrTooManyPending, codes.ResourceExhausted, "TOO_MANY_PENDING", true},
	{ErrShuttingDown, codes.Unavailable, "SHUTTING_DOWN", true},
}

// Status is the gRPC status for an error: code, message, ErrorInfo, and what the error's type adds. A context's end maps
// to CANCELLED or DEADLINE_EXCEEDED; anything unknown to INTERNAL. nil maps to nil.
func Status(err error) *status.Status {
	if err == nil {
		return nil
	}
	for _, w := range wires {
		if errors.Is(err, w.err) {
			return w.status(err)
		}
	}
	switch {
	case errors.Is(err, context.Canceled):
		return status.New(codes.Canceled, err.Error())
	case errors.Is(err, context.DeadlineExceeded):
		return status.New(codes.DeadlineExceeded, err.Error())
	}
	if s, ok := status.FromError(err); ok {
		return s
	}
	return status.New(codes.Internal, err.Error())
}

func (w wire) status(err error) *status.Status {
	info := &errdetails.ErrorInfo{Reason: w.reason, Domain: errorDomain, Metadata: map[string]string{}}
	details := []protoadapt.MessageV1{info}
	var invalid *InvalidEventError
	var conflict *ConflictError
	var offset *OffsetError
	switch {
	case errors.As(err, &invalid):
		bad := &errdetails.BadRequest{}
		for _, v := range invalid.Violations {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: fmt.Sprintf("events[%d].%s", v.Index, v.Field), Description: fmt.Sprintf("%s (value %q)", v.Text, v.Value), Reason: v.Rule,
			})
		}
		info.Metadata["id"] = invalid.ID
		details = append(details, bad)
	case errors.As(err, &conflict):
		info.Metadata = map[string]string{
			"source": conflict.Source, "id": conflict.ID, "stream": string(conflict.Stream),
			"offset": formatOffset(conflict.Offset), "index": strconv.Itoa(conflict.Index),
		}
	case errors.As(err, &offset):
		info.Metadata = map[string]string{
			"stream": string(offset.Stream), "asked_offset": formatOffset(offset.Asked),
			"earliest_offset": formatOffset(offset.Earliest), "head_offset": formatOffset(offset.End),
		}
	}
	if w.retry {
		details = append(details, &errdetails.RetryInfo{RetryDelay: durationpb.New(retryAfter)})
	}
	s := status.New(w.code, err.Error())
	if with, err := s.WithDetails(details...); err == nil {
		return with
	}
	return s
}

func formatOffset(o Offset) string { return strconv.FormatUint(uint64(o), 10) }

// IsRetryable tells errors that the same call, made again later, may not meet: those the other side marked so, and lost
// connections.
func IsRetryable(err error) bool {
	for _, w := range wires {
		if errors.Is(err, w.err) {
			return w.retry
		}
	}
	return status.Code(err) == codes.Unavailable
}
