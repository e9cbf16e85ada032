package odoo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/apd/v3"
)

// Product is one that has an internal reference.
type Product struct {
	ID      int64
	Item    string // internal reference
	Name    string
	Measure int64 // its unit
	Active  bool
}

// Holding is goods of an item and lot somewhere, in the product's unit.
type Holding struct {
	Warehouse string // as [Warehouse.Label] has it
	Item, Lot string
	Quantity  *apd.Decimal
}

// Use is material of an order of the mesh: taken from stock, or kept to be taken when the order is done.
type Use struct {
	Holding
	Order string // as the mesh names it
	Done  bool
}

// Transit is what a transfer of the mesh has under way.
type Transit struct {
	Transfer  string
	Item, Lot string
	Quantity  *apd.Decimal
}

// Place is where a location is.
type Place struct {
	Warehouse string // as [Warehouse.Label] has it; empty: of none
	Main      bool   // the warehouse's stock
	Internal  bool
	Transit   bool
	Names     []string // name, whole name and barcode
}

// Inventory is what Odoo has in stock and under way. Its parts are read one after the other, so what moves meanwhile may be in two of them or
// in none.
type Inventory struct {
	Measures   *Measures
	Warehouses []Warehouse       // the company's first in front
	Products   map[int64]Product // by id
	Places     map[int64]Place   // by id
	Held       []Holding
	Used       []Use
	UnderWay   []Transit
}

