package consumers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Named is one consumer that clients open. It runs while calls have it open.
type Named struct {
	registry *Registry

	life sync.Mutex // one beginning or end of a call, or of the consumer, at a time
	stop func()     // ends the run and waits for it; nil at rest; guarded by life

	mu       sync.Mutex // guards what follows
	about    *adminv1.Consumer
	current  *consumer.Consumer // runs, or will run next
	problem  string             // why it cannot run
	calls    []*Call
	free     chan *Call // a call for each delivery that it has room for
	lastCall time.Time
	deleted  bool
}

func newNamed(r *Registry, about *adminv1.Consumer) (*Named, error) {
	n := &Named{registry: r, about: about}
	return n, n.prepare()
}

// prepare makes what runs next.
func (n *Named) prepare() error {
	n.mu.Lock()
	name, settings := n.about.GetName(), n.about.GetSettings()
	n.mu.Unlock()
	cfg := config(name, settings, n.registry.tracing)
	cfg.OnJump = n.jump
	cfg.Jumped = func(j consumer.Jump) { n.registry.jumped(name, j) }
	c, err := consumer.New(cfg, n.registry.log, n.registry.state.Owner(ownerPrefix+name), n, n.registry.logger)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.current = c
	return nil
}

// open adds a call. It returns neither a call nor an error if the consumer has just been deleted.
func (n *Named) open(address string, settings *eventv1.ConsumerSettings, room int) (*Call, error) {
	n.life.Lock()
	defer n.life.Unlock()
	r := n.registry
	n.mu.Lock()
	deleted, open, about := n.deleted, len(n.calls), n.about
	n.mu.Unlock()
	if deleted {
		return nil, nil
	}
	if r.running.Err() != nil {
		return nil, plantmesh.ErrShuttingDown
	}
	switch differs := differing(about.GetSettings(), settings); {
	case open >= MaxCalls:
		return nil, fmt.Errorf("%w: %d calls have %s open, as many as may", plantmesh.ErrTooManyConsumers, open, about.GetName())
	case differs != "" && open > 0:
		return nil, fmt.Errorf("%w: %d calls have %s open with another %s: use the same, or end them first", plantmesh.ErrConsumerBusy, open, about.GetName(), differs)
	case differs != "":
		changed := proto.CloneOf(about)
		changed.Settings = settings
		if err := r.keep(changed); err != nil {
			return nil, err
		}
		n.mu.Lock()
		n.about = changed
		n.mu.Unlock()
		if err := n.prepare(); err != nil {
			return nil, err
		}
	}
	call := newCall(n, address, room)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.stop == nil {
		n.run()
	}
	n.calls = append(n.calls, call)
	for range room {
		n.free <- call
	}
	return call, nil
}

// run starts the consumer. n.life and n.mu are held.
func (n *Named) run() {
	n.free = make(chan *Call, MaxCalls*maxRoom)
	ctx, cancel := context.WithCancel(n.registry.running)
	done := make(chan struct{})
	c := n.current
	go func() {
		defer close(done)
		if err := c.Run(ctx); err != nil {
			n.fail(err)
		}
	}()
	n.stop = func() { cancel(); <-done }
}

// fail ends the calls with an error of the consumer.
func (n *Named) fail(err error) {
	n.registry.logger.Error("a consumer ended", "consumer", n.name(), "error", err)
	n.mu.Lock()
	calls := slices.Clone(n.calls)
	n.problem = err.Error()
	n.mu.Unlock()
	for _, c := range calls {
		c.end(err)
	}
}

// close takes a call away, and lets the consumer rest with the last.
func (n *Named) close(call *Call) {
	n.life.Lock()
	defer n.life.Unlock()
	n.mu.Lock()
	n.calls = slices.DeleteFunc(n.calls, func(c *Call) bool { return c == call })
	n.lastCall = time.Now()
	for range len(n.free) { // its room goes with it
		select {
		case c := <-n.free:
			if c != call {
				n.free <- c
			}
		default:
		}
	}
	last := len(n.calls) == 0 && !n.deleted
	n.mu.Unlock()
	if last {
		n.pause()
	}
}

// pause ends the run and makes the next one ready. n.life is held.
func (n *Named) pause() {
	if n.stop == nil {
		return
	}
	n.stop()
	n.stop = nil
	if n.registry.running.Err() != nil {
		return
	}
	err := n.prepare()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.problem = ""; err != nil {
		n.problem = err.Error()
	}
}

// rest ends the run for good, when the node stops.
func (n *Named) rest() {
	n.life.Lock()
	defer n.life.Unlock()
	n.pause()
}

// remove ends all calls and removes what is kept.
func (n *Named) remove() error {
	n.life.Lock()
	defer n.life.Unlock()
	n.mu.Lock()
	n.deleted = true
	calls := slices.Clone(n.calls)
	n.mu.Unlock()
	for _, c := range calls {
		c.end(fmt.Errorf("%s: %w: open it again to begin anew", n.name(), plantmesh.ErrConsumerDeleted))
	}
	if n.stop != nil {
		n.stop()
		n.stop = nil
	}
	name := n.name()
	if err := n.registry.forget(name); err != nil {
		return err
	}
	n.registry.logger.Warn("consumer deleted", "consumer", name)
	return nil
}

func (n *Named) name() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.about.GetName()
}

// consumer is what runs, or will run next.
func (n *Named) consumer() *consumer.Consumer {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current
}
