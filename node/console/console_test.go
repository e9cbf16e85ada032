package console_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/api"
	"github.com/plantmesh/plantmesh/node/console"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// nasty is a name that somebody gave an item.
const nasty = `<script>alert("x")</script>`

// office is a node that faces Odoo, as the console sees it.
type office struct {
	t        *testing.T
	status   *adminv1.GetStatusResponse
	compared reconcile.Status
	sources  console.Sources
	parked   []*adminv1.ParkedSubject
	found    map[string]odoo.Record
	fault    error // of looking records up
	asked    int
	unready  error
}

func newOffice(t *testing.T) *office {
	o := &office{t: t, status: &adminv1.GetStatusResponse{
		Node: &adminv1.Node{Site: "hq", Mesh: "acme-prod", Region: "eu", Version: "1.2.3", StartTime: timestamppb.New(time.Now().Add(-3 * time.Hour))},
		Odoo: &adminv1.OdooApplier{
			Url: "https://odoo.example", Database: "production", ServerVersion: "19.0", Counts: &adminv1.ApplyCounts{Applied: 12345, Parked: 3, Discarded: 1},
			Positions: []*adminv1.ConsumerPosition{{Stream: "plant-a/production", LagEvents: 7}},
		},
	}}
	o.sources = console.Sources{
		Status: func() *adminv1.GetStatusResponse { return o.status }, Consumers: o, Comparisons: comparisons{o}, Records: o, Ready: func() error { return o.unready },
	}
	return o
}

type comparisons struct{ *office }

func (c comparisons) Status() reconcile.Status { return c.compared }

func (o *office) List() []*adminv1.Consumer {
	return []*adminv1.Consumer{{Name: "mes/orders"}, {Name: "odoo", ParkedSubjects: uint64(len(o.parked))}}
}

func (o *office) Consumer(name string) (api.Consumer, bool) {
	return applier{office: o}, name == "odoo"
}

func (o *office) Records(_ context.Context, subjects []string) (map[string]odoo.Record, error) {
	o.asked += len(subjects)
	return o.found, o.fault
}

// applier is the consumer that has something parked.
type applier struct {
	api.Consumer
	*office
}

func (a applier) ParkedSubjects() []*adminv1.ParkedSubject { return a.parked }

func (a applier) ParkedEvent(_ plantmesh.StreamName, subject string) (*adminv1.ParkedSubject, *eventv1.RecordedEvent, error) {
	for _, p := range a.parked {
		if p.GetSubject() != subject {
			continue
		}
		e, err := plantmesh.NewEvent("//plant-a/mes", p.GetEventId(), time.Unix(1_780_000_000, 0), &manufacturingv1.ProductionOrderReleased{
			OrderId: strings.TrimPrefix(subject, "order/"), ItemId: nasty, Quantity: &manufacturingv1.Quantity{Value: "5", Unit: "C62"},
		})
		return p, &eventv1.RecordedEvent{Event: e, RecordedTime: timestamppb.New(time.Unix(1_780_000_001, 0))}, err
	}
	return nil, nil, plantmesh.ErrInvalidRequest
}

// park sets orders aside.
func (o *office) park(orders ...string) {
	for _, order := range orders {
		o.parked = append(o.parked, &adminv1.ParkedSubject{
			Stream: "plant-a/production", Subject: "order/" + order, Offset: 17, EventId: "e-" + order, EventType: "plantmesh.manufacturing.v1.ProductionOrderReleased",
			Reason: "No product has the reference " + nasty, Events: 2, Since: timestamppb.New(time.Now().Add(-time.Hour)), Attempts: 7, RetryTime: timestamppb.New(time.Now().Add(5 * time.Minute)),
		})
	}
}

// get is the answer to a request for this machine.
func (o *office) get(path string) *httptest.ResponseRecorder {
	return o.ask(http.MethodGet, path, "127.0.0.1:7480")
}

