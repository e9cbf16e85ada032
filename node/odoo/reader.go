package odoo

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh"
)

// page is how many records one call reads.
const page = 2000

// Reader reads back what was applied, from Odoo or the sandbox, to prove that every event is there exactly once and in
// order. It reads through the public API only.
type Reader struct{ client *Client }

// NewReader returns a reader.
func NewReader(client *Client) *Reader { return &Reader{client: client} }

// Applied is a row of the journal: an event and the record its effect made. Rows of one subject come in the order in
// which the events were applied.
type Applied struct {
	ID      int64  // of the row; they ascend
	Event   string // source and id, see [EventKey]
	Type    string
	Stream  plantmesh.StreamName
	Offset  plantmesh.Offset
	Subject string
	Model   string
	Record  int64
	Note    string
}

// Applied reads the journal, oldest first.
func (r *Reader) Applied(ctx context.Context) ([]Applied, error) { return r.applied(ctx, []any{}) }

// AppliedOf reads what the journal has of events, by [EventKey], oldest first.
func (r *Reader) AppliedOf(ctx context.Context, events []string) ([]Applied, error) {
	return r.applied(ctx, []any{[]any{"x_event", "in", events}})
}

func (r *Reader) applied(ctx context.Context, domain []any) ([]Applied, error) {
	var out []Applied
	err := r.pages(ctx, ModelApplied, domain, []string{"x_event", "x_type", "x_stream", "x_offset", "x_subject", "x_model", "x_record", "x_note"},
		func(raw json.RawMessage) error {
			var row struct {
				ID      int64 `json:"id"`
				Event   text  `json:"x_event"`
				Type    text  `json:"x_type"`
				Stream  text  `json:"x_stream"`
				Offset  text  `json:"x_offset"`
				Subject text  `json:"x_subject"`
				Model   text  `json:"x_model"`
				Record  int64 `json:"x_record"`
				Note    text  `json:"x_note"`
			}
			if err := json.Unmarshal(raw, &row); err != nil {
				return err
			}
			var offset plantmesh.Offset
			if _, err := fmt.Sscan(string(row.Offset), &offset); err != nil {
				return fmt.Errorf("offset %q of %s: %w", row.Offset, row.Event, err)
			}
			out = append(out, Applied{
				ID: row.ID, Event: string(row.Event), Type: string(row.Type), Stream: plantmesh.StreamName(row.Stream), Offset: offset,
				Subject: string(row.Subject), Model: string(row.Model), Record: row.Record, Note: string(row.Note),
			})
			return nil
		})
	return out, err
}

// Entry is a time entry that an operation report made.
type Entry struct {
	ID                          int64
	Event, Order                string
	Start, End                  string // UTC, as Odoo writes times
	Completed, Rejected, Review *apd.Decimal
	Unit                        string
	Rework                      bool
}

// Entries reads the time entries that the mesh made, oldest first.
func (r *Reader) Entries(ctx context.Context) ([]Entry, error) {
	var out []Entry
	err := r.pages(ctx, "mrp.workcenter.productivity", []any{[]any{"x_mesh_order", "!=", false}},
		[]string{"x_mesh_event", "x_mesh_order", "date_start", "date_end", "x_mesh_completed", "x_mesh_rejected", "x_mesh_review", "x_mesh_unit", "x_mesh_rework"},
		func(raw json.RawMessage) error {
			var row struct {
				ID        int64       `json:"id"`
				Event     text        `json:"x_mesh_event"`
				Order     text        `json:"x_mesh_order"`
				Start     text        `json:"date_start"`
				End       text        `json:"date_end"`
				Completed json.Number `json:"x_mesh_completed"`
				Rejected  json.Number `json:"x_mesh_rejected"`
				Review    json.Number `json:"x_mesh_review"`
				Unit      text        `json:"x_mesh_unit"`
				Rework    bool        `json:"x_mesh_rework"`
			}
			if err := json.Unmarshal(raw, &row); err != nil {
				return err
			}
			e := Entry{ID: row.ID, Event: string(row.Event), Order: string(row.Order), Start: string(row.Start), End: string(row.End), Unit: string(row.Unit), Rework: row.Rework}
			for _, n := range []struct {
				from json.Number
				to   **apd.Decimal
			}{{row.Completed, &e.Completed}, {row.Rejected, &e.Rejected}, {row.Review, &e.Review}} {
				d, err := number(n.from)
				if err != nil {
					return fmt.Errorf("time entry %d: %w", row.ID, err)
				}
				*n.to = d
			}
			out = append(out, e)
			return nil
		})
	return out, err
}

