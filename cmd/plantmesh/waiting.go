package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/plantmesh/plantmesh"
)

// explain makes an error of a call out of gRPC's: what it means, where, and what to do where nobody answers.
func (c *connection) explain(err error) error {
	err = plantmesh.FromStatus(err)
	var carrier interface{ GRPCStatus() *status.Status }
	if !errors.As(err, &carrier) || carrier.GRPCStatus().Code() != codes.Unavailable || errors.Is(err, plantmesh.ErrShuttingDown) {
		return err
	}
	why := carrier.GRPCStatus().Message()
	if _, quoted, found := strings.Cut(why, "desc = "); found {
		if text, notQuoted := strconv.Unquote(quoted); notQuoted == nil {
			why = text
		}
	}
	why = strings.TrimPrefix(strings.TrimPrefix(why, "transport: "), "Error while dialing: ")
	silent := strings.Contains(why, context.DeadlineExceeded.Error()) || strings.Contains(why, "i/o timeout")
	if !silent && (strings.Contains(why, "handshake failed") || strings.Contains(why, "tls: ")) {
		return fmt.Errorf("%s: %s: talk with a certificate of the node's mesh that has not expired", c.node, why)
	}
	unknown := ""
	if errors.Is(err, context.DeadlineExceeded) {
		unknown = "; what was sent may be recorded or not: publish it again, that is safe"
	}
	return fmt.Errorf("no node answers at %s: %s: start it with plantmesh run, or correct the address%s", c.node, why, unknown)
}

// waiting tells people what the client waits for: every reason once, until there is another. It is a [slog.Handler] for
// what the client logs.
type waiting struct {
	explain func(error) error

	mu     sync.Mutex
	stderr io.Writer
	last   string
}

// Enabled is true for what is not as it should be.
func (w *waiting) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

// Handle writes one line.
func (w *waiting) Handle(_ context.Context, record slog.Record) error {
	line := record.Message
	record.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			line = fmt.Sprintf("%s: %v", record.Message, w.explain(err))
		}
		return true
	})
	w.mu.Lock()
	defer w.mu.Unlock()
	if line == w.last {
		return nil
	}
	w.last = line
	_, err := fmt.Fprintf(w.stderr, "plantmesh: %s (waiting for it)\n", line)
	return err
}

// WithAttrs is part of the interface; the client's own attributes say nothing that the line does not.
func (w *waiting) WithAttrs([]slog.Attr) slog.Handler { return w }

// WithGroup is part of the interface.
func (w *waiting) WithGroup(string) slog.Handler { return w }
