package odootest

import (
	"cmp"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/consumer"
	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// Target is an Odoo to test against.
type Target struct {
	URL, Database, Key string

	API   string // how to speak with it; empty: as the server's version asks for
	Login string // of the user that the key is of

	Code string // where the code that applies events is; empty: as the database has it

	Connector string // key of the user that applies; empty: Key, which prepares and reads in any case
}

// Provision sets the target up, and makes a key for the user that applies, who may do no more than it needs.
func (t Target) Provision(test *testing.T) Target {
	test.Helper()
	admin, err := odoo.NewAdministrator(t.Config(), t.Key, "", slog.New(slog.DiscardHandler))
	if err != nil {
		test.Fatal(err)
	}
	defer admin.Close()
	if _, t.Connector, err = admin.Provision(test.Context(), true); err != nil {
		test.Fatal(err)
	}
	return t
}

// FromEnvironment is the real Odoo that ODOO_URL, ODOO_DB, ODOO_API_KEY and ODOO_LOGIN (without it: admin) name, spoken to as ODOO_API says,
// where the code is as ODOO_CODE says. It skips the test where they are not set.
func FromEnvironment(t testing.TB) Target {
	t.Helper()
	target := Target{URL: os.Getenv("ODOO_URL"), Database: os.Getenv("ODOO_DB"), Key: os.Getenv("ODOO_API_KEY"), API: os.Getenv("ODOO_API"), Code: os.Getenv("ODOO_CODE"), Login: cmp.Or(os.Getenv("ODOO_LOGIN"), "admin")}
	if target.URL == "" || target.Database == "" || target.Key == "" {
		t.Skip("NOT RUN against a real Odoo: set ODOO_URL, ODOO_DB and ODOO_API_KEY (deploy/dev/odoo-up prints them)")
	}
	return target
}

// FreshFromEnvironment is a database of that Odoo which nobody has set up, named by ODOO_FRESH_DB. It skips the test where that is not set.
func FreshFromEnvironment(t *testing.T) Target {
	t.Helper()
	target := FromEnvironment(t)
	if target.Database = os.Getenv("ODOO_FRESH_DB"); target.Database == "" {
		t.Skip("NOT RUN against a real Odoo: set ODOO_FRESH_DB to a database that plantmesh has not set up")
	}
	return target
}

// Config is the target's, with everything allowed that an event may create.
func (t Target) Config() odoo.Config {
	c := odoo.Default()
	c.URL, c.Database, c.APIKey, c.Login, c.CreateMissing = t.URL, t.Database, t.Key, t.Login, odoo.CreateAll()
	c.API, c.Code = cmp.Or(t.API, odoo.APIAuto), cmp.Or(t.Code, odoo.CodeAuto)
	return c
}

// open returns a client of the target. It is closed after the test.
func (t Target) open(test testing.TB) *odoo.Client {
	test.Helper()
	client, err := odoo.Open(odoo.Access{URL: t.URL, Database: t.Database, API: t.API, Login: t.Login, Key: t.Key})
	if err != nil {
		test.Fatal(err)
	}
	test.Cleanup(client.Close)
	return client
}

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
	p := &plant{t: t, target: target, client: target.open(t), tag: fmt.Sprintf("%x-%d", starts, runs.Add(1))}
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
