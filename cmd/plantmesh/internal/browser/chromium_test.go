package browser_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// walkTimeout bounds a whole walk through the pages.
const walkTimeout = 3 * time.Minute

// chromium is where the browser is. It skips the test where there is none.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Skip("NOT RUN in a browser: no chromium is found; install it (`apt-get install chromium`), or set CHROMIUM to its path")
	return ""
}

// browser is Chromium with a profile of its own.
type browser struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex // guards what follows
	asked    []string   // hosts other than the console's
	problems []string   // what it complained about
}

func newBrowser(t *testing.T, path, console string) *browser {
	t.Helper()
	allocated, end := chromedp.NewExecAllocator(t.Context(),
		chromedp.ExecPath(path), chromedp.UserDataDir(filepath.Join(t.TempDir(), "profile")), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.Flag("hide-scrollbars", true), chromedp.WSURLReadTimeout(time.Minute))
	t.Cleanup(end)
	ctx, leave := chromedp.NewContext(allocated)
	t.Cleanup(leave)
	b := &browser{t: t}
	home, err := url.Parse(console)
	if err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(ctx); err != nil { // starts it
		t.Fatal(err)
	}
	var over context.CancelFunc
	b.ctx, over = context.WithTimeout(ctx, walkTimeout)
	t.Cleanup(over)
	if err := chromedp.Listen(b.ctx, func(event any) { b.listen(home.Host, event) }); err != nil {
		t.Fatal(err)
	}
	tell(b, network.Enable, network.EnableParams{})
	tell(b, cdplog.Enable, cdp.Empty{})
	tell(b, runtime.Enable, cdp.Empty{})
	return b
}

// listen notes what the browser asks for and complains about.
func (b *browser) listen(home string, event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Host != home {
			b.asked = append(b.asked, e.Request.URL)
		}
	case *cdplog.EventEntryAdded:
		b.problems = append(b.problems, e.Entry.Text+" "+e.Entry.URL)
	case *runtime.EventExceptionThrown:
		b.problems = append(b.problems, e.ExceptionDetails.Text)
	}
}

// run does something in the browser.
func (b *browser) run(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// of is what an action finds.
func of[T any](b *browser, action chromedp.Action[T]) T {
	b.t.Helper()
	v, err := chromedp.Run(b.ctx, action)
	if err != nil {
		b.t.Fatal(err)
	}
	return v
}

// value is what an expression has in the page.
func value[T any](b *browser, expression string) T {
	b.t.Helper()
	return of(b, chromedp.Evaluate[T](expression))
}

// tell gives the browser a command of its protocol.
func tell[P, R any](b *browser, c cdp.Command[P, R], params P) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, c, params); err != nil {
		b.t.Fatal(err)
	}
}

// reads fails the test for what somebody cannot read there.
func (b *browser) reads(selector string, wants ...string) {
	b.t.Helper()
	text := of(b, chromedp.Text(chromedp.CSS(selector)))
	for _, want := range wants {
		if !strings.Contains(text, want) {
			b.t.Errorf("%s lacks %q:\n%s", selector, want, text)
		}
	}
}

// quiet fails the test if the browser asked anybody else, or complained.
func (b *browser) quiet() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.asked) > 0 || len(b.problems) > 0 {
		b.t.Errorf("the browser asked others for %q, and complained: %q", b.asked, b.problems)
	}
}
