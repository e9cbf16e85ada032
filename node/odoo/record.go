package odoo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Record is what a subject of the mesh is in Odoo.
type Record struct {
	Kind  string // for people, such as "manufacturing order"
	Model string
	Key   string // the mesh's name for it
	ID    int64  // 0: not looked up, or not there
	Name  string // Odoo's name for it
	More  int    // further records with that key: parts of an order, or a lot number that several products have
}

// place says which records a kind of subject stands for.
type place struct {
	kind, model string
	name        string   // field that people know it by
	keys        []string // fields that hold the key, the one that decides first
}

// places are the records by the kind of a subject. They are found as the server action finds them.
var places = map[string]place{
	"order":             {"manufacturing order", "mrp.production", "name", []string{"x_mesh_order", "name"}},
	"item":              {"product", "product.product", "name", []string{"default_code"}},
	"lot":               {"lot or serial number", "stock.lot", "name", []string{"name"}},
	"unit":              {"unit of measure", "uom.uom", "name", []string{"x_mesh_code"}},
	"bill-of-materials": {"bill of materials", "mrp.bom", "code", []string{"code"}},
	"work-center":       {"work center", "mrp.workcenter", "name", []string{"code", "name"}},
	"supplier":          {"supplier", "res.partner", "name", []string{"x_mesh_supplier", "ref"}},
	"customer":          {"customer", "res.partner", "name", []string{"x_mesh_customer", "ref"}},
	"dimension":         {"analytic plan", "account.analytic.plan", "name", []string{"x_mesh_dimension"}},
	"posting":           {"journal entry", "account.move", "name", []string{"x_mesh_posting"}},
	"demand":            {"sales order", "sale.order", "name", []string{"x_mesh_demand", "name", "client_order_ref"}},
	"purchase-order":    {"purchase order", "purchase.order", "name", []string{"x_mesh_purchase", "name"}},
	"transfer":          {"transfer", "stock.picking", "name", []string{"x_mesh_transfer"}},
	"shipment":          {"delivery", "stock.picking", "name", []string{"x_mesh_shipment"}},
	"receipt":           {"receipt", "stock.picking", "name", []string{"x_mesh_receipt"}},
}

// RecordOf names the record that a subject is about, without looking it up; ok is false for one that has none in Odoo.
func RecordOf(subject string) (r Record, ok bool) {
	kind, key, cut := strings.Cut(subject, "/")
	p, known := places[kind]
	if !cut || !known || key == "" {
		return Record{}, false
	}
	return Record{Kind: p.kind, Model: p.model, Key: key}, true
}

// maxFound bounds the records that are read for the subjects of one kind.
const maxFound = 1000

// Records looks up the records that subjects are about, those that are there. What could be read is returned beside an error.
func (r *Reader) Records(ctx context.Context, subjects []string) (map[string]Record, error) {
	keys := map[string][]string{}
	for _, subject := range subjects {
		if _, ok := RecordOf(subject); ok {
			kind, key, _ := strings.Cut(subject, "/")
			keys[kind] = append(keys[kind], key)
		}
	}
	found := map[string]Record{}
	var faults []error
	for _, kind := range slices.Sorted(maps.Keys(keys)) {
		p := places[kind]
		rows, err := r.rowsOf(ctx, p, keys[kind])
		if err != nil {
			faults = append(faults, fmt.Errorf("look up %s: %w", kind, err))
			continue
		}
		for _, key := range keys[kind] {
			if record, ok := p.pick(key, rows); ok {
				found[kind+"/"+key] = record
			}
		}
	}
	return found, errors.Join(faults...)
}

// rowsOf reads the records that have one of the keys in one of their fields.
func (r *Reader) rowsOf(ctx context.Context, p place, keys []string) ([]map[string]json.RawMessage, error) {
	domain := []any{}
	for range p.keys[1:] {
		domain = append(domain, "|")
	}
	fields := []string{p.name}
	for _, field := range p.keys {
		domain = append(domain, []any{field, "in", keys})
		if field != p.name {
			fields = append(fields, field)
		}
	}
	var rows []map[string]json.RawMessage
	return rows, r.client.SearchRead(ctx, p.model, domain, fields, maxFound, &rows)
}

// pick takes the first record with the key in the field that decides first.
func (p place) pick(key string, rows []map[string]json.RawMessage) (Record, bool) {
	for _, field := range p.keys {
		record := Record{Kind: p.kind, Model: p.model, Key: key}
		for _, row := range rows {
			if textOf(row[field]) != key {
				continue
			}
			if record.ID != 0 {
				record.More++
				continue
			}
			record.ID, _ = strconv.ParseInt(string(row["id"]), 10, 64)
			record.Name = textOf(row[p.name])
		}
		if record.ID != 0 {
			return record, true
		}
	}
	return Record{}, false
}

// textOf is a text field's value; empty if it has none.
func textOf(raw json.RawMessage) string {
	var t text
	if json.Unmarshal(raw, &t) != nil {
		return ""
	}
	return string(t)
}

// firstPaths is the version from which a record has a path of its own in Odoo's pages.
const firstPaths = 18

// Page is the address of the record in the pages of an Odoo at an address. An unknown version counts as the newest.
func (r Record) Page(address, version string) string {
	base := strings.TrimSuffix(address, "/")
	number, _, _ := strings.Cut(version, ".")
	if major, err := strconv.Atoi(number); err == nil && major < firstPaths {
		return fmt.Sprintf("%s/web#id=%d&model=%s&view_type=form", base, r.ID, url.QueryEscape(r.Model))
	}
	return fmt.Sprintf("%s/odoo/%s/%d", base, url.PathEscape(r.Model), r.ID)
}
