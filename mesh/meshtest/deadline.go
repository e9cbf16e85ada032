package meshtest

import (
	"sync"
	"time"
)

// deadline is when waiting ends. The zero value is none.
type deadline struct {
	mu     sync.Mutex
	timer  *time.Timer
	past   chan struct{} // closed when it passes
	change chan struct{} // closed when it is set anew
}

func (d *deadline) init() {
	if d.past == nil {
		d.past, d.change = make(chan struct{}), make(chan struct{})
	}
}

func (d *deadline) passed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	return d.past
}

func (d *deadline) moved() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	return d.change
}

func (d *deadline) set(t time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.init()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	past := make(chan struct{})
	d.past = past
	close(d.change)
	d.change = make(chan struct{})
	switch wait := time.Until(t); {
	case t.IsZero():
	case wait <= 0:
		close(past)
	default:
		d.timer = time.AfterFunc(wait, func() { close(past) })
	}
}
