package demo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// ErrFailed is returned when the verdict is that something was lost, doubled, out of order or not accounted for, or that a
// scene did not hold.
var ErrFailed = errors.New("the demo failed")

// Run runs the demo from first to last. It returns ErrFailed, with the verdict printed, or what kept it from a verdict.
func Run(ctx context.Context, o Options) (err error) {
	if err := o.validate(); err != nil {
		return err
	}
	dir, remove, err := folder(o.Keep)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()

	in, err := openInput(o, dir)
	if err != nil {
		return err
	}
	erp, err := openERP(o, dir)
	if err != nil {
		return err
	}
	defer erp.close()
	if err := erp.answers(ctx); err != nil {
		return err
	}
	c, err := newCluster(dir, in.mapping, erp.config)
	defer c.close()
	if err != nil {
		return err
	}
	if err := c.startAll(ctx); err != nil {
		return err
	}
	w := newWatcher(c)
	p := newProgress(o, w, len(in.events))
	watching, stopWatching := context.WithCancel(ctx)
	var background sync.WaitGroup
	background.Go(func() { w.run(watching) })
	background.Go(func() { p.run(watching) })
	background.Go(func() { erp.pulse(watching, pulseEvery, p.scene) })
	defer background.Wait()
	defer stopWatching()

	s := &show{cluster: c, feed: newFeed(in), watch: w, progress: p, killHQ: o.KillHQ, chosen: o.Scenes, odoo: erp.client, tag: strings.ToLower(rand.Text()[:6])}
	began := time.Now()
	if err := s.play(ctx); err != nil {
		return err
	}
	p.scene("verifying every replica against its origin, and every event against Odoo")
	e, err := gather(ctx, s, erp.client)
	if err != nil {
		return err
	}
	r := judge(in, e)
	s.endPartition(e)
	p.rest()
	if err := s.playScenes(ctx); err != nil {
		return err
	}
	r.addScenes(s.scenes)
	r.Seconds, r.RecordedApart = time.Since(began).Seconds(), s.apart
	r.Kills = append(r.Kills, s.kills...)
	stopWatching()
	background.Wait()
	if err := r.print(o, dir); err != nil {
		return err
	}
	if !o.Once {
		stayUp(ctx, o, c, in.mapping)
	}
	if !r.Verified {
		return ErrFailed
	}
	return nil
}

// openInput reads or makes up the events. The mapping's path is absolute then.
func openInput(o Options, dir string) (*input, error) {
	if o.Input != "" {
		mapping, err := filepath.Abs(o.Mapping)
		if err != nil {
			return nil, err
		}
		return readInput(o.Input, mapping)
	}
	mapping := filepath.Join(dir, "shop-floor.yaml")
	if err := os.WriteFile(mapping, shopFloor, 0o644); err != nil {
		return nil, err
	}
	return generate(o.Orders, o.Seed, mapping)
}

// stayUp says what to try, and waits.
func stayUp(ctx context.Context, o Options, c *cluster, mapping string) {
	hq, a, program := c.sites[siteHQ], c.sites[plants[0]], programName(c.binary)
	fmt.Fprintf(o.out(), `
The sites are up until you press Ctrl-C. Try, in another terminal:
  %[1]s status --config %[2]s
  %[1]s tail --config %[2]s --from earliest --subject 'order/*'
  %[1]s verify --config %[2]s
  %[1]s parked list --discarded --config %[2]s
  cp FILE.csv %[3]s/
      (its columns: see %[4]s)
`, program, hq.config, a.inbox, mapping)
	<-ctx.Done()
}

// programName is how this program can be called again.
func programName(binary string) string {
	if strings.Contains(binary, "go-build") { // of go run: it is gone when the demo ends
		return "go run ./cmd/plantmesh"
	}
	return binary
}
