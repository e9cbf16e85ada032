package odoo

import (
	"context"
	"errors"
	"time"
)

const (
	// readTries is how often something is read that fails in a way that passes.
	readTries = 4
	// readPause is how long to wait before the second try; each further one waits twice as long.
	readPause = 100 * time.Millisecond
)

// Repeat reads again what failed in a way that passes: a lost reply, a proxy that is busy, a conflict in Odoo. It is for reads alone: what changes
// something goes through the fence. A comparison makes hundreds of reads, and one lost reply should not end it.
func Repeat(ctx context.Context, read func() error) error {
	pause := readPause
	for try := 1; ; try++ {
		err := read()
		var answered *Error
		if err == nil || try == readTries || errors.Is(err, errReply) || errors.As(err, &answered) && answered.Class != Transient {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
		pause *= 2
	}
}
