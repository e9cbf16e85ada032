package node_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
	"github.com/plantmesh/plantmesh/node"
	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// answer is what a refusal has to say.
type answer struct {
	code   codes.Code
	reason string
	text   []string // all of them
	fields []string // of BadRequest, in order
}

func (want answer) check(t *testing.T, err error) {
	t.Helper()
	s := status.Convert(err)
	var reason string
	var fields []string
	for _, detail := range s.Details() {
		switch d := detail.(type) {
		case *errdetails.ErrorInfo:
			reason = d.GetReason()
		case *errdetails.BadRequest:
			for _, v := range d.GetFieldViolations() {
				fields = append(fields, v.GetField())
			}
		}
	}
	if s.Code() != want.code || reason != want.reason || !slices.Equal(fields, want.fields) {
		t.Errorf("got %s %s %q: %s\nwant %s %s %q", s.Code(), reason, fields, s.Message(), want.code, want.reason, want.fields)
	}
	for _, text := range want.text {
		if !strings.Contains(s.Message(), text) {
			t.Errorf("the message lacks %q: %s", text, s.Message())
		}
	}
}

// edited is an event with something changed.
func edited(t *testing.T, id string, edit func(*eventv1.Event)) *eventv1.Event {
	e := event(t, id, "WO-1")
	edit(e)
	return e
}

func TestRefusedPublishNamesTheFaultAndRecordsNothing(t *testing.T) {
	c := newCluster(t)
	plant := c.start(c.config("plant-a"))
	events := plant.events()
	if _, err := events.Publish(t.Context(), &eventv1.PublishRequest{Events: []*eventv1.Event{event(t, "first", "WO-1")}}); err != nil {
		t.Fatal(err)
	}
	good := event(t, "good", "WO-2")
	large := make([]*eventv1.Event, 5)
	for i := range large {
		large[i] = edited(t, fmt.Sprint("large", i), func(e *eventv1.Event) { e.Data = make([]byte, 900_000) })
	}
	for name, test := range map[string]struct {
		events []*eventv1.Event
		want   answer
	}{
		"no event": {nil, answer{codes.InvalidArgument, "INVALID_REQUEST", []string{"holds no event"}, nil}},
		"no id": {
			[]*eventv1.Event{good, edited(t, "x", func(e *eventv1.Event) { e.Id = "" })},
			answer{codes.InvalidArgument, "INVALID_EVENT", []string{"id: value is required"}, []string{"events[1].id"}},
		},
		"several faults in several events": {
			[]*eventv1.Event{
				edited(t, "x", func(e *eventv1.Event) { e.Source, e.Time = "", nil }), good,
				edited(t, "y", func(e *eventv1.Event) { e.Subject = "order/other" }), edited(t, "z", func(e *eventv1.Event) { e.Type = "no.Such" }),
			},
			answer{codes.InvalidArgument, "INVALID_EVENT", []string{`"x"`}, []string{"events[0].source", "events[0].time", "events[2].subject", "events[3].type"}},
		},
		"unknown type": {
			[]*eventv1.Event{good, edited(t, "x", func(e *eventv1.Event) { e.Type = "no.Such" })},
			answer{codes.InvalidArgument, "UNKNOWN_EVENT_TYPE", []string{`"no.Such"`, "events[1]", "--list-types"}, []string{"events[1].type"}},
		},
		"payload of another type": {
			[]*eventv1.Event{edited(t, "x", func(e *eventv1.Event) { e.Data = []byte{0xff} })},
			answer{codes.InvalidArgument, "INVALID_EVENT", []string{"is not a serialized"}, []string{"events[0].data"}},
		},
		"payload that breaks a rule": {
			[]*eventv1.Event{edited(t, "x", func(e *eventv1.Event) { e.Data = nil })},
			answer{codes.InvalidArgument, "INVALID_EVENT", nil, []string{"events[0].data.order_id", "events[0].data.item_id", "events[0].data.quantity"}},
		},
		"changed content under a used id": {
			[]*eventv1.Event{good, event(t, "first", "WO-9")},
			answer{codes.AlreadyExists, "EVENT_ID_CONFLICT", []string{"plant-a/production at offset 1", "an id of its own"}, nil},
		},
		"too many events": {
			slices.Repeat([]*eventv1.Event{good}, 1001),
			answer{codes.ResourceExhausted, "BATCH_TOO_LARGE", []string{"1001 events", "limit is 1000", "split"}, nil},
		},
		"too many bytes": {
			large, answer{codes.ResourceExhausted, "BATCH_TOO_LARGE", []string{"bytes, the limit is 4194304", "split"}, nil},
		},
		"far too many bytes": {
			slices.Repeat(large, 4), answer{codes.ResourceExhausted, "", []string{"received message larger than max"}, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := events.Publish(t.Context(), &eventv1.PublishRequest{Events: test.events})
			test.want.check(t, err)
		})
	}
	list, err := events.ListStreams(t.Context(), &eventv1.ListStreamsRequest{})
	if err != nil || len(list.GetStreams()) != 1 || list.GetStreams()[0].GetHeadOffset() != 1 {
		t.Errorf("something was recorded: %v, %v", list, err)
	}
}

