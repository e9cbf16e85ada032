package capture

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh/node/odoo"
	"github.com/plantmesh/plantmesh/storage"
)

// pageRows is how many records one call reads, and how many things at most one write of the log tells of.
const pageRows = 100

// kind is one kind of thing in Odoo that the mesh has an event for.
type kind struct {
	name   string   // as the status and the manual have it
	model  string   // of its root record
	fields []string // of that, as far as the database has them
	looked []string // further ones that MasterData reads
	only   []any    // domain of the records that count; none: all
	since  string   // of what happens once: the field that says when. What happened before the first look is not told
	parts  []part
	build  func(ctx context.Context, p *pass, rows []row) ([]thing, error)
	end    func(last proto.Message) proto.Message // what tells that it is no more; nil: nothing does
	worked bool                                   // events of other types about its subject change it too
	unheld []string                               // fields of its payload that Odoo has no place for
	within string                                 // of things that share a subject: the field of their payload that tells them apart
	whole  string                                 // and the one that they share: an event about any of them changes it
}

// part is a model whose records belong to a root record, and can change without it.
type part struct {
	model  string
	parent string // its field that names the root record, or
	via    string // the root's field that names it
	below  bool   // or one that is in it
}

// kinds are polled in this order: what others name comes first.
var kinds = []kind{units, items, workCenters, bills, routings, suppliers, customers, dimensions, demands, purchases, orders, dispatches, receipts}

// thing is what Odoo has of one thing now.
type thing struct {
	key      string // names it among those of its kind, for ever
	records  []int64
	changed  string        // latest write_date of its records
	byMesh   bool          // all of them were written last by the user that the mesh works as: a hint, no more
	payload  proto.Message // nil: there is nothing to tell of it now
	target   string        // site that alone is to see it; empty: all
	leftOut  string        // why it cannot be told, if somebody should mend that
	by       string        // who wrote its records last
	nameless bool          // it has no name any more that the mesh could know it by
	unclear  []string      // fields of the payload that Odoo has in a way that the mesh has no word for
}

// pass is one poll of one kind.
type pass struct {
	*Capture
	kind    kind
	index   int
	context lookups

	only     []any // domain of the records that count
	full     bool  // all records are compared
	look     bool  // things are looked at, not told: see MasterData
	absent   bool
	recorded uint64
	leftOut  int
	example  string
}

// run sees all changes since the last pass, or compares all records if it is time to.
func (p *pass) run(ctx context.Context) error {
	if p.Capture.fields[p.kind.model] == nil {
		delete(p.Capture.fields, p.kind.model)
	}
	has, err := p.columns(ctx, p.kind.model)
	if err != nil || has == nil {
		p.absent = err == nil
		return err
	}
	models := []string{p.kind.model}
	for _, part := range p.kind.parts {
		has, err := p.columns(ctx, part.model)
		if err != nil {
			return err
		}
		if has != nil {
			models = append(models, part.model)
		}
	}
	before, after := map[string]position{}, map[string]position{}
	for _, model := range models {
		var at position
		if _, err := p.load(p.positionName(model), &at); err != nil {
			return err
		}
		before[model] = at
		if at.Seen, err = p.latest(ctx, model); err != nil { // before anything else is read: see DESIGN.md
			return err
		}
		after[model] = at
	}
	now := p.now().UTC()
	if root := after[p.kind.model]; p.kind.since != "" && root.Began == "" {
		root.Began, root.Compared = now.Format(time.DateTime), now
		after[p.kind.model] = root
		return p.save(ctx, before, after)
	}
	for _, term := range p.kind.only { // a field of the mesh's own is not there before Odoo is set up, and nothing has it then
		leaf, _ := term.([]any)
		if name, _, _ := strings.Cut(fmt.Sprint(leaf[0]), "."); has[name] {
			p.only = append(p.only, term)
		}
	}
	if p.kind.since != "" {
		p.only = append(p.only, []any{p.kind.since, ">=", before[p.kind.model].Began})
	}
	p.full = now.Sub(before[p.kind.model].Compared) >= p.config.Capture.Compare()
	if p.full {
		root := after[p.kind.model]
		root.Compared = now
		after[p.kind.model] = root
		err = p.compare(ctx)
	} else {
		err = p.changes(ctx, models, before)
	}
	if err != nil {
		return err
	}
	return p.save(ctx, before, after)
}

func (p *pass) positionName(model string) string { return p.prefix("seen", p.kind.name) + model }

// save commits how far changes were seen.
func (p *pass) save(ctx context.Context, before, after map[string]position) error {
	var w storage.Write
	for _, model := range slices.Sorted(maps.Keys(after)) {
		if at := after[model]; at != before[model] {
			w.Cursors = append(w.Cursors, cursor(p.positionName(model), at))
		}
	}
	if len(w.Cursors) == 0 {
		return nil
	}
	_, err := p.log.Append(ctx, w)
	return err
}

