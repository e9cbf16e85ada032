package node_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// get asks the console for a page.
func get(t *testing.T, address, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(body)
}

func TestConsoleShowsWhatTheNodeParkedWithOdoosWordsTheRecordAndTheEvent(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	c := newCluster(t)
	cfg := withOdoo(t, c.config("hq"))
	hq := c.start(cfg, node.WithHTTPListener(listener))
	release := func(id, bom string) *eventv1.Event {
		t.Helper()
		e, err := plantmesh.NewEvent("//hq/mes", id, time.Unix(1_750_000_000, 0), &manufacturingv1.ProductionOrderReleased{
			OrderId: "WO-1", ItemId: "<script>alert(1)</script>", Quantity: &manufacturingv1.Quantity{Value: "5", Unit: "C62"}, BillOfMaterialsId: bom,
		})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	if _, err := hq.events().Publish(t.Context(), &eventv1.PublishRequest{Events: []*eventv1.Event{release("r-1", ""), release("r-2", "<i>none</i>")}}); err != nil {
		t.Fatal(err)
	}
	until(t, "the second is parked", func() bool { return hq.status().GetOdoo().GetCounts().GetParked() == 1 })

	link := "/parked/event?consumer=odoo&stream=hq%2Fproduction&subject=order%2FWO-1"
	for path, wants := range map[string][]string{
		"/":               {"<h1>hq</h1>", "of mesh test", `<span class="figure">1</span> applied`, `<span class="figure">1</span> parked or held back`, "hq/production", "written here"},
		"/parked":         {"order/WO-1", "&lt;i&gt;none&lt;/i&gt;", strings.ReplaceAll(link, "&", "&amp;"), "Open WH/MO/", cfg.Odoo.URL + "/odoo/mrp.production/", "&#34;item_id&#34;: &#34;&lt;script&gt;", "plantmesh parked retry hq/production order/WO-1"},
		link:              {"<h1>order/WO-1</h1>", "What Odoo said", "Manufacturing order", "plantmesh.manufacturing.v1.ProductionOrderReleased", "plantmesh parked discard hq/production order/WO-1 --offset 2 --reason &#39;THE REASON&#39;"},
		"/reconciliation": {"No comparison is scheduled", "plantmesh odoo reconcile"},
		"/healthz":        {"ok\n"}, "/readyz": {"ok\n"},
	} {
		code, body := get(t, address, path)
		if code != http.StatusOK {
			t.Errorf("%s: status %d", path, code)
		}
		for _, want := range wants {
			if !strings.Contains(body, want) {
				t.Errorf("%s lacks %s:\n%s", path, want, body)
			}
		}
		if strings.Contains(body, "<script") || strings.Contains(body, "<i>") {
			t.Errorf("%s holds markup of an event:\n%s", path, body)
		}
	}
	if code, body := get(t, address, "/reconciliation.csv"); code != http.StatusNotFound || !strings.Contains(body, "no comparison") {
		t.Errorf("status %d:\n%s", code, body)
	}

	hq.end()
	if _, err := net.Dial("tcp", address); err == nil {
		t.Error("the console serves on after the node stopped")
	}
}

func TestAddressOfTheConsoleThatIsTakenIsNamed(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = taken.Close() }()
	cfg := newCluster(t).config("hq")
	cfg.HTTP = taken.Addr().String()
	if err := node.Run(t.Context(), cfg, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), `http "`+cfg.HTTP+`"`) || !strings.Contains(err.Error(), "choose another address under `http`") {
		t.Errorf("error %v", err)
	}
}
