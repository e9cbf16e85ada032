package odoo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

const (
	// callTimeout is above the half minute that Odoo spends on repeating a call of its own accord, and above its
	// limit_time_real of 120 s, after which it is certain to have given up.
	callTimeout = 150 * time.Second
	// maxReply bounds what is read of one reply.
	maxReply = 64 << 20
	// idleConnections are kept open beyond the calls in flight, for idleTimeout.
	idleConnections = 64
	idleTimeout     = 90 * time.Second
)

// errReply is a reply that came whole and cannot be read: unlike a lost one, it will be the same the next time.
var errReply = errors.New("the reply is not what was asked for")

var tracer = otel.Tracer("github.com/plantmesh/plantmesh/node/odoo")

// Args are the named arguments of a method; ids and context among them.
type Args map[string]any

// Access is how to get into one database.
type Access struct {
	URL, Database string

	API   string // one of APIAuto, APIJSON2 and APIJSONRPC; empty: APIAuto
	Login string // of the user; JSON-2 does without
	Key   string // API key of the user that the client works as; JSON-RPC takes a password, too
}

// Client calls methods of Odoo's models. It is safe for concurrent use.
type Client struct {
	access Access
	wire   *wire

	door    atomic.Pointer[door]
	version atomic.Pointer[string] // of the server, as it said last
}

// Open returns a client. It connects to nothing yet: with APIAuto, the first call asks for the server's version.
func Open(access Access) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(access.URL, "/"))
	if err != nil {
		return nil, fmt.Errorf("odoo address %q: %w", access.URL, err)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: idleTimeout}
	return &Client{access: access, wire: &wire{base: base, http: &http.Client{Transport: transport, Timeout: callTimeout}}}, nil
}

// NewClient returns a client that speaks JSON-2 with one database; key is the API key of the user it works as.
func NewClient(address, database, key string) (*Client, error) {
	return Open(Access{URL: address, Database: database, API: APIJSON2, Key: key})
}

// Close drops idle connections.
func (c *Client) Close() { c.wire.http.CloseIdleConnections() }

// Call runs a method of a model and decodes its result into out, unless that is nil. It is one transaction in Odoo,
// committed before the reply.
//
// Errors: *Error if Odoo answered with one; the context's; anything else is a lost connection, after which nobody knows
// whether the call was made.
func (c *Client) Call(ctx context.Context, model, method string, args Args, out any) error {
	ctx, span := tracer.Start(ctx, "odoo "+model+"/"+method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("server.address", c.wire.base.Host), attribute.String("db.namespace", c.access.Database)))
	defer span.End()
	err := c.call(ctx, model, method, args, out)
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}

func (c *Client) call(ctx context.Context, model, method string, args Args, out any) error {
	door, err := c.chosen(ctx)
	if err != nil {
		return fmt.Errorf("%s/%s: %w", model, method, err)
	}
	result, err := door.call(ctx, model, method, args)
	if ctx.Err() != nil && err != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%s/%s: %w", model, method, err)
	}
	if out == nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(result))
	decoder.UseNumber() // a quantity must not become a float on its way
	if err := decoder.Decode(out); err != nil {
		return fmt.Errorf("%s/%s: %w: %w", model, method, errReply, err)
	}
	return nil
}

// Create makes records and returns their ids.
func (c *Client) Create(ctx context.Context, model string, values ...map[string]any) ([]int64, error) {
	var ids []int64
	err := c.Call(ctx, model, "create", Args{"vals_list": values}, &ids)
	return ids, err
}

// Write changes records.
func (c *Client) Write(ctx context.Context, model string, ids []int64, values map[string]any) error {
	return c.Call(ctx, model, "write", Args{"ids": ids, "vals": values}, nil)
}

// SearchRead decodes the named fields of the records that match into out, a pointer to a slice of structs, ordered by id.
func (c *Client) SearchRead(ctx context.Context, model string, domain []any, fields []string, limit int, out any) error {
	return c.Call(ctx, model, "search_read", Args{"domain": domain, "fields": fields, "order": "id", "limit": limit}, out)
}

// Count counts the records that match.
func (c *Client) Count(ctx context.Context, model string, domain []any) (int, error) {
	var n int
	err := c.Call(ctx, model, "search_count", Args{"domain": domain}, &n)
	return n, err
}
