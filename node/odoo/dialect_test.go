package odoo

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestOlderOdooIsAskedInItsOwnWordsAndAnswersInOurs(t *testing.T) {
	d := dialectOf(16, "stock.move.line")
	model, method, args := d.translate("stock.move.line", "search_read", Args{
		"fields": []string{"quantity", "picking_id"}, "domain": []any{[]any{"move_id.picked", "=", true}, []any{"quantity", ">", 1}, "|"},
	})
	want := Args{"fields": []string{"qty_done", "picking_id"}, "domain": []any{[]any{"qty_done", ">", 0}, []any{"qty_done", ">", 1}, "|"}}
	if model != "stock.move.line" || method != "search_read" || !reflect.DeepEqual(args, want) {
		t.Errorf("asked %s %s %v, want %v", model, method, args, want)
	}
	got, err := d.back("search_read", []string{"quantity", "picking_id"}, []byte(`[{"id":1,"qty_done":0.1,"picking_id":[2,"x"]}]`))
	if err != nil || !sameJSON(got, `[{"id":1,"quantity":0.1,"picking_id":[2,"x"]}]`) {
		t.Errorf("answered %s, %v", got, err)
	}
}

func TestKindsAndLotsOfOlderOdooAreAsTheyAreToday(t *testing.T) {
	d := dialectOf(14, "product.product")
	got, err := d.back("search_read", []string{"type", "is_storable"}, []byte(`[{"id":1,"type":"product"},{"id":2,"type":"service"}]`))
	if err != nil || !sameJSON(got, `[{"id":1,"type":"consu","is_storable":true},{"id":2,"type":"service","is_storable":false}]`) {
		t.Errorf("products %s, %v", got, err)
	}
	d = dialectOf(18, "mrp.production")
	got, err = d.back("search_read", []string{"lot_producing_ids"}, []byte(`[{"id":1,"lot_producing_id":[7,"L"]},{"id":2,"lot_producing_id":false}]`))
	if err != nil || !sameJSON(got, `[{"id":1,"lot_producing_ids":[7]},{"id":2,"lot_producing_ids":[]}]`) {
		t.Errorf("orders %s, %v", got, err)
	}
	if model, _, _ := dialectOf(15, "stock.lot").translate("stock.lot", "search_read", nil); model != "stock.production.lot" {
		t.Errorf("lots are %s", model)
	}
	_, method, args := dialectOf(17, "mrp.bom").translate("mrp.bom", "has_access", Args{"ids": []int64{}, "operation": "write"})
	if want := (Args{"operation": "write", "raise_exception": false}); method != "check_access_rights" || !reflect.DeepEqual(args, want) {
		t.Errorf("asked %s %v", method, args)
	}
}

func sameJSON(got []byte, want string) bool {
	var a, b any
	return json.Unmarshal(got, &a) == nil && json.Unmarshal([]byte(want), &b) == nil && reflect.DeepEqual(a, b)
}
