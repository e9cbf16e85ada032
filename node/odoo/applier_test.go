package odoo_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// fixture is an applier on a sandbox.
type fixture struct {
	server  *sandbox.Server
	applier *odoo.Applier
	client  *odoo.Client
	offset  uint64
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	server := sandbox.New("mesh", "key")
	door := httptest.NewServer(server)
	t.Cleanup(door.Close)
	cfg := odoo.Default()
	cfg.URL, cfg.Database, cfg.APIKey, cfg.CreateMissing = door.URL, "mesh", "key", odoo.CreateAll()
	applier, err := odoo.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(applier.Close)
	client, err := odoo.NewClient(door.URL, "mesh", "key")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return &fixture{server: server, applier: applier, client: client}
}

func (f *fixture) report(t testing.TB, order string) consumer.Delivery {
	t.Helper()
	f.offset++
	event, err := plantmesh.NewEvent("//plant-a/mes", fmt.Sprint(f.offset), time.Now(), &manufacturingv1.OperationReported{
		OrderId: order, ItemId: "IT", OrderQuantity: &manufacturingv1.Quantity{Value: "10", Unit: "C62"}, OperationId: "OP", WorkCenterId: "WC",
		Activity: manufacturingv1.Activity_ACTIVITY_PRODUCTION, StartTime: timestamppb.New(time.Unix(1e9, 0)), EndTime: timestamppb.New(time.Unix(1e9+60, 0)),
		CompletedQuantity: &manufacturingv1.Quantity{Value: "1", Unit: "C62"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return consumer.Delivery{Stream: "plant-a/production", Incarnation: 1, Event: &eventv1.RecordedEvent{Offset: f.offset, Site: "plant-a", Event: event}}
}

func TestPassingFaultsAreNeitherParkedNorBlocked(t *testing.T) {
	const action = "ir.actions.server/run"
	for name, fault := range map[string]sandbox.Fault{
		"serialization failure":   {Status: 500, Name: "psycopg2.errors.SerializationFailure"},
		"lock":                    {Status: 409, Name: "odoo.exceptions.LockError"},
		"proxy without a backend": {Status: 502, Name: ""},
		"connection lost":         {Drop: true},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			if err := f.applier.Prepare(t.Context()); err != nil {
				t.Fatal(err)
			}
			fault.Calls, fault.Only = 1, action
			f.server.Inject(fault)
			d := f.report(t, "WO")
			var park *consumer.ParkError
			err := f.applier.Handle(t.Context(), d)
			if err == nil || errors.As(err, &park) || errors.Is(err, consumer.ErrBlocked) {
				t.Fatalf("handle: %v, want a passing fault", err)
			}
			if f.applier.Status().Problem == "" {
				t.Error("the status shows no problem")
			}
			err = f.applier.Handle(t.Context(), d)
			if fault.Drop && !errors.Is(err, consumer.ErrDuplicate) || !fault.Drop && err != nil {
				t.Errorf("again: %v", err)
			}
			if problem := f.applier.Status().Problem; problem != "" {
				t.Errorf("the status still shows %q", problem)
			}
		})
	}
}

func TestOdooThatIsDownIsNotBlocked(t *testing.T) {
	cfg := odoo.Default()
	door := httptest.NewServer(nil)
	cfg.URL, cfg.Database, cfg.APIKey = door.URL, "mesh", "key"
	door.Close()
	applier, err := odoo.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer applier.Close()
	if err := applier.Prepare(t.Context()); err == nil || errors.Is(err, consumer.ErrBlocked) {
		t.Errorf("prepare: %v, want a passing fault", err)
	}
}

func TestOlderActionIsReplacedAndNewerOneBlocks(t *testing.T) {
	f := newFixture(t)
	if err := f.applier.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	ours := odoo.Actions()[0]
	var actions []struct {
		ID   int64  `json:"id"`
		Code string `json:"code"`
	}
	read := func() {
		t.Helper()
		if err := f.client.SearchRead(t.Context(), "ir.actions.server", []any{[]any{"name", "=", ours.Name}}, []string{"code"}, 0, &actions); err != nil {
			t.Fatal(err)
		}
	}
	put := func(code string) {
		t.Helper()
		if err := f.client.Write(t.Context(), "ir.actions.server", []int64{actions[0].ID}, map[string]any{"code": code}); err != nil {
			t.Fatal(err)
		}
	}
	prepare := func() error { return f.again(t).Prepare(t.Context()) }
	read()
	put(strings.Replace(ours.Code, "\n", "\n# changed by hand\n", 1))
	if err := prepare(); err != nil {
		t.Fatal(err)
	}
	if read(); actions[0].Code != ours.Code {
		t.Error("a changed action was left as it is")
	}
	put("# plantmesh apply 999\n")
	if err := prepare(); !errors.Is(err, consumer.ErrBlocked) || !strings.Contains(err.Error(), "upgrade this node") {
		t.Errorf("beside a newer action: %v, want ErrBlocked", err)
	}
	put("raise UserError('mine')")
	if err := prepare(); !errors.Is(err, consumer.ErrBlocked) || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("beside a strange action: %v, want ErrBlocked", err)
	}
}