func (o *office) ask(method, path, host string) *httptest.ResponseRecorder {
	o.t.Helper()
	c, err := console.New(o.sources, slog.New(slog.DiscardHandler))
	if err != nil {
		o.t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(o.t.Context(), method, path, http.NoBody)
	r.Host = host
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

// shows fails the test for what a page lacks, and for what no page may hold.
func (o *office) shows(path string, wants ...string) string {
	o.t.Helper()
	answer := o.get(path)
	body := answer.Body.String()
	if answer.Code != http.StatusOK {
		o.t.Errorf("%s: status %d", path, answer.Code)
	}
	for _, want := range wants {
		if !strings.Contains(body, want) {
			o.t.Errorf("%s lacks %s:\n%s", path, want, body)
		}
	}
	if strings.Contains(body, "<script") || strings.Contains(body, "ZgotmplZ") {
		o.t.Errorf("%s holds what it may not:\n%s", path, body)
	}
	return body
}

func TestOverviewSaysWhatHasToBeLookedAtAndHowOdooStands(t *testing.T) {
	o := newOffice(t)
	o.shows("/", "No exception is open", `<span class="figure">12,345</span> applied`, `<span class="figure">7</span> waiting`, "not compared yet", "has been up for 3 h", "No other site is known")
	o.status.Exceptions = []*adminv1.OpenException{{Kind: "subject-parked", About: "plant-a/production order/1", Summary: "It is parked: " + nasty, Action: "Correct it.", RaiseTime: timestamppb.Now()}}
	o.status.Odoo.Problem = "no route to " + nasty
	o.status.Members = []*adminv1.Member{{Site: "plant-a", State: adminv1.MemberState_MEMBER_STATE_DEAD, Reason: "it does not answer"}}
	o.status.Streams = []*eventv1.StreamInfo{{Stream: "plant-a/production", Origin: "plant-a", Replica: true, HeadOffset: 4711}, {Stream: "plant-b/production", Replica: true, HeadOffset: 1}}
	o.status.Replicas = []*adminv1.Replica{{Stream: "plant-a/production", State: adminv1.ReplicaState_REPLICA_STATE_STALLED, LagEvents: 9, Reason: "EXPORT_DENIED"}}
	o.status.Confirmations = &adminv1.Confirmations{Waiting: 2, Overdue: 1}
	o.status.Adapters = []*adminv1.Adapter{{Name: "mes", Total: &adminv1.ImportCounts{Read: 1000}, Problem: "the folder is gone"}}
	o.compared.Last = differing()
	o.shows("/", "It is parked: &lt;script&gt;", `<a href="/parked">See what is parked</a>`, "no route to &lt;script&gt;", `<span class="state bad">dead</span>`, "it does not answer", `<span class="state bad">stalled</span>, 9 behind: EXPORT_DENIED`,
		"not replicated now", "4,711", `<span class="figure">1</span> of them for too long`, "the folder is gone", `<span class="figure">3</span> differences`)
}

func TestSiteWithoutOdooHasAConsoleToo(t *testing.T) {
	o := newOffice(t)
	o.status.Odoo, o.sources.Comparisons, o.sources.Records = nil, nil, nil
	if body := o.shows("/", "<h1>hq</h1>"); strings.Contains(body, "Reconciliation") {
		t.Error("the overview leads to a comparison with an Odoo that is not there")
	}
	o.shows("/reconciliation", "This site faces no Odoo")
	o.shows("/parked", "Nothing is parked")
}

func TestNothingButReadingIsAnsweredAndOnlyToThisMachine(t *testing.T) {
	o := newOffice(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions, http.MethodConnect} {
		if answer := o.ask(method, "/", "127.0.0.1:7480"); answer.Code != http.StatusMethodNotAllowed || answer.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d %v", method, answer.Code, answer.Header())
		}
	}
	for host, want := range map[string]int{
		"127.0.0.1:7480": 200, "localhost:7480": 200, "LOCALHOST": 200, "[::1]:7480": 200, "[::1]": 200, "evil.example": 421, "evil.example:7480": 421, "127.0.0.1.evil.example": 421, "": 421,
	} {
		if answer := o.ask(http.MethodGet, "/", host); answer.Code != want {
			t.Errorf("asked as %q: %d, want %d", host, answer.Code, want)
		}
	}
	if answer := o.ask(http.MethodHead, "/", "localhost"); answer.Code != http.StatusOK {
		t.Errorf("HEAD: %d", answer.Code)
	}
}

func TestEveryAnswerForbidsWhatAForeignPageCouldDoWithIt(t *testing.T) {
	o := newOffice(t)
	o.compared.Last = differing()
	for _, path := range []string{"/", "/parked", "/reconciliation", "/reconciliation.csv", "/style.css", "/nowhere", "/healthz"} {
		h := o.get(path).Header()
		if policy := h.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "script-src") || strings.Contains(policy, "unsafe") {
			t.Errorf("%s: policy %q", path, policy)
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin", "Cross-Origin-Opener-Policy": "same-origin",
		} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		if h.Get("Content-Type") == "" || h.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestHealthAndReadiness(t *testing.T) {
	o := newOffice(t)
	o.unready = errors.New("the disk of the log failed")
	if answer := o.get("/healthz"); answer.Code != http.StatusOK {
		t.Errorf("health: %d", answer.Code)
	}
	if answer := o.get("/readyz"); answer.Code != http.StatusServiceUnavailable || !strings.Contains(answer.Body.String(), "the disk of the log failed") {
		t.Errorf("readiness: %d", answer.Code)
	}
	o.unready = nil
	if answer := o.get("/readyz"); answer.Code != http.StatusOK {
		t.Errorf("readiness: %d", answer.Code)
	}
}

func TestConsoleStopsWithItsContext(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := console.New(newOffice(t).sources, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx, listener) }()
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	answer, err := client.Get(fmt.Sprintf("http://%s/healthz", listener.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	w := httptest.NewRecorder()
	if c.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)); w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d after the end: what pages are made of may be gone", w.Code)
	}
}
