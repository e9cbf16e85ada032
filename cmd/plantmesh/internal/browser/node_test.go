package browser_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
	"github.com/plantmesh/plantmesh/node"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// markup is a name that a person gave an item in Odoo.
const markup = `Bearing <script>document.title="broken"</script>`

// hq is a site that faces an Odoo, the sandbox, and compares every minute.
type hq struct {
	t       *testing.T
	cfg     config.Config
	erp     *odoo.Client
	client  *plantmesh.Client
	address string // of the console
	stop    context.CancelFunc
	ended   chan error
	logs    *syncBuffer
	serial  int
}

// syncBuffer is what a node logged.
type syncBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func newHQ(t *testing.T) *hq {
	t.Helper()
	server := httptest.NewServer(sandbox.New("mesh", "key"))
	t.Cleanup(server.Close)
	authority, err := pki.NewAuthority("acme")
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	files, err := authority.IssueFiles(folder, plantmesh.Identity{Mesh: "acme", Region: "eu", Site: "hq"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Default()
	cfg.Mesh, cfg.Site, cfg.Region, cfg.Listen, cfg.DataDir = "acme", "hq", "eu", "127.0.0.1:0", filepath.Join(folder, "data")
	cfg.TLS = config.TLS{Cert: files.Cert, Key: files.Key, CA: files.CA}
	facing := odoo.Default()
	facing.URL, facing.Database, facing.APIKey, facing.Sites = server.URL, "mesh", "key", map[string]odoo.Site{"hq": {Warehouse: "WH"}}
	facing.Reconcile.Schedule = "* * * * *"
	cfg.Odoo = &facing
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	erp, err := odoo.NewCaptureClient(facing)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(erp.Close)
	h := &hq{t: t, cfg: cfg, erp: erp, logs: &syncBuffer{}}
	h.start()
	t.Cleanup(h.end)
	return h
}

// start runs the node and waits until it serves.
func (h *hq) start() {
	h.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.address = "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(h.t.Context())
	ready := make(chan string, 1)
	h.stop, h.ended = stop, make(chan error, 1)
	go func() {
		h.ended <- node.Run(ctx, h.cfg, slog.New(slog.NewTextHandler(h.logs, nil)), node.WithHTTPListener(listener), node.WithReady(func(a net.Addr) { ready <- a.String() }))
	}()
	select {
	case at := <-ready:
		if h.client, err = plantmesh.Dial(at, plantmesh.TLSFiles{Cert: h.cfg.TLS.Cert, Key: h.cfg.TLS.Key, CA: h.cfg.TLS.CA}); err != nil {
			h.t.Fatal(err)
		}
	case err := <-h.ended:
		stop()
		h.t.Fatal(err)
	}
}

// end stops the node; it may be called twice.
func (h *hq) end() {
	if h.client == nil {
		return
	}
	_ = h.client.Close()
	h.client = nil
	h.stop()
	if err := <-h.ended; err != nil {
		h.t.Errorf("%v\n%s", err, h.logs)
	}
}

// publish records an event.
func (h *hq) publish(payload proto.Message) {
	h.t.Helper()
	h.serial++
	e, err := plantmesh.NewEvent("//hq/mes", fmt.Sprint("e-", h.serial), time.Date(2026, 5, 4, 6, h.serial, 0, 0, time.UTC), payload)
	if err != nil {
		h.t.Fatal(err)
	}
	if _, err := h.client.Publish(h.t.Context(), e); err != nil {
		h.t.Fatal(err)
	}
}

// counts waits until so many events are applied and parked.
func (h *hq) counts(applied, parked uint64) {
	h.t.Helper()
	h.until("events are applied", time.Minute, func() bool {
		s, err := h.client.Admin().GetStatus(h.t.Context(), &adminv1.GetStatusRequest{})
		return err == nil && s.GetOdoo().GetCounts().GetApplied() == applied && s.GetOdoo().GetCounts().GetParked() == parked
	})
}

// until waits for something that comes by itself.
func (h *hq) until(what string, most time.Duration, there func() bool) {
	h.t.Helper()
	over := time.After(most)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !there() {
		select {
		case <-tick.C:
		case <-over:
			h.t.Fatalf("not reached: %s\n%s", what, h.logs)
		}
	}
}

// page is what the console answers.
func (h *hq) page(path string) string {
	answer, err := http.Get(h.address + path)
	if err != nil {
		return ""
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(answer.Body)
	return string(body)
}

// differ has Odoo and the mesh disagree on an item's name and on stock, and parks an order; then it waits for the comparison that is due.
func (h *hq) differ() {
	h.t.Helper()
	pieces := func(value string) *manufacturingv1.Quantity {
		return &manufacturingv1.Quantity{Value: value, Unit: "C62"}
	}
	h.publish(&manufacturingv1.ItemChanged{ItemId: "bearing", Name: "Bearing", Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: "C62"})
	h.counts(1, 0)
	h.publish(&manufacturingv1.StockCounted{CountId: "C-1", ItemId: "bearing", Quantity: pieces("5")})
	h.counts(2, 0)
	h.publish(&manufacturingv1.ScrapReported{ItemId: "bearing", Quantity: pieces("2"), LocationId: "nowhere"})
	h.counts(2, 1)
	if _, err := h.client.Admin().DiscardParked(h.t.Context(), &adminv1.DiscardParkedRequest{Consumer: "odoo", Stream: "hq/production", Subject: "item/bearing", Offset: 1, Reason: "no such place"}); err != nil {
		h.t.Fatal(err)
	}
	h.publish(&manufacturingv1.ProductionOrderReleased{OrderId: "WO-1", ItemId: "bearing", Quantity: pieces("3")})
	h.counts(3, 0)
	h.publish(&manufacturingv1.ProductionOrderReleased{OrderId: "WO-1", ItemId: "bearing", Quantity: pieces("4"), BillOfMaterialsId: "<b>none</b>"})
	h.counts(3, 1)
	var products []struct {
		ID int64 `json:"id"`
	}
	if err := h.erp.SearchRead(h.t.Context(), "product.product", []any{[]any{"default_code", "=", "bearing"}}, []string{"name"}, 1, &products); err != nil || len(products) != 1 {
		h.t.Fatal(products, err)
	}
	if err := h.erp.Write(h.t.Context(), "product.product", []int64{products[0].ID}, map[string]any{"name": markup}); err != nil {
		h.t.Fatal(err)
	}
	h.until("the comparison of this minute shows what differs", 2*time.Minute, func() bool { return strings.Contains(h.page("/reconciliation"), "&lt;script&gt;") })
}
