package capture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// Log is what capture needs of the site's log; *storage.Log is one.
type Log interface {
	Append(ctx context.Context, w storage.Write) ([]storage.Receipt, error)
	Get(s plantmesh.StreamName, o plantmesh.Offset) (*eventv1.RecordedEvent, error)
	Cursor(name string) ([]byte, error)
	Cursors(prefix string, fn func(name string, value []byte) error) error
	Err() error
}

// Caller is an Odoo; *odoo.Client is one.
type Caller interface {
	Call(ctx context.Context, model, method string, args odoo.Args, out any) error
}

// Capture polls one Odoo database. Status may be called at any time; Run and Poll by one goroutine.
type Capture struct {
	config odoo.Config
	site   plantmesh.SiteID
	log    Log
	odoo   Caller
	logger *slog.Logger
	now    func() time.Time

	fields map[string]map[string]bool // of the models that are installed, by name
	asked  time.Time                  // when fields were asked for first
	uid    int64                      // of the user that capture reads as, which is the one that the mesh writes as

	mu     sync.Mutex
	status Status // guarded by mu
}

// New prepares to capture. It starts nothing. config.Capture must be set.
func New(config odoo.Config, site plantmesh.SiteID, caller Caller, log Log, logger *slog.Logger) (*Capture, error) {
	if config.Capture == nil {
		return nil, errors.New("odoo.capture: is not configured")
	}
	c := &Capture{config: config, site: site, log: log, odoo: caller, logger: logger, now: time.Now}
	for _, k := range kinds {
		c.status.Kinds = append(c.status.Kinds, KindStatus{Name: k.name, Model: k.model})
	}
	return c, nil
}

// Run polls until ctx ends; it returns nil then. Trouble with Odoo, or a disk that is full, is shown in the status and tried again at the next
// poll; only a log that has failed ends it with an error.
func (c *Capture) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		err := c.Poll(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, plantmesh.ErrStorageFailed) {
			return fmt.Errorf("capture from odoo: %w", err)
		}
		timer.Reset(c.config.Capture.Interval())
	}
}

// fieldsLast is how long capture goes by the fields that Odoo had: an app may be installed, and the mesh's own fields provisioned, while it runs.
const fieldsLast = 5 * time.Minute

// Poll looks once for changes of every kind. A kind that cannot be read does not hold up the others.
//
// Errors: those of each kind, joined.
func (c *Capture) Poll(ctx context.Context) error {
	if c.uid == 0 {
		var user struct {
			UID int64 `json:"uid"`
		}
		if err := c.odoo.Call(ctx, "res.users", "context_get", odoo.Args{}, &user); err != nil {
			err = fmt.Errorf("ask odoo who reads: %w", err)
			for i := range kinds {
				c.report(i, 0, err)
			}
			return err
		}
		c.uid = user.UID
	}
	if now := c.now(); now.Sub(c.asked) >= fieldsLast {
		c.fields, c.asked = nil, now
	}
	var faults []error
	for i, k := range kinds {
		p := &pass{Capture: c, kind: k, index: i, context: lookups{}}
		err := p.run(ctx)
		if ctx.Err() != nil {
			return errors.Join(append(faults, ctx.Err())...)
		}
		if err != nil {
			err = fmt.Errorf("capture %s: %w", k.name, err)
			faults = append(faults, err)
		}
		c.report(i, p.recorded, err)
		c.leftOut(i, p)
	}
	return errors.Join(faults...)
}

// columns are the fields of a model that this database has; nil if the model is not installed.
func (c *Capture) columns(ctx context.Context, model string) (map[string]bool, error) {
	if known, ok := c.fields[model]; ok {
		return known, nil
	}
	var all map[string]struct{}
	err := c.odoo.Call(ctx, model, "fields_get", odoo.Args{"attributes": []string{"type"}}, &all)
	var failed *odoo.Error
	if errors.As(err, &failed) && failed.Status == 404 && failed.Name != "" {
		all, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	if c.fields == nil {
		c.fields = map[string]map[string]bool{}
	}
	var has map[string]bool
	for name := range all {
		if has == nil {
			has = map[string]bool{}
		}
		has[name] = true
	}
	c.fields[model] = has
	return has, nil
}
