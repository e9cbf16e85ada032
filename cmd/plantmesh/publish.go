package main

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh"
)

func newPublish() *cobra.Command {
	var c connection
	var one oneEvent
	var listTypes, asJSON bool
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "publish [FILE]",
		Short: "Publish events: one from flags, or CloudEvents from a file or standard input",
		Long: `Publish events at a node. Without --type, every line of FILE, or of standard input, is one CloudEvent in JSON, with the
payload in data:

  {"id":"r-1","source":"//plant-a/mes","type":"plantmesh.manufacturing.v1.ProductionCompleted","time":"2026-05-04T10:00:00Z",
   "data":{"order_id":"WO-1","item_id":"bearing","quantity":{"value":"5","unit":"C62"}}}        (on one line)

A line that is refused is reported with its number and reason; the others are published. While the node does not answer, it
is waited for, and standard error says so. Publishing the same events again is safe: they are reported as duplicates.`,
		Example: `  plantmesh publish --type plantmesh.manufacturing.v1.ProductionCompleted --source //plant-a/mes --id r-1 \
    --data '{"order_id":"WO-1","item_id":"bearing","quantity":{"value":"5","unit":"C62"}}'
  plantmesh publish events.jsonl --json
  plantmesh publish --list-types`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if listTypes {
				return printTypes(cmd.OutOrStdout(), asJSON)
			}
			stderr := &lockedWriter{w: cmd.ErrOrStderr()}
			client, err := c.dial(stderr)
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			p := publishing{client: client, explain: c.explain, stdout: cmd.OutOrStdout(), stderr: stderr, asJSON: asJSON}
			if one.kind != "" {
				ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
				defer cancel()
				return p.one(ctx, one)
			}
			in := cmd.InOrStdin()
			if len(args) == 1 && args[0] != "-" {
				file, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer func() { _ = file.Close() }()
				in = file
			}
			return p.lines(cmd.Context(), in)
		},
	}
	c.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&one.kind, "type", "", "type of the one event to publish")
	f.StringVar(&one.source, "source", "", "its source, a URI reference such as //plant-a/mes")
	f.StringVar(&one.id, "id", "", "its id, unique within the source")
	f.StringVar(&one.at, "time", "", "when it happened, RFC 3339 (default now)")
	f.StringVar(&one.data, "data", "{}", "its payload in JSON")
	f.BoolVar(&listTypes, "list-types", false, "list the catalog's event types and end")
	f.DurationVar(&timeout, "timeout", time.Minute, "how long to try to publish the one event; lines are tried until they are through")
	f.BoolVar(&asJSON, "json", false, "write receipts and the summary as JSON")
	return cmd
}

func printTypes(w io.Writer, asJSON bool) error {
	type entry struct {
		Type    string `json:"type"`
		Domain  string `json:"domain"`
		Class   string `json:"class"`
		Subject string `json:"subject"`
	}
	var all []entry
	for _, t := range plantmesh.EventTypes() {
		subject := ""
		for i, rule := range t.Subject {
			if i > 0 {
				subject += " or "
			}
			subject += rule.GetKind() + "/<" + rule.GetField() + ">"
		}
		all = append(all, entry{Type: t.Name, Domain: t.Domain, Class: className(t.Class), Subject: subject})
	}
	if asJSON {
		return writeJSON(w, all)
	}
	t := newTable(w, "EVENT TYPES", "TYPE", "DOMAIN", "CLASS", "SUBJECT")
	for _, e := range all {
		t.row(e.Type, e.Domain, e.Class, e.Subject)
	}
	return t.flush()
}

// oneEvent is an event given by flags.
type oneEvent struct{ kind, source, id, at, data string }
