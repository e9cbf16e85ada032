package plantmesh_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/metadata"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

func TestPublishReturnsOneReceiptForEachEvent(t *testing.T) {
	client := startFake(t).client(plantmesh.WithSite("plant-a"))
	receipts, err := client.Publish(t.Context(), event(t, 1), event(t, 2), event(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if len(receipts) != 3 || receipts[0].Offset != 1 || receipts[1].Offset != 2 || receipts[2].Offset != 1 || !receipts[2].Duplicate {
		t.Errorf("receipts %+v", receipts)
	}
	if r := receipts[0]; r.Stream != fakeStream || r.Incarnation != 7 || r.RecordedTime.IsZero() || r.Duplicate {
		t.Errorf("receipt %+v", r)
	}
}

func TestPublishTriesAgainWhatMayPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := startFake(t)
		fake.refuse = func(request int) error {
			if request <= 5 {
				return fmt.Errorf("plant-a: %w", plantmesh.ErrTooManyPending)
			}
			return nil
		}
		receipts, err := fake.client().Publish(t.Context(), event(t, 1))
		if err != nil || len(receipts) != 1 || receipts[0].Duplicate {
			t.Errorf("receipts %+v, error %v", receipts, err)
		}
	})
}

func TestPublishGoesOnAfterTheLineWasCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := startFake(t)
		fake.refuse = func(request int) error {
			if request == 1 {
				fake.cut()
			}
			return nil
		}
		receipts, err := fake.client().Publish(t.Context(), event(t, 1))
		if err != nil || len(receipts) != 1 || receipts[0].Offset != 1 || !receipts[0].Duplicate {
			t.Errorf("receipts %+v, error %v: the first attempt was recorded but its answer lost", receipts, err)
		}
	})
}

func TestPublishReturnsARefusalAtOnce(t *testing.T) {
	fake := startFake(t)
	fake.refuse = func(int) error {
		return &plantmesh.ConflictError{Source: "//plant-a/mes", ID: "report-1", Stream: fakeStream, Offset: 4, Index: 1}
	}
	_, err := fake.client().Publish(t.Context(), event(t, 1))
	var conflict *plantmesh.ConflictError
	if !errors.Is(err, plantmesh.ErrEventIDConflict) || !errors.As(err, &conflict) || conflict.Offset != 4 || conflict.Index != 1 {
		t.Errorf("got %v", err)
	}
	if fake.requests != 1 {
		t.Errorf("%d attempts", fake.requests)
	}
}

func TestPublishThatRunsOutOfTimeSaysWhatItWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fake := startFake(t)
		fake.refuse = func(int) error { return plantmesh.ErrTooManyPending }
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := fake.client().Publish(ctx, event(t, 1))
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, plantmesh.ErrTooManyPending) {
			t.Errorf("got %v", err)
		}
	})
}

