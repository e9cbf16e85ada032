package demo

import (
	"crypto/rand"
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

func (e *erp) close() {
	if e.client != nil {
		e.client.Close()
	}
	e.stop()
}
