package consumer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// askTimeout bounds how long somebody waits until a subject gets its turn.
const askTimeout = 10 * time.Second

// ask is what a person wants done with parked subjects.
type ask struct {
	key     subjectKey // without a stream: all
	discard *discarding
	tried   chan int // holds one: how many subjects are tried
}

// take marks the subjects that somebody wants tried and returns those that no attempt is queued for yet.
func (c *Consumer) take(a ask) []subjectKey {
	if a.discard != nil {
		return nil
	}
	tried := 0
	due := c.ledger.markRetrying(func(k subjectKey, p *parked) bool {
		if a.key.stream != "" && k != a.key {
			return false
		}
		tried++
		return !p.retrying
	})
	a.tried <- tried
	return due
}

// send hands an ask to the retrier.
func (c *Consumer) send(ctx context.Context, a ask) error {
	select {
	case c.asks <- a:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-c.ended:
		return plantmesh.ErrShuttingDown
	}
}

// RetryParked has a parked subject tried at once, or without a stream all of them. It returns how many that are. It may be
// called by several goroutines, before Run and while it goes on; before, it is tried when Run begins.
//
// Errors: plantmesh.ErrInvalidRequest if the subject is not parked.
func (c *Consumer) RetryParked(ctx context.Context, stream plantmesh.StreamName, subject string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	a := ask{key: subjectKey{stream: stream, subject: subject}, tried: make(chan int, 1)}
	if tried, idle, err := c.retryIdle(a.key); idle {
		return tried, err
	}
	if err := c.send(ctx, a); err != nil {
		return 0, err
	}
	tried := <-a.tried
	if tried == 0 && stream != "" {
		return 0, notParked(a.key)
	}
	return tried, nil
}

// DiscardParked gives up the event that holds a subject up, for a reason that is kept together with who did it. It may be
// called by several goroutines, before Run and while it goes on.
//
// Errors: plantmesh.ErrInvalidRequest if the event at the offset is not the one that holds the subject up.
func (c *Consumer) DiscardParked(ctx context.Context, req *adminv1.DiscardParkedRequest, by string) (*adminv1.DiscardedEvent, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	a := ask{key: subjectKey{stream: plantmesh.StreamName(req.GetStream()), subject: req.GetSubject()}}
	if c.ledger.recordOf(a.key) == nil {
		return nil, notParked(a.key)
	}
	a.discard = &discarding{
		offset: plantmesh.Offset(req.GetOffset()), reason: req.GetReason(), by: by, over: ctx.Done(), answer: make(chan discarded, 1),
	}
	if record, idle, err := c.discardIdle(ctx, a.key, a.discard); idle {
		return record, err
	}
	if err := c.send(ctx, a); err != nil {
		return nil, err
	}
	select {
	case answer := <-a.discard.answer:
		return answer.record, answer.err
	case <-ctx.Done():
		return nil, fmt.Errorf("%s of %s did not get its turn, an attempt goes on: list what is parked, and ask again: %w", a.key.subject, a.key.stream, ctx.Err())
	case <-c.ended:
		return nil, plantmesh.ErrShuttingDown
	}
}

// ParkedSubjects returns copies of what is kept of parked subjects, oldest first.
func (c *Consumer) ParkedSubjects() []*adminv1.ParkedSubject {
	c.ledger.mu.Lock()
	defer c.ledger.mu.Unlock()
	all := make([]*adminv1.ParkedSubject, 0, len(c.ledger.parked))
	for _, p := range c.ledger.parked {
		all = append(all, proto.CloneOf(p.record))
	}
	slices.SortFunc(all, func(a, b *adminv1.ParkedSubject) int {
		return cmp.Or(a.GetSince().AsTime().Compare(b.GetSince().AsTime()), cmp.Compare(a.GetStream(), b.GetStream()), cmp.Compare(a.GetOffset(), b.GetOffset()))
	})
	return all
}

// ParkedEvent returns a parked subject and the event that holds it up.
//
// Errors: plantmesh.ErrInvalidRequest if the subject is not parked; those of reading the log.
func (c *Consumer) ParkedEvent(stream plantmesh.StreamName, subject string) (*adminv1.ParkedSubject, *eventv1.RecordedEvent, error) {
	k := subjectKey{stream: stream, subject: subject}
	record := c.ledger.recordOf(k)
	if record == nil {
		return nil, nil, notParked(k)
	}
	event, err := c.log.GetOf(stream, plantmesh.Incarnation(record.GetIncarnation()), plantmesh.Offset(record.GetOffset()))
	return record, event, err
}

func notParked(k subjectKey) error {
	return fmt.Errorf("%w: %q of stream %q is not parked: list what is", plantmesh.ErrInvalidRequest, k.subject, k.stream)
}
