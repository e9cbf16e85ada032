package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// maxEventLine bounds one line of input.
const maxEventLine = 4 << 20

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

A line that is refused is reported with its number and reason; the others are published. Publishing the same events again
is safe: they are reported as duplicates.`,
		Example: `  plantmesh publish --type plantmesh.manufacturing.v1.ProductionCompleted --source //plant-a/mes --id r-1 \
    --data '{"order_id":"WO-1","item_id":"bearing","quantity":{"value":"5","unit":"C62"}}'
  plantmesh publish events.jsonl --json
  plantmesh publish --list-types`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if listTypes {
				return printTypes(cmd.OutOrStdout(), asJSON)
			}
			client, err := c.dial()
			if err != nil {
				return err
			}
			defer func() { _ = client.Close() }()
			ctx, cancel := context.WithTimeout(cmd.Context(), timeout)
			defer cancel()
			p := publishing{client: client, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), asJSON: asJSON}
			if one.kind != "" {
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

// publishing publishes and reports.
type publishing struct {
	client         *plantmesh.Client
	stdout, stderr io.Writer
	asJSON         bool

	recorded, duplicates int

	mu      sync.Mutex // guards refused, and stderr
	refused int
}

func (p *publishing) one(ctx context.Context, o oneEvent) error {
	at := time.Now()
	if o.at != "" {
		var err error
		if at, err = time.Parse(time.RFC3339Nano, o.at); err != nil {
			return &usageError{err: fmt.Errorf("--time %q: give it as 2026-05-04T10:00:00Z", o.at)}
		}
	}
	data, err := encodePayload(o.kind, []byte(o.data))
	if err != nil {
		return err
	}
	event := &eventv1.Event{Id: o.id, Source: o.source, Type: o.kind, Time: timestamppb.New(at), Data: data}
	receipts, err := p.client.Publish(ctx, event)
	if err != nil {
		return err
	}
	return p.receipt(event.GetId(), receipts[0])
}

// inFlight is a line whose answer is awaited.
type inFlight struct {
	line    int
	id      string
	pending *plantmesh.Pending
}

// lines publishes one event a line, without waiting for each answer.
func (p *publishing) lines(ctx context.Context, in io.Reader) error {
	publisher := p.client.Publisher(ctx)
	answers := make(chan inFlight, 4096)
	var reading error
	go func() {
		defer close(answers)
		reading = p.send(ctx, in, publisher, answers)
	}()
	for a := range answers {
		receipts, err := a.pending.Wait(ctx)
		if err != nil {
			p.refuse(a.line, err)
			continue
		}
		if err := p.receipt(a.id, receipts[0]); err != nil {
			return err
		}
	}
	_ = publisher.Close() // its first refusal is reported already, with its line
	if err := errors.Join(reading, p.summary()); err != nil {
		return err
	}
	if p.refused > 0 {
		return errReported
	}
	return nil
}

// send reads the lines. What is wrong with a line by itself is refused here.
func (p *publishing) send(ctx context.Context, in io.Reader, publisher *plantmesh.Publisher, answers chan<- inFlight) error {
	scanner := bufio.NewScanner(in)
	scanner.Buffer(make([]byte, 64<<10), maxEventLine)
	line := 0
	for scanner.Scan() {
		line++
		if len(bytes.TrimSpace(scanner.Bytes())) == 0 {
			continue
		}
		event, err := decodeCloudEvent(scanner.Bytes())
		var pending *plantmesh.Pending
		if err == nil {
			pending, err = publisher.Send(ctx, event)
		}
		if err != nil {
			if ctx.Err() != nil {
				return err
			}
			p.refuse(line, err)
			continue
		}
		answers <- inFlight{line: line, id: event.GetId(), pending: pending}
	}
	if err := scanner.Err(); err != nil {
		return fmt.Errorf("line %d: %w", line+1, err)
	}
	return nil
}

func (p *publishing) receipt(id string, r plantmesh.Receipt) error {
	if r.Duplicate {
		p.duplicates++
	} else {
		p.recorded++
	}
	if p.asJSON {
		_, err := fmt.Fprintf(p.stdout, "{\"id\":%q,\"stream\":%q,\"offset\":%d,\"recorded_time\":%q,\"duplicate\":%t}\n",
			id, r.Stream, r.Offset, r.RecordedTime.UTC().Format(time.RFC3339Nano), r.Duplicate)
		return err
	}
	note := ""
	if r.Duplicate {
		note = " (it was there before)"
	}
	_, err := fmt.Fprintf(p.stdout, "%s recorded as %s@%d%s\n", id, r.Stream, r.Offset, note)
	return err
}

// refuse reports a line that was not published. It is called by the reader and the answers' goroutine.
func (p *publishing) refuse(line int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused++
	fmt.Fprintf(p.stderr, "line %d: %v\n", line, err)
}

func (p *publishing) summary() error {
	if p.asJSON {
		_, err := fmt.Fprintf(p.stdout, "{\"recorded\":%d,\"duplicates\":%d,\"refused\":%d}\n", p.recorded, p.duplicates, p.refused)
		return err
	}
	_, err := fmt.Fprintf(p.stderr, "%d recorded, %d duplicates, %d refused\n", p.recorded, p.duplicates, p.refused)
	return err
}