// latest is the write_date of the record that was written last; empty if there is none.
func (p *pass) latest(ctx context.Context, model string) (string, error) {
	var rows []row
	err := p.odoo.Call(ctx, model, "search_read", odoo.Args{
		"domain": []any{}, "fields": []string{"write_date"}, "order": "write_date desc, id desc", "limit": 1, "context": allRecords,
	}, &rows)
	if err != nil || len(rows) == 0 {
		return "", err
	}
	return rows[0].text("write_date"), nil
}

// allRecords has Odoo show archived records too.
var allRecords = map[string]any{"active_test": false}

// pages reads records by ascending id.
func (p *pass) pages(ctx context.Context, model string, domain []any, fields []string, fn func(rows []row) error) error {
	has, err := p.columns(ctx, model)
	if err != nil {
		return err
	}
	asked := slices.DeleteFunc(append([]string{"write_date", "write_uid"}, fields...), func(name string) bool { return !has[name] })
	limit := pageRows
	if p.look {
		limit = lookRows
	}
	var last int64
	for {
		var rows []row
		err := p.odoo.Call(ctx, model, "search_read", odoo.Args{
			"domain": append([]any{[]any{"id", ">", last}}, domain...), "fields": asked, "order": "id", "limit": limit, "context": allRecords,
		}, &rows)
		if err != nil {
			return err
		}
		if len(rows) > 0 {
			if err := fn(rows); err != nil {
				return err
			}
			last = rows[len(rows)-1].id()
		}
		if len(rows) < limit {
			return nil
		}
	}
}

// changes sees what was written since the overlap before the last pass.
func (p *pass) changes(ctx context.Context, models []string, before map[string]position) error {
	for _, model := range models {
		since, err := p.since(before[model].Seen)
		if err != nil {
			return err
		}
		if model == p.kind.model {
			if err := p.pages(ctx, model, append(slices.Clone(p.only), since...), p.kind.fields, func(rows []row) error { return p.take(ctx, rows) }); err != nil {
				return err
			}
			continue
		}
		at := slices.IndexFunc(p.kind.parts, func(c part) bool { return c.model == model })
		if err := p.pages(ctx, model, since, []string{p.kind.parts[at].parent}, func(rows []row) error {
			return p.takeWholes(ctx, p.kind.parts[at], rows)
		}); err != nil {
			return err
		}
	}
	return nil
}

// since is the domain of what to look at again.
func (p *pass) since(seen string) ([]any, error) {
	if seen == "" {
		return nil, nil
	}
	at, err := time.Parse(time.DateTime, seen)
	if err != nil {
		return nil, fmt.Errorf("write_date %q of odoo: %w", seen, err)
	}
	return []any{[]any{"write_date", ">=", at.Add(-p.config.Capture.Overlap()).Format(time.DateTime)}}, nil
}

// takeWholes takes the root records that parts belong to.
func (p *pass) takeWholes(ctx context.Context, c part, rows []row) error {
	ids := map[int64]bool{}
	for _, r := range rows {
		if c.via != "" {
			ids[r.id()] = true
		} else if id := r.ref(c.parent); id != 0 {
			ids[id] = true
		}
	}
	if len(ids) == 0 {
		return nil
	}
	field := c.via
	if field == "" {
		field = "id"
	}
	operator := "in"
	if c.below {
		operator = "child_of"
	}
	domain := append(slices.Clone(p.only), []any{field, operator, slices.Sorted(maps.Keys(ids))})
	return p.pages(ctx, p.kind.model, domain, p.kind.fields, func(rows []row) error { return p.take(ctx, rows) })
}

// compare takes all records, and ends what is not there any more.
func (p *pass) compare(ctx context.Context) error {
	there := map[int64]bool{}
	err := p.pages(ctx, p.kind.model, p.only, p.kind.fields, func(rows []row) error {
		for _, r := range rows {
			there[r.id()] = true
		}
		return p.take(ctx, rows)
	})
	if err != nil {
		return err
	}
	prefix := p.prefix("told", p.kind.name)
	var gone []string
	err = p.log.Cursors(prefix, func(name string, value []byte) error {
		var s state
		if err := json.Unmarshal(value, &s); err != nil {
			return fmt.Errorf("cursor %s: %w", name, err)
		}
		if !s.Ended && !slices.ContainsFunc(s.Records, func(id int64) bool { return there[id] }) {
			gone = append(gone, name[len(prefix):])
		}
		return nil
	})
	if err != nil {
		return err
	}
	for chunk := range slices.Chunk(gone, pageRows) {
		if err := p.endAll(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

// take tells of the things that records belong to, as far as they changed.
func (p *pass) take(ctx context.Context, rows []row) error {
	things, err := p.kind.build(ctx, p, rows)
	if err != nil {
		return err
	}
	return p.tell(ctx, things)
}
