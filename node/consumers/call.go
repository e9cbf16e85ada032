package consumers

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh/node/consumer"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// maxRoom is how many deliveries of a call may be open; the protocol says so.
const maxRoom = 1000

// maxReason bounds what is kept of a refusal, in bytes.
const maxReason = 1000

// Call is one call of Consume: it takes deliveries and answers them.
type Call struct {
	named    *Named
	address  string
	since    time.Time
	room     int
	deadline time.Duration
	out      chan *eventv1.ConsumerDelivery

	done chan struct{} // closed when the node ends the call

	mu     sync.Mutex // guards what follows
	reason error      // why done is closed
	closed bool       // no further delivery
	last   uint64     // id of a delivery
	open   map[uint64]*delivery
}

// delivery is one that waits for its answer.
type delivery struct {
	answer chan error  // holds one
	timer  *time.Timer // from when it was sent
}

// How a delivery ends that is not answered.
var (
	errReturned = errors.New("given back unanswered")
	errLost     = errors.New("the connection was lost before it was answered")
)

func newCall(n *Named, address string, room int) *Call {
	return &Call{
		named: n, address: address, since: time.Now(), room: room, deadline: n.about.GetSettings().GetAckDeadline().AsDuration(),
		out: make(chan *eventv1.ConsumerDelivery, room), done: make(chan struct{}), open: map[uint64]*delivery{},
	}
}

// Opened is what the caller is told first.
func (c *Call) Opened() *eventv1.ConsumerOpened {
	c.named.mu.Lock()
	defer c.named.mu.Unlock()
	return &eventv1.ConsumerOpened{
		Consumer: c.named.about.GetName(), Settings: proto.CloneOf(c.named.about.GetSettings()), MaxInFlight: uint32(c.room),
	}
}

// Deliveries are what has to be sent to the caller. Each is passed to Sending first.
func (c *Call) Deliveries() <-chan *eventv1.ConsumerDelivery { return c.out }

// Ended is closed when the node ends the call; Reason then says why.
func (c *Call) Ended() <-chan struct{} { return c.done }

// Reason is why the node ended the call.
func (c *Call) Reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reason
}

// Sending is called right before a delivery is sent: its deadline begins.
func (c *Call) Sending(d *eventv1.ConsumerDelivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.open[d.GetId()]; p != nil {
		p.timer = time.AfterFunc(c.deadline, func() {
			c.settle(d.GetId(), fmt.Errorf("it was not answered within %s", c.deadline))
		})
	}
}

// Answer takes an answer. One to a delivery that is not open any more counts for nothing.
func (c *Call) Answer(a *eventv1.Answer) {
	switch outcome := a.GetOutcome().(type) {
	case *eventv1.Answer_Acknowledged:
		c.settle(a.GetDeliveryId(), nil)
	case *eventv1.Answer_Refused:
		c.settle(a.GetDeliveryId(), refusal(outcome.Refused))
	case *eventv1.Answer_Extended:
		c.mu.Lock()
		defer c.mu.Unlock()
		if p := c.open[a.GetDeliveryId()]; p != nil && p.timer != nil {
			p.timer.Reset(c.deadline)
		}
	}
}

// refusal is the error that a caller's refusal makes.
func refusal(r *eventv1.Refusal) error {
	reason := r.GetReason()
	if reason == "" {
		reason = "refused without a reason"
	}
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	err := errors.New(reason)
	if r.GetPark() {
		return consumer.Park(err)
	}
	return err
}

// settle ends a delivery, if it is open.
func (c *Call) settle(id uint64, err error) {
	c.mu.Lock()
	p := c.open[id]
	delete(c.open, id)
	c.mu.Unlock()
	if p == nil {
		return
	}
	if p.timer != nil {
		p.timer.Stop()
	}
	p.answer <- err
}

// hand delivers and waits for the answer, for whose room the caller has this call. It gives the room back.
func (c *Call) hand(ctx context.Context, d *eventv1.ConsumerDelivery, begun func()) error {
	p := &delivery{answer: make(chan error, 1)}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return errReturned
	}
	c.last++
	d.Id = c.last
	c.open[d.Id] = p
	c.mu.Unlock()
	defer c.leave(d.Id)
	select {
	case c.out <- d:
		begun()
	case err := <-p.answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-p.answer:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-p.answer: // that came before the end counts
		return err
	default:
		return ctx.Err()
	}
}

// leave gives the room of a delivery back.
func (c *Call) leave(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if p := c.open[id]; p != nil {
		delete(c.open, id)
		if p.timer != nil {
			p.timer.Stop()
		}
	}
	if !c.closed {
		c.named.free <- c // it has room for all there can be
	}
}

// end has the caller's side end the call.
func (c *Call) end(reason error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reason == nil {
		c.reason = reason
		close(c.done)
	}
}

// Close ends the call: in order, or because the connection is lost. What is open then goes to another call; if it is lost, that counts
// as an attempt.
func (c *Call) Close(inOrder bool) {
	outcome := errLost
	if inOrder {
		outcome = errReturned
	}
	c.mu.Lock()
	already := c.closed
	c.closed = true
	var ids []uint64
	for id, p := range c.open {
		if p.timer == nil {
			p.answer <- errReturned // it was never sent
			delete(c.open, id)
			continue
		}
		ids = append(ids, id)
	}
	c.mu.Unlock()
	for _, id := range ids {
		c.settle(id, outcome)
	}
	if !already {
		c.named.close(c)
	}
}

// inFlight is how many deliveries are open.
func (c *Call) inFlight() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.open)
}