func TestPublishRefusesWhatTheNodeCouldNotAnswer(t *testing.T) {
	client := startFake(t).client()
	garbled := event(t, 1)
	garbled.Attributes = map[string]string{"line": "\xff"}
	big := make([]*eventv1.Event, 6)
	for i := range big {
		big[i] = &eventv1.Event{Id: fmt.Sprint(i), Data: make([]byte, 900_000)}
	}
	for name, test := range map[string]struct {
		events []*eventv1.Event
		want   error
	}{
		"nothing":         {nil, plantmesh.ErrInvalidRequest},
		"a nil event":     {[]*eventv1.Event{nil}, plantmesh.ErrInvalidRequest},
		"text not UTF-8":  {[]*eventv1.Event{garbled}, plantmesh.ErrInvalidEvent},
		"too many bytes":  {big, plantmesh.ErrBatchTooLarge},
		"too many events": {make([]*eventv1.Event, 0, 1001), plantmesh.ErrBatchTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			for len(test.events) < cap(test.events) && cap(test.events) > 1000 {
				test.events = append(test.events, event(t, len(test.events)))
			}
			if _, err := client.Publish(t.Context(), test.events...); !errors.Is(err, test.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDialNamesTheFileAtFault(t *testing.T) {
	authority, err := pki.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	good := issue(t, authority, plantmesh.Identity{Mesh: "test", Client: "mes"})
	other := issue(t, authority, plantmesh.Identity{Mesh: "test", Client: "other"})
	empty := filepath.Join(t.TempDir(), "empty.crt")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		address string
		change  func(*plantmesh.TLSFiles)
		want    []string
	}{
		"no port":        {"plant-a", func(*plantmesh.TLSFiles) {}, []string{`"plant-a"`, "host:port"}},
		"no certificate": {fakeAddress, func(f *plantmesh.TLSFiles) { f.Cert = "gone.crt" }, []string{"gone.crt", "certificate"}},
		"no file named":  {fakeAddress, func(f *plantmesh.TLSFiles) { f.CA = "" }, []string{"CA", "names no file"}},
		"empty CA":       {fakeAddress, func(f *plantmesh.TLSFiles) { f.CA = empty }, []string{empty, "PEM"}},
		"another's key":  {fakeAddress, func(f *plantmesh.TLSFiles) { f.Key = other.Key }, []string{good.Cert, other.Key, "private key"}},
		"not a mesh's":   {fakeAddress, func(f *plantmesh.TLSFiles) { f.Cert = good.CA }, []string{good.CA}},
	} {
		t.Run(name, func(t *testing.T) {
			files := good
			test.change(&files)
			_, err := plantmesh.Dial(test.address, files)
			if err == nil {
				t.Fatal("dialed")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v: does not say %q", err, want)
				}
			}
		})
	}
}

func TestWrongCertificateIsAnErrorAtOnce(t *testing.T) {
	fake := startFake(t)
	mes := plantmesh.Identity{Mesh: "test", Client: "mes"}
	authority := func(mesh string) *pki.Authority {
		a, err := pki.NewAuthority(mesh)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	sameName := authority("test")
	foreign := issue(t, sameName, mes)
	trusting := foreign // its certificate is foreign, but it trusts the node
	trusting.CA = issue(t, fake.authority, mes).CA
	plain := plantmesh.WithDialer(func(context.Context, string) (net.Conn, error) {
		a, b := net.Pipe()
		go func() {
			_, _ = b.Read(make([]byte, 4096))
			_, _ = b.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
			_ = b.Close()
		}()
		return a, nil
	})
	for name, test := range map[string]struct {
		files plantmesh.TLSFiles
		opts  []plantmesh.Option
		want  string
	}{
		"node of another CA":      {foreign, nil, "has to be issued by the CA in " + foreign.CA},
		"node refuses the client": {trusting, nil, "the node refuses " + trusting.Cert},
		"node of another mesh":    {issue(t, authority("other"), plantmesh.Identity{Mesh: "other", Client: "mes"}), nil, `of mesh "test", this is mesh "other"`},
		"another site":            {issue(t, fake.authority, mes), []plantmesh.Option{plantmesh.WithSite("plant-b")}, "it is site plant-a, not plant-b"},
		"no TLS there":            {issue(t, fake.authority, mes), []plantmesh.Option{plain}, "no TLS at this address"},
	} {
		t.Run(name, func(t *testing.T) {
			client := fake.clientWith(test.files, test.opts...)
			_, err := client.Publish(t.Context(), event(t, 1))
			if !errors.Is(err, plantmesh.ErrUnauthenticated) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("publish: %v", err)
			}
			for _, err := range client.Subscribe(t.Context(), plantmesh.From{Stream: fakeStream}) {
				if !errors.Is(err, plantmesh.ErrUnauthenticated) || !strings.Contains(err.Error(), test.want) {
					t.Errorf("subscribe: %v", err)
				}
			}
		})
	}
	if len(fake.ids()) > 0 {
		t.Error("something was recorded")
	}
}

func TestTraceContextGoesWithTheCall(t *testing.T) {
	fake := startFake(t)
	var got string
	fake.onCall = func(md metadata.MD) { got = strings.Join(md.Get("traceparent"), " ") }
	if _, err := fake.client().Publish(traced(t), event(t, 1)); err != nil {
		t.Fatal(err)
	}
	if got != traceparent {
		t.Errorf("traceparent %q", got)
	}
}

const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// traced is a context within the trace of traceparent.
func traced(t *testing.T) context.Context {
	t.Helper()
	traceID, err := trace.TraceIDFromHex(traceparent[3:35])
	if err != nil {
		t.Fatal(err)
	}
	spanID, err := trace.SpanIDFromHex(traceparent[36:52])
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: spanID, TraceFlags: trace.FlagsSampled}))
}
