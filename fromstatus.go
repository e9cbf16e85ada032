package plantmesh

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// statusError is an error that came over the wire: the server's words, the sentinel it stands for, and its status.
type statusError struct {
	status *status.Status
	cause  error // a sentinel, or the typed error that stands for one
}

func (e *statusError) Error() string              { return e.status.Message() }
func (e *statusError) Unwrap() error              { return e.cause }
func (e *statusError) GRPCStatus() *status.Status { return e.status }

// FromStatus turns an error of a gRPC call into one for which errors.Is finds the sentinel the other side meant, and
// errors.As what it said beside: *InvalidEventError, *ConflictError, *OffsetError. Errors without one of our reasons are
// returned as they are.
func FromStatus(err error) error {
	s, ok := status.FromError(err)
	if !ok || s.Code() == codes.OK {
		return err
	}
	for _, detail := range s.Details() {
		info, ok := detail.(*errdetails.ErrorInfo)
		if !ok || info.GetDomain() != errorDomain {
			continue
		}
		for _, w := range wires {
			if w.reason == info.GetReason() {
				return &statusError{status: s, cause: restore(w.err, info, s.Details())}
			}
		}
	}
	return err
}

// restore makes of a status' details what wire.status made them of; the sentinel itself where they hold nothing more.
func restore(sentinel error, info *errdetails.ErrorInfo, details []any) error {
	m := info.GetMetadata()
	switch {
	case errors.Is(sentinel, ErrInvalidEvent):
		return &InvalidEventError{ID: m["id"], Violations: violationsOf(details)}
	case errors.Is(sentinel, ErrEventIDConflict):
		index, _ := strconv.Atoi(m["index"])
		return &ConflictError{Source: m["source"], ID: m["id"], Stream: StreamName(m["stream"]), Offset: parseOffset(m["offset"]), Index: index}
	case errors.Is(sentinel, ErrOffsetTrimmed), errors.Is(sentinel, ErrOffsetBeyondHead):
		return &OffsetError{
			Stream: StreamName(m["stream"]), Asked: parseOffset(m["asked_offset"]), Earliest: parseOffset(m["earliest_offset"]),
			End: parseOffset(m["head_offset"]), Err: sentinel,
		}
	}
	return sentinel
}

// parseOffset is 0 for what is no offset: details add to an error, they must not make another of it.
func parseOffset(s string) Offset {
	o, _ := strconv.ParseUint(s, 10, 64)
	return Offset(o)
}

func violationsOf(details []any) []Violation {
	var list []Violation
	for _, detail := range details {
		bad, ok := detail.(*errdetails.BadRequest)
		if !ok {
			continue
		}
		for _, f := range bad.GetFieldViolations() {
			list = append(list, violationOf(f))
		}
	}
	return list
}

// violationOf takes `events[3].data.item_id` and `text (value "x")` apart.
func violationOf(f *errdetails.BadRequest_FieldViolation) Violation {
	v := Violation{Field: f.GetField(), Rule: f.GetReason(), Text: f.GetDescription()}
	if _, err := fmt.Sscanf(v.Field, "events[%d]", &v.Index); err == nil {
		_, v.Field, _ = strings.Cut(v.Field, "].")
	}
	if text, quoted, ok := strings.Cut(strings.TrimSuffix(v.Text, ")"), " (value "); ok {
		if value, err := strconv.Unquote(quoted); err == nil {
			v.Text, v.Value = text, value
		}
	}
	return v
}
