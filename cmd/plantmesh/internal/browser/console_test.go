package browser_test

import (
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

func TestConsoleInABrowser(t *testing.T) {
	path := chromium(t)
	h := newHQ(t)
	h.differ()
	b := newBrowser(t, path, h.address)

	b.run(chromedp.Navigate(h.address))
	b.reads("main", "waiting for their turn", "parked or held back", "2\ndifferences", "hq/production")
	b.reads("header", "Overview", "Reconciliation", "Parked")
	b.wellFormed("/")
	b.pictures("overview")

	b.run(chromedp.Click(`//nav/a[starts-with(., "Reconciliation")]`), chromedp.WaitVisible(chromedp.CSS(`.differences`)))
	b.reads(".differences", "stock", "hq (WH)", "item bearing", "C62", "discarded", "item", markup)
	b.wellFormed("/reconciliation")
	b.pictures("reconciliation")
	b.filters()
	b.downloads(filepath.Join(t.TempDir(), "downloads"))
	b.run(chromedp.Click(chromedp.CSS(`.differences summary`)), chromedp.WaitVisible(chromedp.CSS(`.differences details pre`)))
	b.reads(".differences details", "plantmesh odoo approve correction-", "2 C62 less in Odoo")
	b.pictures("proposal")

	b.run(chromedp.Click(`//nav/a[starts-with(., "Parked")]`), chromedp.WaitVisible(chromedp.CSS(`article`)))
	b.reads("article", "order/WO-1", "What Odoo said", "<b>none</b>", "Manufacturing order", "Open WH/MO/", "order_id", "hq/production@3")
	b.wellFormed("/parked")
	b.pictures("parked")
	b.run(chromedp.Click(chromedp.CSS(`article h2 a`)), chromedp.WaitVisible(`//h1[.="order/WO-1"]`))
	b.reads("main", "plantmesh parked retry hq/production order/WO-1", "plantmesh parked discard hq/production order/WO-1 --offset 3", "//hq/mes")
	if href := value[string](b, `document.querySelector(".record a").href`); !strings.HasPrefix(href, h.cfg.Odoo.URL+"/odoo/mrp.production/") {
		t.Errorf("the record's link leads to %s", href)
	}
	b.wellFormed("the page of an event")
	b.pictures("event")
	b.quiet()

	// The last comparison outlives the node; what was parked is there again.
	b.run(chromedp.Navigate("about:blank"))
	h.end()
	h.start()
	again := newBrowser(t, path, h.address)
	again.run(chromedp.Navigate(h.address + "/reconciliation"))
	again.reads("main", "Made at", "The next is due", "item bearing", markup)
	again.reads(".differences", "Proposal: 2 C62 less in Odoo")
	again.quiet()
}

// filters shows one kind only, then all again.
func (b *browser) filters() {
	b.t.Helper()
	rows := func() int { return value[int](b, `document.querySelectorAll(".differences tbody tr").length`) }
	all := rows()
	b.run(chromedp.SetValue(chromedp.CSS(`select[name=kind]`), "stock"), chromedp.Click(chromedp.CSS(`.filter button`)), chromedp.WaitVisible(`//a[.="Show all"]`))
	if n := rows(); all != 2 || n != 1 {
		b.t.Errorf("%d differences, %d of stock; want 2 and 1", all, n)
	}
	b.reads(".differences", "item bearing", "quantity")
}

// downloads takes what is filtered as a table.
func (b *browser) downloads(folder string) {
	b.t.Helper()
	if err := os.MkdirAll(folder, 0o700); err != nil {
		b.t.Fatal(err)
	}
	done := make(chan cdpbrowser.DownloadProgressState, 1)
	if err := chromedp.ListenBrowser(b.ctx, func(event any) {
		if e, ok := event.(*cdpbrowser.EventDownloadProgress); ok && e.State != cdpbrowser.DownloadProgressStateInProgress {
			select {
			case done <- e.State:
			default:
			}
		}
	}); err != nil {
		b.t.Fatal(err)
	}
	if _, err := chromedp.CallBrowser(b.ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior: cdpbrowser.SetDownloadBehaviorBehaviorAllow, DownloadPath: folder, EventsEnabled: new(true),
	}); err != nil {
		b.t.Fatal(err)
	}
	b.run(chromedp.Click(`//a[.="CSV"]`))
	select {
	case state := <-done:
		if state != cdpbrowser.DownloadProgressStateCompleted {
			b.t.Fatalf("the download is %s", state)
		}
	case <-time.After(20 * time.Second):
		b.t.Fatal("nothing is downloaded")
	}
	found, err := filepath.Glob(filepath.Join(folder, "reconciliation-*.csv"))
	if err != nil || len(found) != 1 {
		b.t.Fatalf("downloaded %v, %v", found, err)
	}
	file, err := os.Open(found[0])
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil || len(rows) != 2 || rows[1][0] != "stock" || rows[1][6] != "2" || !strings.HasPrefix(rows[1][10], "correction-") {
		b.t.Errorf("%v: downloaded %q", err, rows)
	}
}

// wellFormed holds a page to what people with a screen reader, a small screen or a keyboard need.
func (b *browser) wellFormed(page string) {
	b.t.Helper()
	for what, expression := range map[string]string{
		"a script":                            `document.querySelectorAll("script").length`,
		"a style or handler inside a tag":     `[...document.querySelectorAll("*")].filter(e => [...e.attributes].some(a => a.name == "style" || a.name.startsWith("on"))).length`,
		"a number of main headings but one":   `Math.abs(document.querySelectorAll("h1").length - 1)`,
		"a header of a table without scope":   `document.querySelectorAll("th:not([scope])").length`,
		"a field without a label":             `[...document.querySelectorAll("select, input")].filter(e => !e.labels.length).length`,
		"an image without a text":             `document.querySelectorAll("img:not([alt])").length`,
		"a level of headings left out":        `[...document.querySelectorAll("h1, h2, h3")].filter((e, i, all) => i && e.tagName[1] - all[i-1].tagName[1] > 1).length`,
		"a page without language":             `document.documentElement.lang == "en" ? 0 : 1`,
		"an id twice":                         `[...document.querySelectorAll("[id]")].filter((e, i, all) => all.findIndex(o => o.id == e.id) != i).length`,
		"a name that is of nothing":           `[...document.querySelectorAll("[aria-labelledby]")].filter(e => !document.getElementById(e.getAttribute("aria-labelledby"))).length`,
		"a page that another title was given": `document.title.includes("broken") ? 1 : 0`,
	} {
		if n := value[float64](b, expression); n != 0 {
			b.t.Errorf("%s has %v times %s", page, n, what)
		}
	}
	b.screen(390)
	if wide := value[int](b, `document.documentElement.scrollWidth`); wide > 390 {
		b.t.Errorf("%s is %d wide on a screen of 390", page, wide)
	}
	b.screen(0)
}

// screen gives the page a width, or with 0 that of the window.
func (b *browser) screen(width int64) {
	b.t.Helper()
	if width == 0 {
		tell(b, emulation.ClearDeviceMetricsOverride, cdp.Empty{})
		return
	}
	tell(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 500})
}

// pictures keeps the page as it looks, if somebody wants to see it.
func (b *browser) pictures(name string) {
	b.t.Helper()
	folder := os.Getenv("PLANTMESH_SCREENSHOTS")
	if folder == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{390, 1280} {
			tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			b.screen(width)
			png := of(b, chromedp.FullScreenshot(100))
			if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%d-%s.png", name, width, scheme)), png, 0o600); err != nil {
				b.t.Fatal(err)
			}
		}
	}
	tell(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
	b.screen(0)
}