// Inventory reads it.
func (r *Reader) Inventory(ctx context.Context) (*Inventory, error) {
	v := &Inventory{Products: map[int64]Product{}, Places: map[int64]Place{}}
	var err error
	if v.Measures, err = r.Measures(ctx); err != nil {
		return nil, err
	}
	for _, read := range []func(context.Context, *Inventory) error{r.products, r.places, r.held, r.used, r.underWay} {
		if err := read(ctx, v); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func (r *Reader) products(ctx context.Context, v *Inventory) error {
	domain := []any{[]any{"default_code", "!=", false}, []any{"active", "in", []bool{true, false}}}
	return r.pages(ctx, "product.product", domain, []string{"default_code", "name", "uom_id", "active"}, func(raw json.RawMessage) error {
		var row struct {
			ID     int64    `json:"id"`
			Item   text     `json:"default_code"`
			Name   text     `json:"name"`
			Unit   relation `json:"uom_id"`
			Active bool     `json:"active"`
		}
		err := json.Unmarshal(raw, &row)
		v.Products[row.ID] = Product{ID: row.ID, Item: string(row.Item), Name: string(row.Name), Measure: row.Unit.id, Active: row.Active}
		return err
	})
}

func (r *Reader) places(ctx context.Context, v *Inventory) error {
	views, mains := map[int64]string{}, map[int64]bool{}
	all, err := r.client.warehouses(ctx)
	if err != nil {
		return err
	}
	v.Warehouses = all
	for _, w := range all {
		views[w.view], mains[w.main] = w.Label(all), true
	}
	parents := map[int64]int64{}
	err = r.pages(ctx, "stock.location", []any{[]any{"active", "in", []bool{true, false}}}, []string{"name", "complete_name", "barcode", "usage", "location_id"}, func(raw json.RawMessage) error {
		var row struct {
			ID      int64    `json:"id"`
			Name    text     `json:"name"`
			Whole   text     `json:"complete_name"`
			Barcode text     `json:"barcode"`
			Usage   text     `json:"usage"`
			Parent  relation `json:"location_id"`
		}
		err := json.Unmarshal(raw, &row)
		parents[row.ID] = row.Parent.id
		v.Places[row.ID] = Place{
			Main: mains[row.ID], Internal: row.Usage == "internal", Transit: row.Usage == "transit", Names: []string{string(row.Name), string(row.Whole), string(row.Barcode)},
		}
		return err
	})
	for id, place := range v.Places {
		for at, depth := id, 0; at != 0 && depth < len(parents); at, depth = parents[at], depth+1 {
			if code, ok := views[at]; ok {
				place.Warehouse = code
				v.Places[id] = place
				break
			}
		}
	}
	return err
}

// goodsRow is a row of stock, or of a move's goods.
type goodsRow struct {
	ID       int64       `json:"id"`
	Product  relation    `json:"product_id"`
	Lot      relation    `json:"lot_id"`
	At       relation    `json:"location_id"`
	To       relation    `json:"location_dest_id"`
	Move     relation    `json:"move_id"`
	Picking  relation    `json:"picking_id"`
	Quantity json.Number `json:"quantity"`
	Moved    json.Number `json:"quantity_product_uom"`
	Unit     relation    `json:"product_uom_id"`
}

func (v *Inventory) holding(row goodsRow, quantity json.Number) (Holding, error) {
	d, err := number(quantity)
	if err != nil {
		return Holding{}, fmt.Errorf("%s: %w", row.Product.name, err)
	}
	return Holding{Warehouse: v.Places[row.At.id].Warehouse, Item: v.Products[row.Product.id].Item, Lot: row.Lot.name, Quantity: d}, nil
}

func (r *Reader) held(ctx context.Context, v *Inventory) error {
	domain := []any{[]any{"location_id.usage", "=", "internal"}}
	return r.pages(ctx, "stock.quant", domain, []string{"product_id", "lot_id", "location_id", "quantity"}, func(raw json.RawMessage) error {
		var row goodsRow
		if err := json.Unmarshal(raw, &row); err != nil {
			return err
		}
		h, err := v.holding(row, row.Quantity)
		if err == nil && h.Item != "" && h.Warehouse != "" {
			v.Held = append(v.Held, h)
		}
		return err
	})
}

// lineFields are those of goods that move.
var lineFields = []string{"move_id", "picking_id", "product_id", "lot_id", "location_id", "location_dest_id", "quantity_product_uom", "product_uom_id"}

// moved is what a line moved, in the product's unit. Before Odoo 17, only a quantity in the line's own unit is kept.
func (v *Inventory) moved(row goodsRow) (Holding, error) {
	h, err := v.holding(row, row.Moved)
	own, to := v.Measures.Of(row.Unit.id), v.Measures.Of(v.Products[row.Product.id].Measure)
	if err == nil && v.Measures.inLines && own != nil && to != nil {
		h.Quantity, err = v.Measures.convert(h.Quantity, own, to)
	}
	return h, err
}

func (r *Reader) used(ctx context.Context, v *Inventory) error {
	all, err := r.Orders(ctx)
	if err != nil {
		return err
	}
	named := map[int64]string{}
	for _, o := range all {
		named[o.ID] = o.Order
	}
	orders := map[int64]string{}
	err = r.pages(ctx, "stock.move", []any{[]any{"raw_material_production_id", "!=", false}, []any{"scrap_id", "=", false}}, []string{"raw_material_production_id"}, func(raw json.RawMessage) error {
		var row struct {
			ID    int64    `json:"id"`
			Order relation `json:"raw_material_production_id"`
		}
		err := json.Unmarshal(raw, &row)
		orders[row.ID] = named[row.Order.id]
		return err
	})
	if err != nil {
		return err
	}
	raw := []any{"move_id.raw_material_production_id", "!=", false}
	for done, domain := range map[bool][]any{
		true:  {raw, []any{"move_id.state", "=", "done"}},
		false: {raw, []any{"move_id.state", "not in", []string{"done", "cancel"}}, []any{"move_id.picked", "=", true}},
	} {
		err := r.pages(ctx, "stock.move.line", domain, lineFields, func(raw json.RawMessage) error {
			var row goodsRow
			if err := json.Unmarshal(raw, &row); err != nil {
				return err
			}
			h, err := v.moved(row)
			if err == nil && orders[row.Move.id] != "" && h.Item != "" {
				v.Used = append(v.Used, Use{Holding: h, Order: orders[row.Move.id], Done: done})
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *Reader) underWay(ctx context.Context, v *Inventory) error {
	transfers, err := r.transfers(ctx)
	if err != nil {
		return err
	}
	return r.among(ctx, "stock.move.line", "picking_id", slices.Sorted(maps.Keys(transfers)), lineFields, func(raw json.RawMessage) error {
		var row goodsRow
		if err := json.Unmarshal(raw, &row); err != nil {
			return err
		}
		h, err := v.moved(row)
		if err != nil || h.Item == "" {
			return err
		}
		if v.Places[row.At.id].Transit {
			h.Quantity.Neg(h.Quantity)
		}
		v.UnderWay = append(v.UnderWay, Transit{Transfer: transfers[row.Picking.id], Item: h.Item, Lot: h.Lot, Quantity: h.Quantity})
		return nil
	})
}

// transfers are the pickings that are done of transfers that the mesh knows: they bear its name, or are the rest of one that does.
func (r *Reader) transfers(ctx context.Context) (map[int64]string, error) {
	fields, all, done := []string{"x_mesh_transfer", "backorder_id", "state"}, map[int64]string{}, map[int64]string{}
	var added []int64
	take := func(raw json.RawMessage) error {
		var row struct {
			ID       int64    `json:"id"`
			Transfer text     `json:"x_mesh_transfer"`
			RestOf   relation `json:"backorder_id"`
			State    text     `json:"state"`
		}
		err := json.Unmarshal(raw, &row)
		if err != nil || all[row.ID] != "" {
			return err
		}
		all[row.ID], added = cmp.Or(string(row.Transfer), all[row.RestOf.id]), append(added, row.ID)
		if row.State == "done" {
			done[row.ID] = all[row.ID]
		}
		return nil
	}
	err := r.pages(ctx, "stock.picking", []any{[]any{"x_mesh_transfer", "!=", false}}, fields, take)
	for err == nil && len(added) > 0 {
		before := added
		added = nil
		err = r.among(ctx, "stock.picking", "backorder_id", before, fields, take)
	}
	return done, err
}

// among reads the records that name one of others in a field.
func (r *Reader) among(ctx context.Context, model, field string, ids []int64, fields []string, row func(json.RawMessage) error) error {
	for chunk := range slices.Chunk(ids, page) {
		if err := r.pages(ctx, model, []any{[]any{field, "in", chunk}}, fields, row); err != nil {
			return err
		}
	}
	return nil
}
