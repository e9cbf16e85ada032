package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

const (
	// maxEventLine bounds one line of input.
	maxEventLine = 4 << 20
	// linesAhead is how many lines may be read before their answers are reported; the client bounds what is on the way.
	linesAhead = 4096
)

// publishing publishes and reports.
type publishing struct {
	client  *plantmesh.Client
	explain func(error) error
	asJSON  bool
	stderr  io.Writer

	mu                            sync.Mutex // guards what follows: lines are refused by their reader and by the node
	stdout                        io.Writer
	sent, answered                int
	recorded, duplicates, refused int
}

// oneReceipt and oneRefusal are what --json says of a line.
type oneReceipt struct {
	Line         int       `json:"line,omitempty"`
	ID           string    `json:"id"`
	Stream       string    `json:"stream"`
	Offset       uint64    `json:"offset"`
	RecordedTime time.Time `json:"recorded_time"`
	Duplicate    bool      `json:"duplicate"`
}

type oneRefusal struct {
	Line  int    `json:"line"`
	Error string `json:"error"`
}

// publishSummary ends the answers to lines. Unanswered lines may be recorded or not.
type publishSummary struct {
	Recorded   int `json:"recorded"`
	Duplicates int `json:"duplicates"`
	Refused    int `json:"refused"`
	Unanswered int `json:"unanswered"`
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
		return p.explain(err)
	}
	return p.receipt(inFlight{id: event.GetId()}, receipts[0])
}

// inFlight is a line whose answer is awaited.
type inFlight struct {
	line    int
	id      string
	pending *plantmesh.Pending
}

// lines publishes one event a line, without waiting for each answer. It ends with the input, when nothing can be
// answered any more, or with ctx; the reader may then still hang in a read of the input, and ends with the process.
func (p *publishing) lines(ctx context.Context, in io.Reader) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	publisher := p.client.Publisher(ctx)
	answers, reading := make(chan inFlight, linesAhead), make(chan error, 1)
	go func() { reading <- p.send(ctx, in, publisher, answers) }()

	var ended error
	for done := false; !done && ended == nil; {
		select {
		case a := <-answers:
			ended = p.answer(a)
		case err := <-reading:
			done = true
			if ended = p.drain(answers); ended == nil {
				ended = err
			}
		case <-ctx.Done():
			ended = context.Cause(ctx)
		}
	}
	cancel()
	_ = publisher.Close() // what it would say has been reported, line by line
	if err := errors.Join(ended, p.summary()); err != nil {
		return err
	}
	if p.refused > 0 {
		return errReported
	}
	return nil
}

// drain waits for the answers to all lines, after the last was sent.
func (p *publishing) drain(answers <-chan inFlight) error {
	for {
		select {
		case a := <-answers:
			if err := p.answer(a); err != nil {
				return err
			}
		default:
			return nil
		}
	}
}

// answer waits for one line's answer and reports it. An error ends everything: nothing is answered any more.
func (p *publishing) answer(a inFlight) error {
	<-a.pending.Done() // at the latest when ctx ends: the publisher then answers why
	receipts, err := a.pending.Wait(context.Background())
	switch {
	case err == nil:
		return p.receipt(a, receipts[0])
	case isRefusal(err):
		p.mu.Lock()
		p.answered++
		p.mu.Unlock()
		return p.refuse(a.line, err)
	}
	return fmt.Errorf("line %d: %w", a.line, p.explain(err))
}

// isRefusal tells an error of one event from one that ends all.
func isRefusal(err error) bool {
	for _, refusal := range []error{
		plantmesh.ErrInvalidEvent, plantmesh.ErrInvalidRequest, plantmesh.ErrUnknownEventType, plantmesh.ErrEventIDConflict,
		plantmesh.ErrBatchTooLarge, plantmesh.ErrNotOwner,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
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
		a := inFlight{line: line}
		event, err := decodeCloudEvent(scanner.Bytes())
		if err == nil {
			a.id = event.GetId()
			if a.pending, err = publisher.Send(ctx, event); err != nil && !isRefusal(err) {
				return fmt.Errorf("line %d: %w", line, err)
			}
		}
		if err != nil {
			if err := p.refuse(line, err); err != nil {
				return err
			}
			continue
		}
		p.mu.Lock()
		p.sent++
		p.mu.Unlock()
		select {
		case answers <- a:
		case <-ctx.Done():
			return nil // lines knows
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("line %d: longer than %s, which no event may be: correct it, and publish it all again", line+1, size(maxEventLine))
	case err != nil:
		return fmt.Errorf("line %d: %w", line+1, err)
	}
	return nil
}

func (p *publishing) receipt(a inFlight, r plantmesh.Receipt) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered++
	if r.Duplicate {
		p.duplicates++
	} else {
		p.recorded++
	}
	if p.asJSON {
		return writeLine(p.stdout, oneReceipt{
			Line: a.line, ID: a.id, Stream: string(r.Stream), Offset: uint64(r.Offset), RecordedTime: r.RecordedTime.UTC(), Duplicate: r.Duplicate,
		})
	}
	note := ""
	if r.Duplicate {
		note = " (it was there before)"
	}
	_, err := fmt.Fprintf(p.stdout, "%s recorded as %s@%d%s\n", a.id, r.Stream, r.Offset, note)
	return err
}

// refuse reports a line that was not published.
func (p *publishing) refuse(line int, refusal error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refused++
	fmt.Fprintf(p.stderr, "line %d: %v\n", line, refusal)
	if !p.asJSON {
		return nil
	}
	return writeLine(p.stdout, oneRefusal{Line: line, Error: refusal.Error()})
}

func (p *publishing) summary() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := publishSummary{Recorded: p.recorded, Duplicates: p.duplicates, Refused: p.refused, Unanswered: p.sent - p.answered}
	if p.asJSON {
		return writeLine(p.stdout, s)
	}
	fmt.Fprintf(p.stderr, "%d recorded, %d duplicates, %d refused", s.Recorded, s.Duplicates, s.Refused)
	if s.Unanswered > 0 {
		fmt.Fprintf(p.stderr, ", %d not answered: publish the same lines again, it is safe", s.Unanswered)
	}
	_, err := fmt.Fprintln(p.stderr)
	return err
}
