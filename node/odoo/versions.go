package odoo

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
)

// Versions of Odoo.
const (
	firstApplied = 17 // the oldest whose differences stand in the table below
	lastRun      = 19 // the one that the contract runs on
)

// NewestVersion of Odoo is the one that plantmesh is written for.
const NewestVersion = lastRun

// difference is what an older Odoo calls otherwise. All of plantmesh is written for the newest.
type difference struct {
	since int    // first version that has it as plantmesh writes it
	what  string // for people
	name  *regexp.Regexp
	older string // in its place, in an older version
}

// differences are those that plantmesh meets between 17 and 19. The patterns are applied in this order to the code of the server actions and, as
// whole words, to the names that Go uses.
var differences = []difference{
	{19, "units compare", regexp.MustCompile(`([\w.\[\]:]+)\.compare\(`), `uom_compare($1, `},
	{19, "units tell what is zero", regexp.MustCompile(`([\w.\[\]:]+)\.is_zero\(`), `uom_is_zero($1, `},
	{19, "units round", regexp.MustCompile(`((?:[\w.\[\]]+\.)?(?:product_uom_id|uom_id)|own)\.round\(`), `uom_round($1, `},
	{19, "units have categories", regexp.MustCompile(`(\w+)\._has_common_reference\(`), `same_category($1, `},
	{19, "units are made in categories", regexp.MustCompile(`: define_unit\b`), `: define_unit_in_category`},
	{19, "an order makes several lots", regexp.MustCompile(`'lot_producing_ids': \[Command\.set\((.+)\)\]`), `'lot_producing_id': first_of($1)`},
	{19, "an order makes several lots, read", regexp.MustCompile(`\blot_producing_ids\b`), `lot_producing_id`},
	{19, "parts of an order", regexp.MustCompile(`\bproduction_group_id\.production_ids\b`), `procurement_group_id.mrp_production_ids`},
	{19, "a move is named", regexp.MustCompile(`'origin': reason, 'reference': reason`), `'origin': reason, 'name': reason`},
	{19, "a move of a picking is named", regexp.MustCompile(`'origin': record\.origin, 'picking_id'`), `'name': record.name, 'origin': record.origin, 'picking_id'`},
	{19, "unit of a purchase line", regexp.MustCompile(`'product_uom_id': unit\(line\[`), `'product_uom': unit(line[`},
	{19, "groups of a user, and what they imply", regexp.MustCompile(`\ball_group_ids\b`), `groups_id`},
	{19, "groups of a user", regexp.MustCompile(`^group_ids$`), `groups_id`},
	{18, "goods that are kept in stock", regexp.MustCompile(`'type': 'consu', 'is_storable': True`), `'detailed_type': 'product'`},
	{18, "goods that are tracked", regexp.MustCompile(`'tracking': tracking, 'is_storable': True`), `'tracking': tracking, 'detailed_type': 'product'`},
	{
		18, "kind of an item", regexp.MustCompile(`'type': 'service' if event\['kind'\] == 'service' else 'consu',\s+'is_storable': event\['kind'\] == 'stocked',`),
		`'detailed_type': {'service': 'service', 'stocked': 'product'}.get(event['kind'], 'consu'),`,
	},
	{18, "access rights, in code", regexp.MustCompile(`\.check_access\('write'\)`), `.check_access_rights('write')`},
	{18, "access rights", regexp.MustCompile(`^has_access$`), `check_access_rights`},
	{18, "an API key ends", regexp.MustCompile(`_generate\(None, 'plantmesh', False\)`), `_generate(None, 'plantmesh')`},
}

// called is what a version calls something.
func called(major int, text string) string {
	for _, d := range differences {
		if major < d.since {
			text = d.name.ReplaceAllString(text, d.older)
		}
	}
	return text
}

// older are the actions of the versions that were asked for.
var older = struct {
	mu      sync.Mutex
	actions map[int][]Action
}{actions: map[int][]Action{}}

// ActionsFor are the server actions for a version of Odoo.
func ActionsFor(major int) []Action {
	if major >= lastRun {
		return Actions()
	}
	older.mu.Lock()
	defer older.mu.Unlock()
	if older.actions[major] == nil {
		older.actions[major] = buildActions(func(code string) string { return called(major, code) })
	}
	return older.actions[major]
}

// majorVersion reads the number before the point of what a server says its version is, such as 19.0 or saas~18.2.
func majorVersion(version string) (int, error) {
	first, _, _ := strings.Cut(version[strings.LastIndexByte(version, '~')+1:], ".")
	major, err := strconv.Atoi(first)
	if err != nil {
		return 0, fmt.Errorf("odoo says its version is %q, which does not begin with a number: check odoo.url", version)
	}
	return major, nil
}

// major is the server's version, which it is asked for once.
func (c *Client) major(ctx context.Context) (int, error) {
	if known := c.version.Load(); known != nil {
		return majorVersion(*known)
	}
	version, err := c.Version(ctx)
	if err != nil {
		return 0, err
	}
	return majorVersion(version)
}

// actions are the server actions for the server's version.
func (c *Client) actions(ctx context.Context) ([]Action, error) {
	major, err := c.major(ctx)
	if err != nil {
		return nil, err
	}
	if major < firstApplied {
		return nil, &setupError{fmt.Sprintf("the server is Odoo %d: plantmesh applies events in %d and later", major, firstApplied)}
	}
	return ActionsFor(major), nil
}