func TestRefusedReadNamesTheFault(t *testing.T) {
	c := newCluster(t)
	plant := c.start(c.config("plant-a"))
	events := plant.events()
	if _, err := events.Publish(t.Context(), &eventv1.PublishRequest{Events: batch(t, "e", 3)}); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		req  *eventv1.SubscribeRequest
		want answer
	}{
		"no stream":      {&eventv1.SubscribeRequest{}, answer{codes.InvalidArgument, "INVALID_REQUEST", []string{"stream"}, nil}},
		"no stream name": {&eventv1.SubscribeRequest{Stream: "plant-a"}, answer{codes.InvalidArgument, "INVALID_REQUEST", []string{"site/domain"}, nil}},
		"unknown stream": {&eventv1.SubscribeRequest{Stream: "plant-b/production"}, answer{codes.NotFound, "UNKNOWN_STREAM", []string{"plant-b/production"}, nil}},
		"beyond the head": {
			&eventv1.SubscribeRequest{Stream: "plant-a/production", Start: &eventv1.SubscribeRequest_AfterOffset{AfterOffset: 4}},
			answer{codes.OutOfRange, "OFFSET_BEYOND_HEAD", []string{"plant-a/production@4"}, nil},
		},
		"cursor of something else": {
			&eventv1.SubscribeRequest{Stream: "plant-a/production", Start: &eventv1.SubscribeRequest_Cursor{Cursor: []byte("abc")}},
			answer{codes.InvalidArgument, "INVALID_CURSOR", []string{"plant-a/production"}, nil},
		},
	} {
		t.Run(name, func(t *testing.T) {
			stream, err := events.Subscribe(t.Context(), test.req)
			if err == nil {
				_, err = stream.Recv()
			}
			test.want.check(t, err)
		})
	}
	_, err := events.GetEvent(t.Context(), &eventv1.GetEventRequest{Stream: "plant-a/production"})
	answer{codes.InvalidArgument, "INVALID_REQUEST", []string{"event"}, nil}.check(t, err)
	_, err = events.GetEvent(t.Context(), &eventv1.GetEventRequest{
		Stream: "plant-a/production", Event: &eventv1.GetEventRequest_Key{Key: &eventv1.EventKey{Source: "//plant-a/mes", Id: "none"}},
	})
	answer{codes.NotFound, "EVENT_NOT_FOUND", nil, nil}.check(t, err)
}

func TestEachServiceIsOpenToItsAudienceOnly(t *testing.T) {
	c := newCluster(t)
	plant := c.start(c.config("plant-a"))
	conn := plant.dial(c.client("mes"))
	_, err := adminv1.NewAdminServiceClient(conn).GetStatus(t.Context(), &adminv1.GetStatusRequest{})
	answer{codes.PermissionDenied, "NOT_AN_ADMIN", []string{"client/mes", "admins"}, nil}.check(t, err)
	_, err = peerv1.NewPeerServiceClient(conn).GetChain(t.Context(), &peerv1.GetChainRequest{Stream: "plant-a/production"})
	answer{codes.PermissionDenied, "NOT_A_SITE", []string{"client/mes"}, nil}.check(t, err)

	other := plant.dial(issue(t, c.authority, plantmesh.Identity{Mesh: "test", Region: "eu", Site: "plant-b"}))
	_, err = adminv1.NewAdminServiceClient(other).GetStatus(t.Context(), &adminv1.GetStatusRequest{})
	answer{codes.PermissionDenied, "NOT_AN_ADMIN", []string{"site/plant-b"}, nil}.check(t, err)
	own := plant.dial(issue(t, c.authority, plantmesh.Identity{Mesh: "test", Region: "eu", Site: "plant-a"}))
	if _, err = adminv1.NewAdminServiceClient(own).GetStatus(t.Context(), &adminv1.GetStatusRequest{}); err != nil {
		t.Errorf("the site itself: %v", err)
	}
}

func TestCertificateOfAnotherMeshIsRefused(t *testing.T) {
	c := newCluster(t)
	plant := c.start(c.config("plant-a"))
	for name, mesh := range map[string]string{"other mesh": "production", "same name, other CA": "test"} {
		t.Run(name, func(t *testing.T) {
			stranger, err := pki.NewAuthority(mesh)
			if err != nil {
				t.Fatal(err)
			}
			files, err := stranger.IssueFiles(t.TempDir(), plantmesh.Identity{Mesh: mesh, Client: "mes"}, time.Hour)
			if err != nil {
				t.Fatal(err)
			}
			files.CA = plant.cfg.TLS.CA // it trusts the node, but the node not it
			creds, err := plantmesh.LoadCredentials(files)
			if err != nil {
				t.Fatal(err)
			}
			_, err = eventv1.NewEventServiceClient(plant.dial(creds)).ListStreams(t.Context(), &eventv1.ListStreamsRequest{}, grpc.WaitForReady(false))
			if status.Code(err) != codes.Unavailable {
				t.Errorf("error %v", err)
			}
		})
	}
	until(t, "the node logs why", func() bool { return strings.Contains(plant.logs.String(), "a connection is refused") })
}

