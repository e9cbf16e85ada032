package plantmesh

import (
	"errors"
	"fmt"
	"strings"
)

// What can go wrong, for errors.Is on both sides of the wire: the node answers with the status that [Status] makes of
// them, the client turns that status back with [FromStatus].
var (
	// The request or event is at fault: repeating it does not help.
	ErrInvalidRequest   = errors.New("invalid request")
	ErrInvalidEvent     = errors.New("invalid event")
	ErrUnknownEventType = errors.New("unknown event type")
	ErrEventIDConflict  = errors.New("an event with this source and id, but other content, is recorded")
	ErrBatchTooLarge    = errors.New("batch too large")
	ErrNotOwner         = errors.New("this site may not publish the type")
	ErrInvalidCursor    = errors.New("invalid cursor")

	// What was asked for is not here.
	ErrUnknownStream      = errors.New("unknown stream")
	ErrEventNotFound      = errors.New("event not found")
	ErrOffsetBeyondHead   = errors.New("offset beyond the head of the stream")
	ErrOffsetTrimmed      = errors.New("offset trimmed")
	ErrNotBlockBoundary   = errors.New("offset is not the last of a block")
	ErrIncarnationChanged = errors.New("the stream has another incarnation")

	// The durable consumer cannot be opened, or not any more.
	ErrConsumerBusy     = errors.New("another call has the consumer open")
	ErrConsumerDeleted  = errors.New("the consumer was deleted")
	ErrTooManyConsumers = errors.New("too many consumers")

	// Two copies disagree, or a copy is damaged: somebody must look.
	ErrChainDiverged     = errors.New("chain diverged")
	ErrCorruptBlock      = errors.New("corrupt block")
	ErrInvalidCheckpoint = errors.New("invalid checkpoint")
	ErrStorageFailed     = errors.New("storage failed")

	// The caller may not.
	ErrUnauthenticated     = errors.New("no valid certificate")
	ErrNotASite            = errors.New("only sites may call this")
	ErrNotAnAdmin          = errors.New("only administrators may call this")
	ErrMeshMismatch        = errors.New("other mesh")
	ErrSiteMismatch        = errors.New("other site than the certificate says")
	ErrExportDenied        = errors.New("export policy withholds the stream")
	ErrProtocolUnsupported = errors.New("no common protocol version")
	ErrSelfLink            = errors.New("a site cannot be its own peer")
	ErrAlreadyLinked       = errors.New("the site is linked already")

	// Not now: the same call may succeed later.
	ErrDiskReserve    = errors.New("the disk is full but for its reserve")
	ErrTooManyPending = errors.New("too many requests pending")
	ErrCopiesMissing  = errors.New("recorded here, but not yet at as many sites as the stream asks for")
	ErrShuttingDown   = errors.New("shutting down")
)

// Violation is one rule that one field breaks.
type Violation struct {
	Index int    // of the event within its request; 0 for a single one
	Field string // path, such as `data.quantity.value`
	Rule  string // name of the rule, such as `string.pattern`
	Value string // what the field holds, shortened
	Text  string // what the rule wants
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s (rule %s, value %q)", v.Field, v.Text, v.Rule, v.Value)
}

// InvalidEventError lists what is wrong with an event. It is an ErrInvalidEvent.
type InvalidEventError struct {
	ID         string // of the first event at fault
	Violations []Violation
}

func (e *InvalidEventError) Error() string {
	texts := make([]string, len(e.Violations))
	for i, v := range e.Violations {
		texts[i] = v.String()
	}
	return fmt.Sprintf("%v %q: %s", ErrInvalidEvent, e.ID, strings.Join(texts, "; "))
}

func (e *InvalidEventError) Unwrap() error { return ErrInvalidEvent }

// ConflictError says which event holds the key already. It is an ErrEventIDConflict.
type ConflictError struct {
	Source, ID string
	Stream     StreamName
	Offset     Offset // where it is recorded; 0 if it stands earlier in the same request
	Index      int    // of the refused event within its request
}

func (e *ConflictError) Error() string {
	if e.Offset == 0 {
		return fmt.Sprintf("event %q of %s stands twice in the request, with different content: give a changed event an id of its own", e.ID, e.Source)
	}
	return fmt.Sprintf("event %q of %s: %v in %s at offset %d: give a changed event an id of its own", e.ID, e.Source, ErrEventIDConflict, e.Stream, e.Offset)
}

func (e *ConflictError) Unwrap() error { return ErrEventIDConflict }

// OffsetError says which offsets a stream has. It is an ErrOffsetTrimmed or ErrOffsetBeyondHead.
type OffsetError struct {
	Stream               StreamName
	Asked, Earliest, End Offset // End is the head
	Err                  error
}

func (e *OffsetError) Error() string {
	return fmt.Sprintf("%s@%d: %v: it holds %d to %d", e.Stream, e.Asked, e.Err, e.Earliest, e.End)
}

func (e *OffsetError) Unwrap() error { return e.Err }
