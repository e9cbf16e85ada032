package consumers

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/telemetry"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// What a node keeps and serves at most.
const (
	// MaxConsumers is how many consumers there may be. Each that is open costs its window: 8 MiB at most.
	MaxConsumers = 256
	// MaxCalls is how many calls may have one open.
	MaxCalls = 16
)

// Owners of the derived database.
const (
	ownerRegistry = "consumers" // name of a consumer -> adminv1.Consumer: what of it does not change by itself
	ownerPrefix   = "consumer/" // and the name: what the consumer keeps
)

// Registry is all consumers of clients. Its methods may be called by any number of goroutines.
type Registry struct {
	log     *storage.Log
	state   *storage.State
	owner   *storage.Owner
	tracing *telemetry.Tracing
	logger  *slog.Logger
	jumped  func(name string, j consumer.Jump) // set before Run

	running context.Context //nolint:containedctx // of Run; set before started is closed
	started chan struct{}

	mu    sync.Mutex
	named map[string]*Named
}

// New reads which consumers there are. They serve calls once Run goes on.
func New(log *storage.Log, state *storage.State, tracing *telemetry.Tracing, logger *slog.Logger) (*Registry, error) {
	r := &Registry{
		log: log, state: state, owner: state.Owner(ownerRegistry), tracing: tracing, logger: logger,
		jumped:  func(string, consumer.Jump) {},
		started: make(chan struct{}), named: map[string]*Named{},
	}
	var kept []*adminv1.Consumer
	err := r.owner.View(func(tx *storage.Tx) error {
		return tx.Scan(nil, func(key, value []byte) error {
			c := &adminv1.Consumer{}
			kept = append(kept, c)
			if err := proto.Unmarshal(value, c); err != nil {
				return fmt.Errorf("consumer %q: damaged record in the derived database: remove its folder, it is rebuilt from the log: %w", key, err)
			}
			return nil
		})
	})
	for _, c := range kept {
		if err == nil {
			r.named[c.GetName()], err = newNamed(r, c)
		}
	}
	return r, err
}

// OnJump has somebody told of each jump that a consumer has noted. It is called before Run; jumped must not block.
func (r *Registry) OnJump(jumped func(name string, j consumer.Jump)) { r.jumped = jumped }

// Run lets calls open consumers until ctx ends, and returns when all rest. It runs once.
func (r *Registry) Run(ctx context.Context) error {
	r.running = ctx
	close(r.started)
	<-ctx.Done()
	for _, n := range r.all() {
		n.rest()
	}
	return nil
}

// Open opens a consumer for a call of somebody at an address, and makes it if there is none. The call has to be closed.
//
// Errors: plantmesh.ErrInvalidRequest, plantmesh.ErrConsumerBusy, plantmesh.ErrTooManyConsumers, plantmesh.ErrShuttingDown, those of the databases.
func (r *Registry) Open(ctx context.Context, caller plantmesh.Identity, address string, req *eventv1.OpenConsumer) (*Call, error) {
	settings, err := withDefaults(req.GetSettings())
	if err != nil {
		return nil, err
	}
	room := int(req.GetMaxInFlight())
	if room == 0 {
		room = DefaultMaxInFlight
	}
	select {
	case <-r.started:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for {
		n, err := r.get(fullName(caller, req.GetName()), caller, settings)
		if err != nil {
			return nil, err
		}
		if call, err := n.open(address, settings, room); err != nil || call != nil {
			return call, err
		}
	}
}

// fullName sets the consumers of different callers apart.
func fullName(caller plantmesh.Identity, name string) string {
	if caller.IsSite() {
		return "site/" + string(caller.Site) + "/" + name
	}
	return caller.Client + "/" + name
}

// get finds a consumer, or makes it.
func (r *Registry) get(name string, caller plantmesh.Identity, settings *eventv1.ConsumerSettings) (*Named, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n, ok := r.named[name]; ok {
		return n, nil
	}
	if len(r.named) >= MaxConsumers {
		return nil, fmt.Errorf("%w: the node keeps %d, and %s would be one more: delete what nobody needs, see `plantmesh consumers list`",
			plantmesh.ErrTooManyConsumers, MaxConsumers, name)
	}
	about := &adminv1.Consumer{Name: name, Owner: caller.String(), CreateTime: timestamppb.New(time.Now()), Settings: settings}
	if err := r.begin(name, settings); err != nil {
		return nil, err
	}
	if err := r.keep(about); err != nil {
		return nil, err
	}
	n, err := newNamed(r, about)
	if err != nil {
		return nil, err
	}
	r.named[name] = n
	r.logger.Info("consumer made", "consumer", name, "streams", strings.Join(settings.GetStreams(), " "))
	return n, nil
}

// begin sets where a new consumer starts in the streams that are there.
func (r *Registry) begin(name string, settings *eventv1.ConsumerSettings) error {
	owner := r.state.Owner(ownerPrefix + name)
	if err := owner.Clear(); err != nil {
		return err
	}
	latest := settings.GetPosition() == eventv1.Position_POSITION_LATEST
	if !latest && settings.GetFromTime() == nil {
		return nil
	}
	return owner.Update(func(tx *storage.Tx) error {
		for _, head := range r.log.Heads() {
			if !matches(settings, head.Stream) {
				continue
			}
			at := storage.Position{Incarnation: head.Incarnation, Offset: head.Offset}
			if !latest {
				var err error
				if at, err = r.log.PositionBefore(head.Stream, settings.GetFromTime().AsTime()); err != nil {
					return err
				}
			}
			if err := tx.SetPosition(head.Stream, at); err != nil {
				return err
			}
		}
		return nil
	})
}

// keep writes what of a consumer does not change by itself.
func (r *Registry) keep(about *adminv1.Consumer) error {
	b, err := proto.Marshal(about)
	if err != nil {
		return err
	}
	return r.owner.Update(func(tx *storage.Tx) error { return tx.Put([]byte(about.GetName()), b) })
}

// Delete removes a consumer with all that is kept of it, and ends the calls that have it open.
//
// Errors: plantmesh.ErrInvalidRequest if there is none such, those of the database.
func (r *Registry) Delete(name string) error {
	r.mu.Lock()
	n, ok := r.named[name]
	delete(r.named, name)
	r.mu.Unlock()
	if !ok {
		return fmt.Errorf("%w: no client made a consumer %q: `plantmesh consumers list` shows them", plantmesh.ErrInvalidRequest, name)
	}
	return n.remove()
}

// Get finds a consumer by its full name.
func (r *Registry) Get(name string) (*Named, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, ok := r.named[name]
	return n, ok
}

// List describes all, by name.
func (r *Registry) List() []*adminv1.Consumer {
	var list []*adminv1.Consumer
	for _, n := range r.all() {
		list = append(list, n.describe())
	}
	return list
}

// all are the consumers by name.
func (r *Registry) all() []*Named {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*Named
	for _, name := range slices.Sorted(maps.Keys(r.named)) {
		list = append(list, r.named[name])
	}
	return list
}
