package odootest

import (
	"cmp"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/odootest/erp"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Target is an Odoo to test against.
type Target = erp.Target

// FromEnvironment is [erp.FromEnvironment].
func FromEnvironment(t testing.TB) Target { t.Helper(); return erp.FromEnvironment(t) }

// FreshFromEnvironment is [erp.FreshFromEnvironment].
func FreshFromEnvironment(t *testing.T) Target { t.Helper(); return erp.FreshFromEnvironment(t) }

// runs tells the runs of one process apart, starts those of several.
var (
	starts = time.Now().UnixNano()
	runs   atomic.Int64
)

// plant publishes events to one applier, with names of its own: the suite runs again and again on one database.
type plant struct {
	t       testing.TB
	target  Target
	client  *odoo.Client
	applier *odoo.Applier
	tag     string
	offset  plantmesh.Offset
}

func newPlant(t testing.TB, target Target, change ...func(*odoo.Config)) *plant {
	t.Helper()
	p := &plant{t: t, target: target, client: target.Open(t), tag: fmt.Sprintf("%x-%d", starts, runs.Add(1))}
	p.applier = p.newApplier(change...)
	return p
}

// newApplier is another applier on the same target, as after a restart.
func (p *plant) newApplier(change ...func(*odoo.Config)) *odoo.Applier {
	p.t.Helper()
	cfg := p.target.Config()
	if p.target.Connector != "" {
		cfg.APIKey, cfg.Login = p.target.Connector, odoo.ConnectorLogin
	}
	for _, c := range change {
		c(&cfg)
	}
	a, err := odoo.New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(a.Close)
	return a
}

// key is that of the user that events are applied as.
func (p *plant) key() string { return cmp.Or(p.target.Connector, p.target.Key) }

// major is the first number of the target's version.
func (p *plant) major() int {
	p.t.Helper()
	version, err := p.client.Version(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	var major int
	if _, err := fmt.Sscanf(version, "%d.", &major); err != nil {
		p.t.Fatalf("version %q: %v", version, err)
	}
	return major
}

// name makes a name that no other run uses.
func (p *plant) name(s string) string { return s + "-" + p.tag }

// record gives a payload the next offset of plant-a's streams.
func (p *plant) record(payload proto.Message) consumer.Delivery {
	p.t.Helper()
	p.offset++
	id := fmt.Sprintf("%s-%d", p.tag, p.offset)
	event, err := plantmesh.NewEvent("//plant-a/mes", id, time.Date(2026, 1, 5, 6, 0, 0, 0, time.UTC), payload)
	if err != nil {
		p.t.Fatal(err)
	}
	eventType, err := plantmesh.LookupEventType(event.GetType())
	if err != nil {
		p.t.Fatal(err)
	}
	return consumer.Delivery{
		Stream: plantmesh.StreamOf("plant-a", eventType.Domain), Incarnation: 1, Attempt: 1,
		Event: &eventv1.RecordedEvent{Offset: uint64(p.offset), Site: "plant-a", Event: event},
	}
}

// apply publishes and applies an event, which has to succeed.
func (p *plant) apply(payload proto.Message) consumer.Delivery {
	p.t.Helper()
	d := p.record(payload)
	if err := p.applier.Handle(p.t.Context(), d); err != nil {
		p.t.Fatalf("apply %s: %v", d.Event.GetEvent().GetType(), err)
	}
	return d
}

// read finds records through the public API.
func (p *plant) read(model string, domain []any, fields ...string) []map[string]any {
	p.t.Helper()
	var rows []map[string]any
	if err := p.client.SearchRead(p.t.Context(), model, domain, fields, 0, &rows); err != nil {
		p.t.Fatalf("read %s: %v", model, err)
	}
	return rows
}

// one finds the only record that matches.
func (p *plant) one(model string, domain []any, fields ...string) map[string]any {
	p.t.Helper()
	rows := p.read(model, domain, fields...)
	if len(rows) != 1 {
		p.t.Fatalf("%s %v: %d records, want one: %v", model, domain, len(rows), rows)
	}
	return rows[0]
}

// where is a domain of equalities: name, value, name, value …
func where(pairs ...any) []any {
	var domain []any
	for i := 0; i+1 < len(pairs); i += 2 {
		domain = append(domain, []any{pairs[i], "=", pairs[i+1]})
	}
	return domain
}
