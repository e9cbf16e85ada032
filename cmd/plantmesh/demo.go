package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/plantmesh/plantmesh/cmd/plantmesh/internal/demo"
)

func newDemo() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Run five sites on this machine, break things, and prove that nothing is lost",
		Long: `Run five sites on loopback, each a process of its own with real certificates: four plants, and hq, which faces an Odoo
sandbox or a real Odoo. A factory's events are dropped as files; meanwhile plant-b is cut off, plant-c is killed and
started again, and a file is dropped twice. In the end every replica is verified against its origin and every event
against Odoo. Then the other scenes follow, with events of their own, which the counts of the feed leave out:

  partition   during the feed: plant-b is cut off, goes on recording, and catches up
  recovery    plant-d loses its data directory for good, and gets its streams back from its peers
  parking     Odoo refuses events of two orders; one is mended in Odoo and retried, one discarded with a reason, others flow
  thin-line   plant-a has 50 kbit/s and a backlog of machine reports; urgent quality holds overtake it

The exit status is 1 if anything is lost, doubled, out of order per subject or not accounted for, or a scene does not
hold. How long things take is printed, and decides nothing.`,
		Example: `  plantmesh demo
  plantmesh demo --once --json
  plantmesh demo --once --scenes partition,parking
  plantmesh demo --once --input production_log.csv --mapping deploy/examples/production-log.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out, o.Err = cmd.OutOrStdout(), cmd.ErrOrStderr()
			shown := o.Out
			if o.JSON {
				shown = o.Err
			}
			o.Terminal, o.Width = terminal(shown)
			err := demo.Run(cmd.Context(), o)
			switch {
			case errors.Is(err, demo.ErrFailed):
				return errReported
			case errors.Is(err, demo.ErrUsage):
				return &usageError{err: err, help: cmd.CommandPath()}
			case err != nil && cmd.Context().Err() != nil:
				return errors.New("interrupted: all sites are stopped")
			}
			return err
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.Once, "once", false, "end after the verdict")
	f.BoolVar(&o.JSON, "json", false, "end with one JSON object on standard output; progress goes to standard error")
	f.StringVar(&o.Input, "input", "", "file with a real factory's rows, instead of made-up ones")
	f.StringVar(&o.Mapping, "mapping", "", "mapping of that file")
	f.StringVar(&o.OdooURL, "odoo-url", "", "address of a real Odoo, instead of the sandbox; use a database that may be filled")
	f.StringVar(&o.OdooDatabase, "odoo-db", "", "its database")
	f.StringVar(&o.OdooKey, "odoo-key", "", "API key of a user there")
	f.IntVar(&o.Orders, "orders", demo.DefaultOrders, "how many orders to make up")
	f.Uint64Var(&o.Seed, "seed", 1, "what to make up: the same seed makes the same events")
	f.StringSliceVar(&o.Scenes, "scenes", demo.SceneNames(), "scenes to play, separated by commas; the feed with its kill and its second drop is always there")
	f.BoolVar(&o.KillHQ, "kill-hq", false, "kill the node that faces Odoo in the middle, too")
	f.StringVar(&o.Keep, "keep", "", "keep the sites' folders here")
	return cmd
}

// terminal tells whether w is one, and how wide it is.
func terminal(w io.Writer) (bool, int) {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return false, 0
	}
	width, _, err := term.GetSize(int(file.Fd()))
	return err == nil, width
}
