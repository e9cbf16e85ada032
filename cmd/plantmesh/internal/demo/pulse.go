package demo

import (
	"context"
	"fmt"
	"time"
)

const (
	// answerWithin is how soon Odoo must say that it is there. Its answers to real work may take longer.
	answerWithin = 8 * time.Second
	// pulseEvery is how often it is asked.
	pulseEvery = 2 * time.Second
)

// answers tells whether Odoo is there: an error that says where it is not, and what to do.
func (e *erp) answers(ctx context.Context) error {
	asking, cancel := context.WithTimeout(ctx, e.patience)
	defer cancel()
	_, err := e.client.Version(asking)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case asking.Err() != nil:
		err = fmt.Errorf("no answer within %s", e.patience)
	}
	return fmt.Errorf("Odoo at %s: %w: check that it runs and that the address is right", e.config.URL, err) //nolint:staticcheck // a name
}

// pulse says when Odoo stops answering, and when it does again, until ctx ends. Events wait for it meanwhile.
func (e *erp) pulse(ctx context.Context, every time.Duration, say func(string)) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	there := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := e.answers(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && there:
			say(fmt.Sprintf("%v; events wait for it", err))
		case err == nil && !there:
			say(fmt.Sprintf("Odoo at %s answers again", e.config.URL))
		}
		there = err == nil
	}
}
