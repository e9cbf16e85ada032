package plantmesh_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/plantmesh/plantmesh"
)

// canonical is a sound payload of each type that has more than names in it, and what is wrong with others.
var canonical = []struct {
	name, sound string
	wrong       map[string]string // payload: the field and the rule
}{
	{"DemandReceived", `{"demand_id":"SO-1","customer_id":"C","state":1,"lines":[{"line_id":"1","item_id":"bearing","quantity":{"value":"5","unit":"C62"}}]}`, map[string]string{
		`{"demand_id":"SO-1","customer_id":"C"}`: "data.state required",
		`{"demand_id":"SO-1","customer_id":"C","state":1,"lines":[{"line_id":"1","quantity":{"value":"5","unit":"C62"}}]}`: "data.lines[0].item_id required",
	}},
	{"StockAdjusted", `{"adjustment_id":"A","item_id":"bearing","direction":2,"quantity":{"value":"0.5","unit":"KGM"},"reason_code":"found"}`, map[string]string{
		`{"adjustment_id":"A","item_id":"bearing","direction":2,"quantity":{"value":"0","unit":"KGM"},"reason_code":"found"}`: "data quantity.positive",
	}},
	{"StockCounted", `{"count_id":"C","item_id":"bearing","quantity":{"value":"0","unit":"C62"}}`, map[string]string{
		`{"count_id":"C","item_id":"bearing"}`: "data.quantity required",
	}},
	{"StockReserved", `{"reservation_id":"R","item_id":"bearing","quantity":{"value":"3","unit":"C62"},"order_id":"WO-1"}`, map[string]string{
		`{"reservation_id":"R","item_id":"bearing","quantity":{"value":"3","unit":"C62"}}`:                                      "data purpose.one",
		`{"reservation_id":"R","item_id":"bearing","quantity":{"value":"3","unit":"C62"},"order_id":"WO-1","demand_id":"SO-1"}`: "data purpose.one",
	}},
	{"TransferDispatched", `{"transfer_id":"T","from_site_id":"plant-a","to_site_id":"plant-b","materials":[{"item_id":"bearing","quantity":{"value":"3","unit":"C62"}}]}`, map[string]string{
		`{"transfer_id":"T","from_site_id":"plant-a","to_site_id":"plant-a","materials":[{"item_id":"bearing","quantity":{"value":"3","unit":"C62"}}]}`: "data sites.differ",
		`{"transfer_id":"T","from_site_id":"plant-a","to_site_id":"plant-b"}`:                                                                           "data.materials repeated.min_items",
		`{"transfer_id":"T","from_site_id":"plant-a","to_site_id":"plant-b","materials":[{"item_id":"bearing","quantity":{"value":"0","unit":"C62"}}]}`: "data.materials[0] quantity.positive",
	}},
	{"PurchaseOrderIssued", `{"purchase_order_id":"P","supplier_id":"S","state":1,"lines":[{"line_id":"1","item_id":"steel","quantity":{"value":"3","unit":"KGM"},"unit_price":{"amount":"12.50","currency":"EUR"}}]}`, map[string]string{
		`{"purchase_order_id":"P","supplier_id":"S","state":1,"lines":[{"line_id":"1","item_id":"steel","quantity":{"value":"3","unit":"KGM"},"unit_price":{"amount":"12,50","currency":"EUR"}}]}`: "data.lines[0].unit_price.amount string.pattern",
		`{"purchase_order_id":"P","supplier_id":"S","state":1,"lines":[{"line_id":"1","item_id":"steel","quantity":{"value":"3","unit":"KGM"},"unit_price":{"amount":"-0","currency":"EUR"}}]}`:    "data.lines[0].unit_price.amount string.pattern",
	}},
	{"GoodsReceived", `{"receipt_id":"R","supplier_id":"S","materials":[{"item_id":"steel","quantity":{"value":"3","unit":"KGM"},"lot_id":"L"}]}`, map[string]string{
		`{"receipt_id":"R","materials":[{"item_id":"steel","quantity":{"value":"3","unit":"KGM"}}]}`: "data origin.some",
	}},
	{"PostingPrepared", `{"posting_id":"P","journal_id":"MISC","posting_date":"2026-11-24","lines":[
		{"account_id":"1","side":1,"amount":{"amount":"0.1","currency":"EUR"}},{"account_id":"1","side":1,"amount":{"amount":"0.2","currency":"EUR"}},
		{"account_id":"2","side":2,"amount":{"amount":"0.3","currency":"EUR"},"dimensions":[{"dimension_id":"cost-center","value_id":"4711","percent":"33.5"}]}]}`, map[string]string{
		`{"posting_id":"P","journal_id":"MISC","posting_date":"2026-11-24","lines":[{"account_id":"1","side":1,"amount":{"amount":"1","currency":"EUR"}},{"account_id":"2","side":2,"amount":{"amount":"1","currency":"USD"}}]}`:                                      "data.lines posting.balanced",
		`{"posting_id":"P","journal_id":"MISC","posting_date":"2026-11-24","lines":[{"account_id":"1","side":1,"amount":{"amount":"100000000000000","currency":"EUR"}},{"account_id":"2","side":2,"amount":{"amount":"99999999999999.999999999","currency":"EUR"}}]}`: "data.lines posting.balanced",
		`{"posting_id":"P","journal_id":"MISC","posting_date":"2026-13-24","lines":[{"account_id":"1","side":1,"amount":{"amount":"1","currency":"EUR"}},{"account_id":"2","side":2,"amount":{"amount":"1","currency":"EUR"}}]}`:                                      "data.posting_date string.pattern",
		`{"posting_id":"P","journal_id":"MISC","posting_date":"2026-11-24","lines":[{"account_id":"1","side":1,"amount":{"amount":"-1","currency":"EUR"}},{"account_id":"2","side":2,"amount":{"amount":"-1","currency":"EUR"}}]}`:                                    "data.lines[0] amount.not_negative",
	}},
	{"UnitChanged", `{"unit_id":"BX","name":"Box of 24","reference_unit":"C62","factor":"24"}`, map[string]string{
		`{"unit_id":"BX","name":"Box of 24","reference_unit":"C62"}`:              "data factor.reference",
		`{"unit_id":"BX","name":"Box of 24","reference_unit":"C62","factor":"0"}`: "data factor.reference",
		`{"unit_id":"BX","reference_unit":"C62","factor":"24"}`:                   "data.name required",
	}},
	{"ItemChanged", `{"item_id":"bearing","name":"Bearing","kind":1,"unit":"C62","tracking":2}`, map[string]string{
		`{"item_id":"bearing","name":"Bearing","kind":9,"unit":"C62"}`: "data.kind enum.defined_only",
	}},
	{"RoutingChanged", `{"routing_id":"R","bill_of_materials_id":"B","operations":[{"operation_id":"10","work_center_id":"lathe","run_duration":"90s"}]}`, map[string]string{
		`{"routing_id":"R","bill_of_materials_id":"B","operations":[{"operation_id":"10","work_center_id":"lathe","run_duration":"-90s"}]}`: "data.operations[0].run_duration duration.gte",
	}},
	{"WorkCenterChanged", `{"work_center_id":"lathe","name":"Lathe","cost_per_hour":{"amount":"95.00","currency":"EUR"},"efficiency_percent":"87.5"}`, map[string]string{
		`{"work_center_id":"lathe","name":"Lathe","efficiency_percent":"0"}`: "data.efficiency_percent string.pattern",
	}},
	{"SupplierChanged", `{"supplier_id":"S","name":"Steel Ltd","country_code":"DE","currency":"EUR"}`, map[string]string{
		`{"supplier_id":"S","name":"Steel Ltd","country_code":"Germany"}`: "data.country_code string.pattern",
	}},
	{"FinancialDimensionChanged", `{"dimension_id":"cost-center","value_id":"4711","name":"Turning"}`, map[string]string{
		`{"dimension_id":"cost-center","name":"Turning"}`: "data.value_id required",
	}},
	{"MaintenanceRequested", `{"request_id":"M","title":"Bearing is hot","kind":1,"work_center_id":"lathe","priority":3}`, map[string]string{
		`{"request_id":"M","kind":1}`: "data.title required",
	}},
}

