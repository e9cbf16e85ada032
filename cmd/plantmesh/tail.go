package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

func newTail() *cobra.Command {
	var c connection
	var t tailing
	var start, cursor string
	cmd := &cobra.Command{
		Use:   "tail [STREAM…]",
		Short: "Print events of streams as they come",
		Long: `Print the events of one or several streams that a node holds, or of all of them, and go on with new ones; without names, also
with streams that are new, from their beginning. A lost connection is made again; nothing is printed twice or left out.`,
		Example: `  plantmesh tail plant-a/production
  plantmesh tail plant-a/production --from earliest --until-head --json
  plantmesh tail --from 2026-05-04T06:00:00Z --subject 'order/WO-10*'`,
		RunE: func(cmd *cobra.Command, args []string) error {
			stderr := &lockedWriter{w: cmd.ErrOrStderr()}
			client, err := c.dial(stderr)
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			t.client, t.out, t.stderr, t.explain = client, cmd.OutOrStdout(), stderr, c.explain
			if err := t.begin(start, cursor, len(args)); err != nil {
				return err
			}
			return t.streams(cmd.Context(), args)
		},
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&start, "from", "latest", "where to start: earliest, latest, an offset (the first printed is the one after it), or a time (RFC 3339)")
	f.StringVar(&cursor, "cursor", "", "go on right after the event that was printed with this cursor; for one stream")
	f.StringArrayVar(&t.from.Types, "type", nil, "only events of this type; repeatable")
	f.StringArrayVar(&t.from.Subjects, "subject", nil, "only events of this subject, or with * at the end for a prefix; repeatable")
	f.BoolVar(&t.from.UntilHead, "until-head", false, "end at the last event there is now")
	f.BoolVar(&t.asJSON, "json", false, "print one CloudEvent in JSON a line, with its cursor")
	return cmd
}

// tailing prints subscriptions.
type tailing struct {
	client  *plantmesh.Client
	from    plantmesh.From
	asJSON  bool
	explain func(error) error
	stderr  io.Writer // for people

	mu  sync.Mutex // one event at a time
	out io.Writer
}

// begin reads where to start.
func (t *tailing) begin(start, cursor string, streams int) error {
	offset, notOffset := strconv.ParseUint(start, 10, 64)
	at, notTime := time.Parse(time.RFC3339Nano, start)
	switch {
	case cursor != "":
		decoded, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || streams != 1 {
			return &usageError{err: errors.New("--cursor: give one stream and the cursor as it was printed"), help: "plantmesh tail"}
		}
		t.from.Cursor = decoded
	case start == "earliest":
		t.from.Position = eventv1.Position_POSITION_EARLIEST
	case start == "latest":
		t.from.Position = eventv1.Position_POSITION_LATEST
	case notOffset == nil && streams != 1:
		return &usageError{err: fmt.Errorf("--from %d: an offset is of one stream: name it", offset), help: "plantmesh tail"}
	case notOffset == nil:
		t.from.After = plantmesh.Offset(offset)
	case notTime == nil:
		t.from.Time = at
	default:
		return &usageError{err: fmt.Errorf("--from %q: give earliest, latest, an offset, or a time such as 2026-05-04T10:00:00Z", start), help: "plantmesh tail"}
	}
	return nil
}

// streams prints the named streams side by side, or all that the node holds.
func (t *tailing) streams(ctx context.Context, names []string) error {
	held, err := t.held(ctx) // also tells at once when nobody answers
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	if len(names) > 0 {
		for _, name := range names {
			stream, err := plantmesh.ParseStreamName(name)
			if err != nil {
				return &usageError{err: err, help: "plantmesh tail"}
			}
			t.follow(ctx, group, stream, t.from)
		}
		return group.Wait()
	}
	for _, stream := range held {
		t.follow(ctx, group, stream, t.from)
	}
	if !t.from.UntilHead {
		if len(held) == 0 {
			fmt.Fprintln(t.stderr, "plantmesh: the node holds no stream yet; waiting for the first")
		}
		group.Go(func() error { return t.appearing(ctx, group, held) })
	}
	return group.Wait()
}

// jump says where events are missing.
func (t *tailing) jump(j plantmesh.Jump) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := fmt.Sprintf("offsets %d to %d are missing: %v", j.After+1, j.ToAfter, j.Reason)
	if j.Incarnation != j.To {
		text = fmt.Sprintf("history was begun anew behind offset %d: its origin lost incarnation %d, and %d follows", j.After, j.Incarnation, j.To)
	}
	_, err := fmt.Fprintf(t.stderr, "plantmesh: %s: %s\n", j.Stream, text)
	return err
}

// newStreamsEvery is how often a node is asked for streams that it did not hold before.
const newStreamsEvery = time.Second

// appearing follows the streams that the node comes to hold later, from their beginning.
func (t *tailing) appearing(ctx context.Context, group *errgroup.Group, held []plantmesh.StreamName) error {
	tick := time.NewTicker(newStreamsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		now, err := t.held(ctx)
		if err != nil {
			continue // the subscriptions tell, and wait for the node
		}
		for _, stream := range now {
			if !slices.Contains(held, stream) {
				held = append(held, stream)
				t.follow(ctx, group, stream, plantmesh.From{Types: t.from.Types, Subjects: t.from.Subjects})
			}
		}
	}
}

// held are the streams that the node holds.
func (t *tailing) held(ctx context.Context) ([]plantmesh.StreamName, error) {
	list, err := t.client.Events().ListStreams(ctx, &eventv1.ListStreamsRequest{})
	if err != nil {
		return nil, t.explain(err)
	}
	names := make([]plantmesh.StreamName, 0, len(list.GetStreams()))
	for _, s := range list.GetStreams() {
		names = append(names, plantmesh.StreamName(s.GetStream()))
	}
	return names, nil
}

// follow prints a stream in the group.
func (t *tailing) follow(ctx context.Context, group *errgroup.Group, stream plantmesh.StreamName, from plantmesh.From) {
	from.Stream, from.OnJump = stream, t.jump
	group.Go(func() error {
		for d, err := range t.client.Subscribe(ctx, from) {
			if err != nil {
				return t.explain(err)
			}
			if err := t.print(d); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tailing) print(d *plantmesh.Delivery) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.asJSON {
		event, err := encodeCloudEvent(d.Stream, d.Event)
		if err != nil {
			return err
		}
		event["cursor"] = base64.RawURLEncoding.EncodeToString(d.Cursor())
		return json.NewEncoder(t.out).Encode(event)
	}
	e := d.Event.GetEvent()
	text := fmt.Sprintf("(%d bytes)", len(e.GetData()))
	if payload, err := plantmesh.Payload(e); err == nil {
		text = protojson.MarshalOptions{UseProtoNames: true}.Format(payload)
	}
	_, err := fmt.Fprintf(t.out, "%s  %s@%d  %s  %s  %s\n", d.Event.GetRecordedTime().AsTime().Local().Format("15:04:05.000"), d.Stream,
		d.Event.GetOffset(), shortType(e.GetType()), e.GetSubject(), text)
	return err
}

// shortType is a type without its package.
func shortType(name string) string {
	for i := len(name) - 1; i >= 0; i-- {
		if name[i] == '.' {
			return name[i+1:]
		}
	}
	return name
}
