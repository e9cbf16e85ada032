package odoo

import "testing"

func TestSubjectNamesItsRecordInOdoo(t *testing.T) {
	for subject, want := range map[string]Record{
		"order/WO-1/2": {Kind: "manufacturing order", Model: "mrp.production", Key: "WO-1/2"},
		"lot/L7":       {Kind: "lot or serial number", Model: "stock.lot", Key: "L7"},
	} {
		if got, ok := RecordOf(subject); !ok || got != want {
			t.Errorf("%s: %+v, %t", subject, got, ok)
		}
	}
	for _, subject := range []string{"", "order", "order/", "asset/press-1", "x"} {
		if got, ok := RecordOf(subject); ok {
			t.Errorf("%q: %+v", subject, got)
		}
	}
}

func TestRecordHasAPageInEveryVersionOfOdoo(t *testing.T) {
	r := Record{Model: "mrp.production", ID: 7}
	for version, want := range map[string]string{
		"19.0": "https://erp.example/odoo/mrp.production/7", "": "https://erp.example/odoo/mrp.production/7",
		"17.0-20240101": "https://erp.example/web#id=7&model=mrp.production&view_type=form",
	} {
		if got := r.Page("https://erp.example/", version); got != want {
			t.Errorf("%s: %s", version, got)
		}
	}
}
