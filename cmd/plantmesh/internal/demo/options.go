package demo

import (
	"errors"
	"fmt"
	"io"
)

// Options say what to run.
type Options struct {
	Input, Mapping string // a file of a real factory, and its mapping; empty: made-up events

	OdooURL, OdooDatabase, OdooKey string // a real Odoo; empty: the sandbox

	Orders int      // how many orders to make up
	Seed   uint64   // of what is made up
	Scenes []string // see SceneNames; empty: none of them
	KillHQ bool     // kill the node that faces Odoo, too
	Once   bool     // end after the verdict
	JSON   bool     // end with one JSON object on Out, and nothing else there
	Keep   string   // keep everything in this folder; empty: a temporary one, removed at the end

	Out, Err io.Writer
	Terminal bool // Out, or with JSON Err, is a terminal: redraw
	Width    int  // of that terminal
}

// DefaultOrders is enough to take some seconds.
const DefaultOrders = 150

// ErrUsage is returned for options that do not go together.
var ErrUsage = errors.New("wrong options")

func (o Options) validate() error {
	if fault := o.fault(); fault != "" {
		return fmt.Errorf("%w: %s", ErrUsage, fault)
	}
	return nil
}

// fault says what is wrong; empty if nothing.
func (o Options) fault() string {
	if (o.Input == "") != (o.Mapping == "") {
		return "--input and --mapping go together: the mapping says how the file's rows become events"
	}
	given := 0
	for _, s := range []string{o.OdooURL, o.OdooDatabase, o.OdooKey} {
		if s != "" {
			given++
		}
	}
	if given != 0 && given != 3 {
		return "--odoo-url, --odoo-db and --odoo-key go together"
	}
	if fault := unknownScene(o.Scenes); fault != "" {
		return fault
	}
	if o.Orders < 1 {
		return "--orders: give at least 1"
	}
	return ""
}
