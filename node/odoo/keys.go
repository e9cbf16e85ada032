package odoo

import "sync"

// names remembers what Odoo is known to have, so that only effects which may create something wait for one another.
type names struct {
	mu    sync.Mutex
	known map[string]bool
}

// posting is the key of effects that take whatever the bill of materials says from stock: which items that are, only Odoo knows, and orders of
// different items share them.
const posting = "materials of orders"

// keys are what an effect must have to itself while its call runs: its subject, the stock it moves, and what it names for
// the first time.
func (n *names) keys(e Effect) []string {
	keys := []string{e.Subject}
	switch e.Kind {
	case EffectRelease, EffectReport, EffectDown, EffectUp, EffectRequest: // move no stock
	default:
		if e.Item != "" {
			keys = append(keys, "stock "+e.Item)
		}
		for _, m := range e.Materials {
			keys = append(keys, "stock "+m.Item)
		}
		if e.Transfer != "" {
			keys = append(keys, "transfer "+e.Transfer)
		}
	}
	if e.Kind == EffectPost {
		keys = append(keys, "journal "+e.Journal) // it numbers its entries
	}
	if e.Kind == EffectComplete || e.Kind == EffectClose {
		keys = append(keys, posting)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, name := range named(e) {
		if !n.known[name] {
			keys = append(keys, name)
		}
	}
	return keys
}

// learn notes what an applied effect named: it is in Odoo now.
func (n *names) learn(e Effect) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = map[string]bool{}
	}
	for _, name := range named(e) {
		n.known[name] = true
	}
}

func named(e Effect) []string {
	var names []string
	if e.Item != "" {
		names = append(names, "item "+e.Item)
	}
	if e.WorkCenter != "" {
		names = append(names, "work center "+e.WorkCenter)
	}
	return names
}
