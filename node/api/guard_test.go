package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/plantmesh/plantmesh"
	catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// call is the context of a call by somebody.
func call(t *testing.T, id plantmesh.Identity) context.Context {
	state := tls.ConnectionState{PeerCertificates: []*x509.Certificate{{URIs: []*url.URL{id.URL()}}}}
	return peer.NewContext(t.Context(), &peer.Peer{AuthInfo: credentials.TLSInfo{State: state}})
}

var (
	self = plantmesh.Identity{Mesh: "test", Region: "eu", Site: "plant-a"}
	ops  = plantmesh.Identity{Mesh: "test", Client: "ops"}
	mes  = plantmesh.Identity{Mesh: "test", Client: "mes"}
)

func testGuard(t *testing.T, log *bytes.Buffer) *guard {
	return &guard{self: self, admins: []string{"ops"}, running: t.Context(), logger: slog.New(slog.NewTextHandler(log, nil))}
}

func TestAudienceOfEveryService(t *testing.T) {
	other := plantmesh.Identity{Mesh: "test", Region: "eu", Site: "ops"} // a site that is named as an admin client is
	const events, peers, admin = "/plantmesh.event.v1.EventService/X", "/plantmesh.peer.v1.PeerService/X", "/plantmesh.admin.v1.AdminService/X"
	for _, test := range []struct {
		method string
		caller plantmesh.Identity
		want   error
	}{
		{events, mes, nil}, {events, other, nil}, {peers, other, nil}, {admin, self, nil}, {admin, ops, nil},
		{peers, mes, plantmesh.ErrNotASite}, {admin, mes, plantmesh.ErrNotAnAdmin}, {admin, other, plantmesh.ErrNotAnAdmin},
		{"/some.Other/X", self, plantmesh.ErrInvalidRequest},
	} {
		if err := testGuard(t, &bytes.Buffer{}).admit(call(t, test.caller), test.method); !errors.Is(err, test.want) {
			t.Errorf("%s by %s: %v", test.method, test.caller, err)
		}
	}
	if err := testGuard(t, &bytes.Buffer{}).admit(t.Context(), events); !errors.Is(err, plantmesh.ErrUnauthenticated) {
		t.Errorf("without a certificate: %v", err)
	}
}

func TestPanicBecomesInternalAndIsLoggedWithItsTrace(t *testing.T) {
	var log bytes.Buffer
	id := trace.TraceID{1, 2, 3}
	ctx := trace.ContextWithSpanContext(call(t, mes), trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{1}}))
	info := &grpc.UnaryServerInfo{FullMethod: "/plantmesh.event.v1.EventService/ListStreams"}
	_, err := testGuard(t, &log).unary(ctx, &eventv1.ListStreamsRequest{}, info, func(context.Context, any) (any, error) { panic("secret detail") })
	if s := status.Convert(err); s.Code() != codes.Internal || strings.Contains(s.Message(), "secret") {
		t.Errorf("answer %v", err)
	}
	for _, want := range []string{"secret detail", id.String(), "ListStreams", "guard_test.go"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q: %s", want, log.String())
		}
	}
}

func TestOnlyUnexpectedErrorsAreLogged(t *testing.T) {
	info := &grpc.UnaryServerInfo{FullMethod: "/plantmesh.event.v1.EventService/ListStreams"}
	for _, test := range []struct {
		err    error
		code   codes.Code
		logged bool
	}{
		{fmt.Errorf("x: %w", plantmesh.ErrUnknownStream), codes.NotFound, false},
		{plantmesh.ErrTooManyPending, codes.ResourceExhausted, false},
		{context.Canceled, codes.Canceled, false},
		{plantmesh.ErrCorruptBlock, codes.DataLoss, true},
		{errors.New("nobody thought of it"), codes.Internal, true},
	} {
		var log bytes.Buffer
		_, err := testGuard(t, &log).unary(call(t, mes), &eventv1.ListStreamsRequest{}, info, func(context.Context, any) (any, error) { return nil, test.err })
		if status.Code(err) != test.code || (log.Len() > 0) != test.logged {
			t.Errorf("%v: %v, log %q", test.err, err, log.String())
		}
	}
}

func TestEnterpriseTypesAreForTheSiteThatFacesTheERP(t *testing.T) {
	plant, hq := &events{cfg: Config{Self: self}}, &events{cfg: Config{Self: self, Enterprise: true}}
	site := plantmesh.EventType{Name: "a.Site", Owners: []catalogv1.Owner{catalogv1.Owner_OWNER_SITE}}
	enterprise := plantmesh.EventType{Name: "a.Enterprise", Owners: []catalogv1.Owner{catalogv1.Owner_OWNER_ENTERPRISE}}
	for _, test := range []struct {
		at   *events
		kind plantmesh.EventType
		want error
	}{{plant, site, nil}, {hq, site, nil}, {hq, enterprise, nil}, {plant, enterprise, plantmesh.ErrNotOwner}} {
		if err := test.at.mayPublish(test.kind); !errors.Is(err, test.want) {
			t.Errorf("%s, enterprise %v: %v", test.kind.Name, test.at.cfg.Enterprise, err)
		}
	}
}
