package demo

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
)

// erp is the Odoo that hq faces, and how the demo itself looks into it.
type erp struct {
	config odoo.Config
	client *odoo.Client
	stop   func()

	patience time.Duration // how soon it must say that it is there
}

// openERP opens the Odoo that was named, or a sandbox in this process, which so survives the nodes.
func openERP(o Options, dir string) (*erp, error) {
	e := &erp{config: odoo.Default(), stop: func() {}, patience: answerWithin}
	e.config.CreateMissing = odoo.CreateAll() // nobody has published master data
	e.config.URL, e.config.Database = o.OdooURL, o.OdooDatabase
	key := o.OdooKey
	if o.OdooURL == "" {
		e.config.Database, key = "demo", rand.Text()
		if err := e.sandbox(key); err != nil {
			return nil, err
		}
	}
	e.config.APIKeyFile = filepath.Join(dir, "odoo.key")
	if err := os.WriteFile(e.config.APIKeyFile, []byte(key+"\n"), 0o600); err != nil {
		e.stop()
		return nil, err
	}
	var err error
	if e.client, err = odoo.NewClient(e.config.URL, e.config.Database, key); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

func (e *erp) sandbox(key string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	e.config.URL = "http://" + listener.Addr().String()
	server := &http.Server{Handler: sandbox.New(e.config.Database, key), ReadHeaderTimeout: 10 * time.Second}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		_ = server.Serve(listener)
	}()
	e.stop = func() {
		_ = server.Close()
		<-stopped
	}
	return nil
}

// makeBillOfMaterials does what somebody at Odoo would do who is told that it is missing.
func (s *show) makeBillOfMaterials(ctx context.Context, item string) error {
	var products []struct {
		Template []any `json:"product_tmpl_id"` // id and name
	}
	if err := s.odoo.SearchRead(ctx, "product.product", []any{[]any{"default_code", "=", item}}, []string{"product_tmpl_id"}, 1, &products); err != nil {
		return err
	}
	if len(products) == 0 || len(products[0].Template) == 0 {
		return fmt.Errorf("item %s is not there", item)
	}
	_, err := s.odoo.Create(ctx, "mrp.bom", map[string]any{"code": "BOM-" + s.tag, "product_tmpl_id": products[0].Template[0], "product_qty": 1})
	return err
}

// applied counts an event in Odoo's journal.
func (s *show) applied(ctx context.Context, f *fact) (int, error) {
	return s.odoo.Count(ctx, odoo.ModelApplied, []any{[]any{"x_event", "=", f.odooKey()}})
}

func (e *erp) close() {
	if e.client != nil {
		e.client.Close()
	}
	e.stop()
}