func TestCanonicalTypesHoldTheirRules(t *testing.T) {
	for _, c := range canonical {
		t.Run(c.name, func(t *testing.T) {
			if err := validateJSON(t, c.name, c.sound); err != nil {
				t.Errorf("refused %s: %v", c.sound, err)
			}
			for payload, want := range c.wrong {
				var invalid *plantmesh.InvalidEventError
				if err := validateJSON(t, c.name, payload); !errors.As(err, &invalid) {
					t.Errorf("%s: %v", payload, err)
					continue
				}
				field, rule, _ := strings.Cut(want, " ")
				if v := invalid.Violations[0]; v.Field != field || v.Rule != rule {
					t.Errorf("%s breaks %s %s, not %s", payload, v.Field, v.Rule, want)
				}
			}
		})
	}
}

func validateJSON(t *testing.T, name, payload string) error {
	t.Helper()
	kind, err := plantmesh.LookupEventType("plantmesh.manufacturing.v1." + name)
	if err != nil {
		t.Fatal(err)
	}
	m := kind.New()
	if err := protojson.Unmarshal([]byte(payload), m); err != nil {
		t.Fatal(err)
	}
	e, err := plantmesh.NewEvent("//plant-a/mes", "1", time.Unix(1_778_000_000, 0), m)
	if err != nil {
		return err
	}
	_, err = plantmesh.ValidateEvent(e)
	return err
}
