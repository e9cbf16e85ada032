package odoo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
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

var tracer = otel.Tracer("github.com/plantmesh/plantmesh/node/odoo")

// Args are the named arguments of a method; ids and context among them.
type Args map[string]any

// Client speaks Odoo's JSON-2 API. It is safe for concurrent use.
type Client struct {
	base     *url.URL
	database string
	key      string
	http     *http.Client
}

// NewClient returns a client for one database; key is the API key of the user it works as.
func NewClient(address, database, key string) (*Client, error) {
	base, err := url.Parse(strings.TrimSuffix(address, "/"))
	if err != nil {
		return nil, fmt.Errorf("odoo address %q: %w", address, err)
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: idleConnections, IdleConnTimeout: idleTimeout}
	return &Client{base: base, database: database, key: key, http: &http.Client{Transport: transport, Timeout: callTimeout}}, nil
}

// Close drops idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Call runs a method of a model and decodes its result into out, unless that is nil. It is one transaction in Odoo,
// committed before the reply.
//
// Errors: *Error if Odoo answered with one; the context's; anything else is a lost connection, after which nobody knows
// whether the call was made.
func (c *Client) Call(ctx context.Context, model, method string, args Args, out any) error {
	ctx, span := tracer.Start(ctx, "odoo "+model+"/"+method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("server.address", c.base.Host), attribute.String("db.namespace", c.database)))
	defer span.End()
	err := c.call(ctx, model, method, args, out)
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	return err
}

func (c *Client) call(ctx context.Context, model, method string, args Args, out any) error {
	if args == nil {
		args = Args{}
	}
	body, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("%s/%s: encode: %w", model, method, err)
	}
	address := c.base.JoinPath("json", "2", model, method).String()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s/%s: %w", model, method, err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "bearer "+c.key)
	request.Header.Set("X-Odoo-Database", c.database)
	response, err := c.http.Do(request)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%s/%s: %w", model, method, withoutAddress(err))
	}
	defer response.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil {
		return fmt.Errorf("%s/%s: read the reply: %w", model, method, err)
	}
	if len(reply) > maxReply {
		return fmt.Errorf("%s/%s: the reply is larger than %d bytes", model, method, maxReply)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s/%s: %w", model, method, decodeError(response.StatusCode, reply))
	}
	if out == nil {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(reply))
	decoder.UseNumber() // a quantity must not become a float on its way
	if err := decoder.Decode(out); err != nil {
		return fmt.Errorf("%s/%s: the reply is not what was asked for: %w", model, method, err)
	}
	return nil
}

// withoutAddress keeps the cause of a failed request: the address is known, and would change the text with every model.
func withoutAddress(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		return failed.Err
	}
	return err
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

// Version asks for the server's version; it needs neither a key nor a database.
func (c *Client) Version(ctx context.Context) (string, error) {
	version, _, err := c.version(ctx)
	return version, err
}

// version also tells the time by the server's clock; zero if it does not say.
func (c *Client) version(ctx context.Context) (string, time.Time, error) {
	var v struct {
		Version string `json:"version"`
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base.JoinPath("web", "version").String(), nil)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("odoo version: %w", err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("odoo version: %w", withoutAddress(err))
	}
	defer response.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("odoo version: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return "", time.Time{}, fmt.Errorf("odoo version: %w", decodeError(response.StatusCode, reply))
	}
	if err := json.Unmarshal(reply, &v); err != nil || v.Version == "" {
		return "", time.Time{}, fmt.Errorf("odoo version: the server at %s does not answer as Odoo 19 does: check odoo.url", c.base.Host)
	}
	date, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		date = time.Time{}
	}
	return v.Version, date, nil
}
