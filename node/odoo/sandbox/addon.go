package sandbox

import (
	"encoding/json"
	"strings"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// addon is the add-on as the server has loaded it.
type addon struct {
	version     int
	fingerprint string
	indexed     bool // the unique indexes were made
}

// InstallAddon has the database have the add-on installed, or another one than before: a version of it, and the fingerprint of its files. Whatever these
// say, it does natively what this version's does.
func (s *Server) InstallAddon(version int, fingerprint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	indexed := s.addon != nil && s.addon.indexed
	s.addon = &addon{version: version, fingerprint: fingerprint, indexed: indexed}
	if s.store.tables[odoo.AddonModel] == nil {
		s.store.tables[odoo.AddonModel] = newTable(odoo.AddonModel, "plantmesh: applies events")
	}
}

func (x *call) addonVersion(*table, *request) (any, error) {
	return map[string]any{"version": x.server.addon.version, "fingerprint": x.server.addon.fingerprint}, nil
}

func (x *call) addonSetup(*table, *request) (any, error) {
	x.server.addon.indexed = true
	return map[string]any{"indexes": 2}, nil // the effects keep keys and events unique
}

func (x *call) addonApply(_ *table, q *request) (any, error) {
	var part, fingerprint string
	if err := unmarshal(q.given["part"], &part); err != nil {
		return nil, badArguments("part: %v", err)
	}
	if err := unmarshal(q.given["fingerprint"], &fingerprint); err != nil {
		return nil, badArguments("fingerprint: %v", err)
	}
	if fingerprint != x.server.addon.fingerprint {
		return nil, accessError("This server has other code of the add-on %s than the node asks for: see plantmesh odoo check.", odoo.AddonModule)
	}
	for _, ours := range odoo.Actions() {
		if strings.TrimPrefix(ours.Name, "plantmesh: apply ") != part {
			continue
		}
		context, err := json.Marshal(map[string]any{"mesh": q.given["batch"]})
		if err != nil {
			return nil, badArguments("batch: %v", err)
		}
		result, err := x.applyAll(context, ours.Kinds)
		if err == nil && !x.server.addon.indexed {
			result["indexes"] = 0
		}
		return result, err
	}
	return nil, valueError("KeyError(%q)", part)
}