// again is another applier on the same sandbox.
func (f *fixture) again(t *testing.T) *odoo.Applier {
	t.Helper()
	status := f.applier.Status()
	cfg := odoo.Default()
	cfg.URL, cfg.Database, cfg.APIKey, cfg.CreateMissing = status.URL, status.Database, "key", odoo.CreateAll()
	a, err := odoo.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}

func TestDeletedActionIsMadeAnew(t *testing.T) {
	f := newFixture(t)
	if err := f.applier.Handle(t.Context(), f.report(t, "WO")); err != nil {
		t.Fatal(err)
	}
	var actions []struct {
		ID int64 `json:"id"`
	}
	if err := f.client.SearchRead(t.Context(), "ir.actions.server", []any{}, []string{"name"}, 0, &actions); err != nil {
		t.Fatal(err)
	}
	if err := f.client.Call(t.Context(), "ir.actions.server", "unlink", odoo.Args{"ids": []int64{actions[0].ID}}, nil); err != nil {
		t.Fatal(err)
	}
	d := f.report(t, "WO")
	var park *consumer.ParkError
	if err := f.applier.Handle(t.Context(), d); err == nil || errors.As(err, &park) {
		t.Fatalf("without the action: %v, want a passing fault", err)
	}
	if err := f.applier.Handle(t.Context(), d); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestActionOfTheFirstVersionIsRemoved(t *testing.T) {
	f := newFixture(t)
	former := func(code string) int64 {
		t.Helper()
		ids, err := f.client.Create(t.Context(), "ir.actions.server", map[string]any{"name": "plantmesh: apply events", "state": "code", "code": code})
		if err != nil {
			t.Fatal(err)
		}
		return ids[0]
	}
	ours, others := former("# plantmesh apply 1\n"), former("raise UserError('mine')")
	if err := f.applier.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[int64]int{ours: 0, others: 1} {
		if n, err := f.client.Count(t.Context(), "ir.actions.server", []any{[]any{"id", "=", id}}); err != nil || n != want {
			t.Errorf("%d of action %d, %v", n, id, err)
		}
	}
}

func TestActionsHoldWhatTheirEffectsUse(t *testing.T) {
	call := regexp.MustCompile(`(?:^|[^.\w'])([a-z_]+)\(`)
	builtin := strings.Fields("def len sum min max int float str bool sorted dict list range isinstance mapped join search create and or not in if return for env now abs set")
	for _, a := range odoo.Actions() {
		for _, found := range call.FindAllStringSubmatch(a.Code, -1) {
			if name := found[1]; !strings.Contains(a.Code, "\ndef "+name+"(") && !slices.Contains(builtin, name) {
				t.Errorf("%s: %s is not in it", a.Name, name)
			}
		}
		for _, kind := range a.Kinds {
			if !strings.Contains(a.Code, "\ndef "+string(kind)+"(") {
				t.Errorf("%s: effect %s is not in it", a.Name, kind)
			}
		}
	}
}
