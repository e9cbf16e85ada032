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
	firstApplied = 14 // the oldest whose differences stand in the tables below
	firstAddon   = 17 // the oldest that there is an add-on for
	lastRun      = 19 // the one that all of plantmesh is written for
)

// NewestVersion of Odoo is the one that plantmesh is written for.
const NewestVersion = lastRun

// difference is what older versions call otherwise in the code of the server actions. action/older.py has what is no matter of names.
type difference struct {
	since int    // first version that has it as plantmesh writes it
	what  string // for people
	name  *regexp.Regexp
	older string // in its place, in an older version
}

// differences are applied in this order.
var differences = []difference{
	{19, "units compare", regexp.MustCompile(`([\w.\[\]:]+)\.compare\(`), `uom_compare($1, `},
	{19, "units tell what is zero", regexp.MustCompile(`([\w.\[\]:]+)\.is_zero\(`), `uom_is_zero($1, `},
	{19, "units round", regexp.MustCompile(`((?:[\w.\[\]]+\.)?(?:product_uom_id|uom_id)|own)\.round\(`), `uom_round($1, `},
	{19, "units have categories", regexp.MustCompile(`(\w+)\._has_common_reference\(`), `same_category($1, `},
	{19, "an order makes several lots", regexp.MustCompile(`'lot_producing_ids': \[Command\.set\((.+)\)\]`), `'lot_producing_id': first_of($1)`},
	{19, "an order makes several lots, read", regexp.MustCompile(`\blot_producing_ids\b`), `lot_producing_id`},
	{19, "parts of an order", regexp.MustCompile(`\bproduction_group_id\.production_ids\b`), `procurement_group_id.mrp_production_ids`},
	{19, "a work order waits", regexp.MustCompile(`\['blocked', 'ready'\]`), `['pending', 'waiting', 'ready']`},
	{19, "a work order has a unit", regexp.MustCompile(`'production_id': order\.id, 'workcenter_id'`), `'production_id': order.id, 'product_uom_id': order.product_uom_id.id, 'workcenter_id'`},
	{19, "a work center has a calendar", regexp.MustCompile(`'resource_calendar_id': False`), `'resource_calendar_id': around_the_clock().id`},
	{19, "a work center has a calendar, defined", regexp.MustCompile(`resource_calendar_id=False`), `resource_calendar_id=around_the_clock().id`},
	{19, "a move is named", regexp.MustCompile(`'origin': reason, 'reference': reason`), `'origin': reason, 'name': reason`},
	{19, "a move of a picking is named", regexp.MustCompile(`'origin': record\.origin, 'picking_id'`), `'name': record.name, 'origin': record.origin, 'picking_id'`},
	{19, "unit of a purchase line", regexp.MustCompile(`'product_uom_id': unit\(line\[`), `'product_uom': unit(line[`},

	{18, "goods that are kept in stock", regexp.MustCompile(`'type': 'consu', 'is_storable': True`), `'detailed_type': 'product'`},
	{18, "goods that are tracked", regexp.MustCompile(`'tracking': tracking, 'is_storable': True`), `'tracking': tracking, 'detailed_type': 'product'`},
	{
		18, "kind of an item", regexp.MustCompile(`'type': 'service' if event\['kind'\] == 'service' else 'consu',\s+'is_storable': event\['kind'\] == 'stocked',`),
		`'detailed_type': {'service': 'service', 'stocked': 'product'}.get(event['kind'], 'consu'),`,
	},
	{18, "access rights", regexp.MustCompile(`\.check_access\('write'\)`), `.check_access_rights('write')`},
	{18, "a lot belongs to a company", regexp.MustCompile(`\{'product_id': product\.id, 'name': name\}`), `{'product_id': product.id, 'name': name, 'company_id': (product.company_id or env.company).id}`},
	{18, "unit of purchases", regexp.MustCompile(`dict\(values, uom_id=base\.id\)`), `dict(values, uom_id=base.id, uom_po_id=base.id)`},
	{18, "unit of purchases, changed", regexp.MustCompile(`values\['uom_id'\] = base\.id`), `values['uom_id'] = values['uom_po_id'] = base.id`},
	{
		18, "unit of purchases, of an item that is made", regexp.MustCompile(`'uom_id': (unit\(quantity\)\.id if quantity else env\.ref\('uom\.product_uom_unit'\)\.id)`),
		`'uom_id': $1, 'uom_po_id': $1`,
	},

	{17, "what is done, of a line", regexp.MustCompile(`'quantity': quantity, 'lot_id'`), `'qty_done': quantity, 'lot_id'`},
	{17, "what is done, of a line of any unit", regexp.MustCompile(`\bline\.quantity_product_uom\b`), `done_of(line)`},
	{17, "what is done, of a move", regexp.MustCompile(`\b(line|done)\.quantity\b`), `$1.quantity_done`},
	{17, "nothing is done yet", regexp.MustCompile(`open_moves\.write\(\{'picked': False\}\)`), `open_moves.move_line_ids.write({'qty_done': 0.0})`},
	{17, "done is what has a quantity", regexp.MustCompile(`\n +line\.write\(\{'picked': True\}\)`), ``},
	{17, "done is what has a quantity, made", regexp.MustCompile(`, 'picked': True`), ``},
	{17, "done is what has a quantity, read", regexp.MustCompile(`\.picked\b`), `.quantity_done`},
	{17, "the move of a scrap", regexp.MustCompile(`record\.move_ids\.mapped\('state'\)`), `record.move_id.mapped('state')`},
	{17, "an order is planned", regexp.MustCompile(`values\['date_(start|finished)'\]`), `values['date_planned_$1']`},
	{17, "an order is planned by its report", regexp.MustCompile(`\{'date_start': event\['start'\]\}`), `{'date_planned_start': event['start']}`},
	{17, "an order is done at once", regexp.MustCompile(`'skip_consumption': True`), `'skip_immediate': True, 'skip_consumption': True`},
	{17, "a picking is done at once", regexp.MustCompile(`'skip_sms': True`), `'skip_immediate': True, 'skip_sms': True`},

	{16, "lots", regexp.MustCompile(`\['stock\.lot'\]`), `['stock.production.lot']`},
	{16, "moves of a picking", regexp.MustCompile(`\b(record|ready)\.move_ids\b`), `$1.move_lines`},
	{16, "consumption by hand", regexp.MustCompile(`'manual_consumption': True, `), ``},
	{16, "a count has no limit", regexp.MustCompile(`(search_count\(.+), limit=1\)`), `$1)`},
	{16, "flush", regexp.MustCompile(`\bwork\.flush_recordset\(\)`), `work.flush()`},
	{16, "forget", regexp.MustCompile(`\bwork\.invalidate_recordset\((\[.+\])\)`), `work.invalidate_cache($1, work.ids)`},
	{16, "analytic shares", regexp.MustCompile(`\n +if shares:\n +entry\['analytic_distribution'\] = shares`), ``},

	{15, "kinds of items", regexp.MustCompile(`'detailed_type'`), `'type'`},
	{15, "a link that makes a record", regexp.MustCompile(`Command\.create\(`), `(0, 0, `},
	{15, "links", regexp.MustCompile(`Command\.set\(`), `(6, 0, `},
	{15, "now", regexp.MustCompile(`env\.cr\.now\(\)`), `datetime.datetime.utcnow()`},
	{15, "stock is adjusted", regexp.MustCompile(`\{'is_inventory': True, `), `{`},
	{15, "operations are not archived", regexp.MustCompile(`'sequence': step\['sequence'\], 'active': True`), `'sequence': step['sequence']`},
	{15, "operations are not archived, found", regexp.MustCompile(`, \('active', '=', True\)\]\) - kept`), `]) - kept`},
	{15, "operations are not archived, but go", regexp.MustCompile(`gone\.write\(\{'active': False\}\)`), `gone.unlink()`},
}

