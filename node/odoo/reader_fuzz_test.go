package odoo

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
)

// FuzzReply gives every reader whatever a server may answer: an error or a result, never a panic or an endless loop.
func FuzzReply(f *testing.F) {
	f.Add([]byte(`[{"id": 1, "x_event": "s e", "x_offset": "1", "x_record": 2, "x_mesh_completed": 1.0, "product_qty": 2, "qty_produced": 0.0}]`))
	f.Add([]byte(`[{"id": 1}, {"id": 1}]`))
	f.Add([]byte(`{"results": [{"status": "applied"}]}`))
	f.Add([]byte(`false`))
	var body atomic.Pointer[[]byte]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(*body.Load()) }))
	f.Cleanup(server.Close)
	client, err := NewClient(server.URL, "mesh", "key")
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(client.Close)
	reader := NewReader(client)
	a := &Applier{cfg: Default(), client: client}
	f.Fuzz(func(t *testing.T, reply []byte) {
		body.Store(&reply)
		for _, read := range []func(context.Context) error{
			func(ctx context.Context) error { _, err := reader.Applied(ctx); return err },
			func(ctx context.Context) error { _, err := reader.Totals(ctx); return err },
			func(ctx context.Context) error { _, err := reader.Orders(ctx); return err },
			func(ctx context.Context) error {
				results, err := a.send(ctx, []*job{{}})
				if err == nil && len(results) != 1 {
					t.Errorf("%d results for one event", len(results))
				}
				return err
			},
		} {
			_ = read(t.Context()) // either is right; it has to end
		}
	})
}
