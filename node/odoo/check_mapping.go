package odoo

import (
	"context"
	"maps"
	"slices"
	"strings"
)

// mapping looks for everything that the mapping of sites and units names.
func (c *checker) mapping(ctx context.Context) {
	faults, err := c.client.mappingFaults(ctx, c.cfg)
	for _, f := range faults {
		c.bad("mapping", "%v", f)
	}
	switch {
	case err != nil:
		c.bad("mapping", "%v", err)
	case len(faults) == 0:
		c.good("mapping", "all that is named of %d sites, and of the others, is there in companies that the user may work in", len(c.cfg.Sites))
	}
}

// units says which codes of events have no unit in Odoo that they could be.
func (c *checker) units(ctx context.Context) {
	all, err := c.client.unitsOfMeasure(ctx, "x_mesh_code")
	if err != nil {
		c.bad("units", "%v", err)
		return
	}
	active, byCode := map[string]bool{}, map[string][]string{}
	for _, u := range all {
		active[u.External] = u.Active
		if u.Code != "" {
			byCode[string(u.Code)] = append(byCode[string(u.Code)], string(u.Name))
		}
		if u.Code != "" && !u.Active {
			c.good("units", "%s (Mesh: code %s) is archived: events in it are parked until somebody has it used again, or UnitChanged does", u.Name, u.Code)
		}
	}
	known := 0
	for _, code := range slices.Sorted(maps.Keys(units)) {
		external, _ := c.cfg.unit(code)
		used, there := active[external]
		switch _, mapped := c.cfg.Units[code]; {
		case mapped: // the mapping's own check says it
		case !there:
			c.good("units", "%s has no counterpart: %s was deleted from Odoo. Events in it would be parked: map it under odoo.units, if there are some", code, external)
		case !used:
			c.good("units", "%s is archived in Odoo (%s): events in it are taken all the same, but nobody can choose it there", code, external)
		}
		if there {
			known++
		}
		if external != "" && len(byCode[code]) > 0 && !slices.Contains(byCode[code], nameOf(all, external)) {
			c.bad("units", "%s has the Mesh: code %s, which is Odoo's own %s: take it off that unit, or map it under odoo.units", strings.Join(byCode[code], ", "), code, external)
		}
	}
	for _, code := range slices.Sorted(maps.Keys(byCode)) {
		if len(byCode[code]) > 1 {
			c.bad("units", "%s have the same Mesh: code %s: keep it on one of them", strings.Join(byCode[code], ", "), code)
		}
	}
	c.good("units", "%d codes of UN/CEFACT are units of Odoo's own, %d are mapped, and %d are known by Mesh: code; any other code parks its event", known, len(c.cfg.Units), len(byCode))
}

// nameOf is the name of a unit by its external id.
func nameOf(all []unitOfMeasure, external string) string {
	i := slices.IndexFunc(all, func(u unitOfMeasure) bool { return u.External == external })
	if i < 0 {
		return ""
	}
	return string(all[i].Name)
}
