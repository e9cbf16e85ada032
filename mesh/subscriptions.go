package mesh

import (
	"maps"
	"slices"
	"sync"

	"github.com/plantmesh/plantmesh"
)

// subscriptions are what is replicated from peers. They can change while the node runs.
type subscriptions struct {
	mu   sync.RWMutex
	list []Subscription
}

// Subscriptions are those in force.
func (m *Mesh) Subscriptions() []Subscription {
	m.subscriptions.mu.RLock()
	defer m.subscriptions.mu.RUnlock()
	return slices.Clone(m.subscriptions.list)
}

// SetSubscriptions puts others in force at once: streams that are wanted now and that a linked site has begin to come, those
// that are not wanted any more stop. What is held of these stays held. When it returns, nothing more of them is appended.
func (m *Mesh) SetSubscriptions(list []Subscription) {
	m.subscriptions.mu.Lock()
	m.subscriptions.list = slices.Clone(list)
	m.subscriptions.mu.Unlock()
	m.pullers.review()
}

// Remove drops this node's copy of another site's stream. While the stream is wanted it comes anew, from the earliest event that a linked site
// holds.
//
// Errors: those of [Log].Remove.
func (m *Mesh) Remove(name plantmesh.StreamName) error {
	return m.pullers.remove(name)
}

// subscribed tells whether this node wants a stream.
func (m *Mesh) subscribed(s plantmesh.StreamName) bool {
	if s.Origin() == m.self.Site {
		return false
	}
	m.subscriptions.mu.RLock()
	defer m.subscriptions.mu.RUnlock()
	return slices.ContainsFunc(m.subscriptions.list, func(sub Subscription) bool { return sub.Matches(s) })
}

// Matches tells whether a stream is one of those asked for.
func (s Subscription) Matches(name plantmesh.StreamName) bool {
	return matches(s.From, string(name.Origin())) && matchesAny(s.Streams, name.Domain())
}

// Check is an error that names what is wrong with the subscription, with paths that begin with prefix.
func (s Subscription) Check(prefix string) error {
	if err := checkPatterns(prefix+".from", []string{s.From}); err != nil {
		return err
	}
	return checkPatterns(prefix+".streams", s.Streams)
}

// review ends the pullers of streams that are not wanted any more, and starts those of streams that are wanted now.
func (p *pullers) review() {
	p.mu.Lock()
	var ended []*puller
	for name, puller := range p.table {
		if !p.mesh.wants(name) {
			puller.end()
			delete(p.table, name)
			p.mesh.replicas.forget(name)
			ended = append(ended, puller)
			continue
		}
		signal(puller.news) // its windows may be others
	}
	for _, name := range p.mesh.replicas.names() {
		if p.table[name] == nil && !p.mesh.wants(name) {
			p.mesh.replicas.forget(name) // it was only asked for
		}
	}
	p.mu.Unlock()
	for _, puller := range ended {
		<-puller.ended
	}
	p.offerAgain()
}

// offerAgain looks once more at all that linked sites have said they have.
func (p *pullers) offerAgain() {
	p.mu.Lock()
	sessions := slices.Collect(maps.Keys(p.sessions))
	p.mu.Unlock()
	for _, s := range sessions {
		for _, h := range s.offered() {
			p.offered(s, h)
		}
	}
}

// remove removes the copy of a stream while nobody pulls it.
func (p *pullers) remove(name plantmesh.StreamName) error {
	p.removing.Lock() // one at a time
	defer p.removing.Unlock()
	p.mu.Lock()
	p.removed = name
	puller := p.table[name]
	delete(p.table, name)
	p.mu.Unlock()
	if puller != nil {
		puller.end()
		<-puller.ended
	}
	err := p.mesh.log.Remove(name)
	p.mu.Lock()
	p.removed = ""
	p.mu.Unlock()
	p.offerAgain()
	return err
}

// forget drops the entry of a stream that is not replicated any more.
func (t *replicas) forget(name plantmesh.StreamName) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.table, name)
}