// Totals are the sums over all time entries of the mesh.
type Totals struct {
	Entries, Orders             int
	Completed, Rejected, Review *apd.Decimal
}

// Totals adds up exactly: Odoo's numbers have at most 15 digits and are read as the decimals that were written.
func (r *Reader) Totals(ctx context.Context) (Totals, error) {
	entries, err := r.Entries(ctx)
	if err != nil {
		return Totals{}, err
	}
	t := Totals{Entries: len(entries), Completed: new(apd.Decimal), Rejected: new(apd.Decimal), Review: new(apd.Decimal)}
	orders := map[string]bool{}
	for _, e := range entries {
		orders[e.Order] = true
		for _, add := range []struct{ sum, value *apd.Decimal }{{t.Completed, e.Completed}, {t.Rejected, e.Rejected}, {t.Review, e.Review}} {
			if _, err := apd.BaseContext.Add(add.sum, add.sum, add.value); err != nil {
				return Totals{}, fmt.Errorf("add up time entry %d: %w", e.ID, err)
			}
		}
	}
	t.Orders = len(orders)
	return t, nil
}

// Order is a manufacturing order, or one of the parts that Odoo split it into.
type Order struct {
	ID       int64
	Order    string // as the mesh names it; its parts share it
	Name     string // as Odoo names it
	State    string // draft, confirmed, progress, to_close, done or cancel
	Quantity *apd.Decimal
	Produced *apd.Decimal
	Measure  int64 // unit of both
}

// Orders reads the manufacturing orders that the mesh made or works on, oldest first.
func (r *Reader) Orders(ctx context.Context) ([]Order, error) {
	var out []Order
	err := r.pages(ctx, "mrp.production", []any{[]any{"x_mesh_order", "!=", false}},
		[]string{"x_mesh_order", "name", "state", "product_qty", "qty_produced", "product_uom_id"}, func(raw json.RawMessage) error {
			var row struct {
				ID       int64       `json:"id"`
				Order    text        `json:"x_mesh_order"`
				Name     text        `json:"name"`
				State    text        `json:"state"`
				Quantity json.Number `json:"product_qty"`
				Produced json.Number `json:"qty_produced"`
				Unit     relation    `json:"product_uom_id"`
			}
			if err := json.Unmarshal(raw, &row); err != nil {
				return err
			}
			quantity, err := number(row.Quantity)
			if err != nil {
				return fmt.Errorf("order %d: %w", row.ID, err)
			}
			produced, err := number(row.Produced)
			if err != nil {
				return fmt.Errorf("order %d: %w", row.ID, err)
			}
			out = append(out, Order{ID: row.ID, Order: string(row.Order), Name: string(row.Name), State: string(row.State), Quantity: quantity, Produced: produced, Measure: row.Unit.id})
			return nil
		})
	return out, err
}

// pages reads all records that match, by ascending id.
func (r *Reader) pages(ctx context.Context, model string, domain []any, fields []string, row func(json.RawMessage) error) error {
	var last int64
	for {
		var rows []json.RawMessage
		where := append([]any{[]any{"id", ">", last}}, domain...)
		if err := Repeat(ctx, func() error { rows = nil; return r.client.SearchRead(ctx, model, where, fields, page, &rows) }); err != nil {
			return err
		}
		for _, raw := range rows {
			var id struct {
				ID int64 `json:"id"`
			}
			if err := json.Unmarshal(raw, &id); err != nil {
				return fmt.Errorf("read %s: %w", model, err)
			}
			if id.ID <= last {
				return fmt.Errorf("read %s: record %d came after %d", model, id.ID, last)
			}
			last = id.ID
			if err := row(raw); err != nil {
				return fmt.Errorf("read %s %d: %w", model, last, err)
			}
		}
		if len(rows) < page {
			return nil
		}
	}
}

// text is a string that Odoo writes as false when it is empty.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	if string(b) == "false" || string(b) == "null" {
		*t = ""
		return nil
	}
	return json.Unmarshal(b, (*string)(t))
}

// number reads a decimal as it stands, without a float in between.
func number(n json.Number) (*apd.Decimal, error) {
	d, _, err := apd.NewFromString(n.String())
	if err != nil || d.Form != apd.Finite {
		return nil, fmt.Errorf("number %q: not a decimal", n)
	}
	if d.IsZero() {
		return new(apd.Decimal), nil
	}
	d.Reduce(d)
	return d, nil
}

// Plain writes a number without an exponent and without zeros at its end.
func Plain(d *apd.Decimal) string {
	if d.IsZero() {
		return "0"
	}
	short := new(apd.Decimal)
	short.Reduce(d)
	return short.Text('f')
}