// run starts a node that is expected not to come up.
func run(t *testing.T, cfg config.Config) error {
	t.Helper()
	return node.Run(t.Context(), cfg, slog.New(slog.DiscardHandler), node.WithReady(func(net.Addr) { t.Error("the node serves") }))
}

func TestNodeDoesNotStartOnWhatIsNotItsOwn(t *testing.T) {
	c := newCluster(t)
	plant := c.start(c.config("plant-a"))
	newer := c.config("plant-n")
	c.start(newer).end()
	makeNewer(t, filepath.Join(newer.DataDir, "log"))
	spare := c.config("plant-s")
	change := func(edit func(*config.Config)) config.Config {
		cfg := spare
		edit(&cfg)
		return cfg
	}
	for name, test := range map[string]struct {
		cfg  config.Config
		is   error
		text []string
	}{
		"data folder in use":         {plant.cfg, storage.ErrInUse, []string{plant.cfg.DataDir, "stop that node"}},
		"data folder of a newer one": {newer, storage.ErrNewerFormat, []string{newer.DataDir, "run the version of plantmesh that wrote it"}},
		"data folder of another site": {
			change(func(cfg *config.Config) { cfg.DataDir = freed(t, c).DataDir }), storage.ErrOtherSite, []string{`"plant-f"`, "correct the configuration"},
		},
		"certificate of another site": {
			change(func(cfg *config.Config) { cfg.Site = "plant-x" }), plantmesh.ErrSiteMismatch,
			[]string{spare.TLS.Cert, `site is "plant-x" in the configuration`, `site "plant-s"`, "make both agree"},
		},
		"certificate of another region": {
			change(func(cfg *config.Config) { cfg.Region = "us" }), plantmesh.ErrSiteMismatch, []string{`region is "us"`, `region "eu"`},
		},
		"certificate of another mesh": {
			change(func(cfg *config.Config) { cfg.Mesh = "production" }), plantmesh.ErrMeshMismatch, []string{`mesh is "production"`, `mesh "test"`},
		},
		"certificate of a client": {
			change(func(cfg *config.Config) { cfg.TLS = clientFiles(t, c) }), plantmesh.ErrNotASite, []string{"client/lost", "plantmesh init"},
		},
		"no certificate": {
			change(func(cfg *config.Config) { cfg.TLS.Cert = "/nowhere.crt" }), nil, []string{"tls", "/nowhere.crt", "no such file"},
		},
		"address in use": {
			change(func(cfg *config.Config) { cfg.Listen = plant.address }), nil, []string{plant.address, "address already in use", "`listen`"},
		},
		"mapping that is not there": {
			change(func(cfg *config.Config) {
				cfg.Adapters = []config.Adapter{{Name: "mes", Kind: "file", Dir: t.TempDir(), Pattern: "*", Mapping: "/nowhere.yaml", SettleSeconds: 1}}
			}), nil, []string{"adapters[0]", "/nowhere.yaml"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(t, test.cfg)
			if err == nil || test.is != nil && !errors.Is(err, test.is) {
				t.Fatalf("error %v, want %v", err, test.is)
			}
			for _, text := range test.text {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("the error lacks %q: %v", text, err)
				}
			}
		})
	}
}

// makeNewer marks a data folder as written by a later version.
func makeNewer(t *testing.T, dir string) {
	t.Helper()
	db, err := pebble.Open(dir, &pebble.Options{Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	iter, err := db.NewIter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer iter.Close()
	for iter.First(); iter.Valid(); iter.Next() {
		if strings.HasSuffix(string(iter.Key()), "format") {
			if err := db.Set(slices.Clone(iter.Key()), []byte("99"), pebble.Sync); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("no format in the folder")
}

// quiet keeps Pebble's messages out of the test's output.
type quiet struct{}

func (quiet) Infof(string, ...any)              {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// freed is a site that ran and ended.
func freed(t *testing.T, c *cluster) config.Config {
	t.Helper()
	cfg := c.config("plant-f")
	c.start(cfg).end()
	return cfg
}

func clientFiles(t *testing.T, c *cluster) config.TLS {
	t.Helper()
	files, err := c.authority.IssueFiles(t.TempDir(), plantmesh.Identity{Mesh: "test", Client: "lost"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return config.TLS{Cert: files.Cert, Key: files.Key, CA: files.CA}
}
