package mesh

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plantmesh/plantmesh"
)

// matches tells whether a name fits a pattern, in which `*` stands for any characters, none included.
func matches(pattern, name string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == name
	}
	if !strings.HasPrefix(name, head) {
		return false
	}
	name = name[len(head):]
	parts := strings.Split(rest, "*")
	last := parts[len(parts)-1]
	for _, part := range parts[:len(parts)-1] {
		at := strings.Index(name, part)
		if at < 0 {
			return false
		}
		name = name[at+len(part):]
	}
	return strings.HasSuffix(name, last)
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

// allows tells whether the rule lets a domain of this site go to another one.
func (r ExportRule) allows(domain string, to plantmesh.Identity) bool {
	return matchesAny(r.Streams, domain) && matchesAny(r.To, string(to.Site)) && (len(r.Regions) == 0 || matchesAny(r.Regions, to.Region))
}

// mayExport is nil if a stream may go to a site. Only own streams may: there are no rules yet that travel with a stream,
// and a node without the origin's rule does not serve it.
//
// Errors: plantmesh.ErrExportDenied, whether or not the stream exists.
func (m *Mesh) mayExport(s plantmesh.StreamName, to plantmesh.Identity) error {
	if s.Origin() != m.self.Site {
		return fmt.Errorf("%w: %s is not the origin of %s: link to %s for it", plantmesh.ErrExportDenied, m.self.Site, s, s.Origin())
	}
	for _, rule := range m.cfg.Export {
		if rule.allows(s.Domain(), to) {
			return nil
		}
	}
	return fmt.Errorf("%w: no export rule at %s allows %s to %s in region %s", plantmesh.ErrExportDenied, m.self.Site, s, to.Site, to.Region)
}

// subscribed tells whether this node wants a stream.
func (m *Mesh) subscribed(s plantmesh.StreamName) bool {
	if s.Origin() == m.self.Site {
		return false
	}
	return slices.ContainsFunc(m.cfg.Subscriptions, func(sub Subscription) bool {
		return matches(sub.From, string(s.Origin())) && matchesAny(sub.Streams, s.Domain())
	})
}
