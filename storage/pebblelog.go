package storage

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// pebbleLogger is where Pebble reports. Pebble calls Fatalf where its own default would end the process; here it makes
// the database fail instead: writes are refused with the cause, reads go on.
type pebbleLogger struct {
	logger *slog.Logger
	failed func(cause error)
	last   *atomic.Pointer[string] // background error reported last: Pebble repeats what fails without a pause
}

// Infof drops the chatter about flushes and compactions.
func (l pebbleLogger) Infof(string, ...any) {}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.logger.Error("storage engine", "error", fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.failed(fmt.Errorf(format, args...))
}

func (l pebbleLogger) listener() *pebble.EventListener {
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			text := err.Error()
			if last := l.last.Swap(&text); last == nil || *last != text {
				l.logger.Error("storage engine: flush or compaction", "error", text)
			}
		},
		DataCorruption: func(info pebble.DataCorruptionInfo) {
			l.logger.Error("storage engine: damaged file", "path", info.Path, "error", info.Details)
		},
	}
}