// setupDifferences are those of the code that sets a database up.
var setupDifferences = []difference{
	{19, "groups of a user, and what they imply", regexp.MustCompile(`\ball_group_ids\b`), `groups_id`},
	{18, "an API key ends", regexp.MustCompile(`_generate\(None, 'plantmesh', False\)`), `_generate(None, 'plantmesh')`},
}

func rewrite(major int, rows []difference, text string) string {
	for _, d := range rows {
		if major < d.since {
			text = d.name.ReplaceAllString(text, d.older)
		}
	}
	return text
}

// versioned is a function of action/older.py that takes the place of another one.
var versioned = regexp.MustCompile(`^(\w+)_before_(\d+)$`)

// as are the functions as a version has them.
func (l library) as(major int) library {
	nearest := map[string]int{} // version before which the replacement is written
	text := map[string]string{}
	for _, f := range l {
		part := versioned.FindStringSubmatch(f.name)
		if part == nil {
			continue
		}
		before, err := strconv.Atoi(part[2])
		if err != nil || major >= before || nearest[part[1]] != 0 && nearest[part[1]] < before {
			continue
		}
		nearest[part[1]], text[part[1]] = before, strings.Replace(f.text, "def "+f.name+"(", "def "+part[1]+"(", 1)
	}
	var all library
	for _, f := range l {
		if versioned.MatchString(f.name) {
			continue
		}
		if replaced, ok := text[f.name]; ok {
			f.text = replaced
		}
		f.text = rewrite(major, differences, f.text)
		f.uses = used(f.text)
		all = append(all, f)
	}
	return all
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
		older.actions[major] = buildActions(major)
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
