package mesh

import (
	"fmt"
	"slices"
	"strings"

	"github.com/plantmesh/plantmesh"
)

// Matches tells whether a name fits a pattern of the configuration, in which `*` stands for any characters, none included.
func Matches(pattern, name string) bool { return matches(pattern, name) }

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

// rulesFor are this site's export rules for one of its own streams, as its checkpoints carry them.
func (m *Mesh) rulesFor(s plantmesh.StreamName) []plantmesh.ExportRule {
	var rules []plantmesh.ExportRule
	for _, r := range m.cfg.Export {
		if matchesAny(r.Streams, s.Domain()) {
			rules = append(rules, plantmesh.ExportRule{To: r.To, Regions: r.Regions})
		}
	}
	return rules
}

// allowed tells whether one of the rules lets a stream go to a site.
func allowed(rules []plantmesh.ExportRule, to plantmesh.Identity) bool {
	return slices.ContainsFunc(rules, func(r plantmesh.ExportRule) bool {
		return matchesAny(r.To, string(to.Site)) && (len(r.Regions) == 0 || matchesAny(r.Regions, to.Region))
	})
}

// mayExport is nil if a stream may go to a site: by this site's rules if it is its own; by the rules that its origin signed
// if it is a replica. The origin itself may always have its stream back.
//
// Errors: plantmesh.ErrExportDenied, whether or not the stream exists.
func (m *Mesh) mayExport(s plantmesh.StreamName, to plantmesh.Identity) error {
	if s.Origin() == m.self.Site {
		if allowed(m.rulesFor(s), to) {
			return nil
		}
		return fmt.Errorf("%w: no export rule at %s allows %s to %s in region %s", plantmesh.ErrExportDenied, m.self.Site, s, to.Site, to.Region)
	}
	if s.Origin() == to.Site {
		return nil
	}
	c, err := m.log.Checkpoint(s, 0)
	if err != nil || c.Signed == nil {
		return fmt.Errorf("%w: %s has no rules of %s for %s, and without them does not pass it on", plantmesh.ErrExportDenied, m.self.Site, s.Origin(), s)
	}
	if !allowed(c.Export, to) {
		return fmt.Errorf("%w: no export rule that %s signed, as %s has it, allows %s to %s in region %s",
			plantmesh.ErrExportDenied, s.Origin(), m.self.Site, s, to.Site, to.Region)
	}
	return nil
}

// forEverybody tells whether the rules of a stream let it go to every site of the mesh, now and later: then all may know of it.
func (m *Mesh) forEverybody(s plantmesh.StreamName) bool {
	rules := m.rulesFor(s)
	if s.Origin() != m.self.Site {
		c, err := m.log.Checkpoint(s, 0)
		if err != nil || c.Signed == nil {
			return false
		}
		rules = c.Export
	}
	return slices.ContainsFunc(rules, func(r plantmesh.ExportRule) bool {
		return slices.Contains(r.To, "*") && (len(r.Regions) == 0 || slices.Contains(r.Regions, "*"))
	})
}
