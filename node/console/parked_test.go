package console_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/node/odoo"
)

const linkToOne = "/parked/event?consumer=odoo&stream=plant-a%2Fproduction&subject=order%2FWO-1"

func TestParkedEventHasOdoosWordsTheRecordAndTheEventSideBySide(t *testing.T) {
	o := newOffice(t)
	o.park("WO-1")
	o.found = map[string]odoo.Record{"order/WO-1": {Kind: "manufacturing order", Model: "mrp.production", Key: "WO-1", ID: 12, Name: "WH/MO/00012", More: 1}}
	common := []string{
		"No product has the reference &lt;script&gt;", "Manufacturing order", `href="https://odoo.example/odoo/mrp.production/12"`, "Open WH/MO/00012 in Odoo", "(mrp.production 12, and 1 more)",
		"plant-a/production@17", "(60 min ago)", "in 4 min", "2, this one included", "&#34;order_id&#34;: &#34;WO-1&#34;", `&#34;item_id&#34;: &#34;&lt;script&gt;`,
		"plantmesh parked retry plant-a/production order/WO-1", "plantmesh parked discard plant-a/production order/WO-1 --offset 17 --reason &#39;THE REASON&#39;",
	}
	o.shows("/parked", append(common, "1 subject is parked", strings.ReplaceAll(linkToOne, "&", "&amp;"))...)
	o.shows(linkToOne, append(common, "<h1>order/WO-1</h1>", "//plant-a/mes", "e-WO-1", "2026-05-28 20:26:40 UTC")...)
}

func TestCommandsAreQuotedForAShell(t *testing.T) {
	o := newOffice(t)
	o.park("a'b $(reboot)")
	o.shows("/parked", `plantmesh parked retry plant-a/production &#39;order/a&#39;\&#39;&#39;b $(reboot)&#39;`)
}

func TestRecordIsNamedWhereOdooCannotBeAsked(t *testing.T) {
	o := newOffice(t)
	o.park("WO-1")
	o.shows("/parked", "Odoo has none by that name (mrp.production)")
	o.fault = errors.New("no route to host")
	o.shows("/parked", "could not be looked up in Odoo. no route to host", "Not looked up; it would be in mrp.production.")
	asked := o.asked
	o.status.Odoo.Problem = "Invalid apikey"
	o.shows("/parked", "Invalid apikey", "Not looked up; it would be in mrp.production.")
	if o.asked != asked {
		t.Error("an Odoo that refuses the key is asked again by each page")
	}
	o.parked[0].Subject = "asset/press-1"
	o.shows("/parked", "stands for no record of its own")
}

func TestOdoosWordsComeWithoutTheCallThatTheyAnswer(t *testing.T) {
	o := newOffice(t)
	o.park("WO-1")
	o.parked[0].Reason = "ir.actions.server/run: odoo: Nothing: odoo: helps"
	o.shows("/parked", "<blockquote>Nothing: odoo: helps</blockquote>")
	o.parked[0].Reason = "quantity: a long story: odoo: of a mapping"
	o.shows("/parked", "<blockquote>quantity: a long story: odoo: of a mapping</blockquote>")
}

func TestManyParkedEventsComeInPages(t *testing.T) {
	o := newOffice(t)
	for n := range 45 {
		o.park(fmt.Sprint("WO-", n))
	}
	for path, want := range map[string]int{"/parked": 20, "/parked?page=2": 20, "/parked?page=3": 5, "/parked?page=99": 5, "/parked?page=-1": 20, "/parked?page=x": 20} {
		if n := strings.Count(o.shows(path, "45 subjects are parked", "of 3."), "<article"); n != want {
			t.Errorf("%s shows %d, want %d", path, n, want)
		}
	}
	o.shows("/parked?page=2", `href="/parked?page=1"`, `href="/parked?page=3"`)
}

func TestEventThatIsNotParkedAnyMoreIsSaidToBeGone(t *testing.T) {
	o := newOffice(t)
	for _, path := range []string{linkToOne, "/parked/event", "/parked/event?consumer=nobody"} {
		answer := o.get(path)
		if body := answer.Body.String(); answer.Code != http.StatusNotFound || !strings.Contains(body, "is not parked, or not any more") {
			t.Errorf("%s: %d\n%s", path, answer.Code, body)
		}
	}
}
