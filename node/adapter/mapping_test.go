package adapter_test

import (
	"encoding/csv"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/adapter"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

const (
	productionLog     = "../../../shared/data/production_log/production_log.csv"
	productionMapping = "../../deploy/examples/production-log.yaml"
)

// readProductionLog returns the rows of the real log; it skips the test where that is not there.
func readProductionLog(t testing.TB) []adapter.Row {
	t.Helper()
	file, err := os.Open(productionLog)
	if err != nil {
		t.Skipf("the real production log is not here: %v", err)
	}
	defer file.Close()
	records, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]adapter.Row, 0, len(records))
	for i, record := range records[1:] {
		values := make(map[string]string, len(record))
		for column, name := range records[0] {
			values[name] = record[column]
		}
		rows = append(rows, adapter.Row{Line: i + 2, Values: values})
	}
	return rows
}

func compileFor(t testing.TB, path string, site plantmesh.SiteID) *adapter.Mapping {
	t.Helper()
	config, err := adapter.LoadMapping(path)
	if err != nil {
		t.Fatal(err)
	}
	m, err := adapter.Compile(config, site)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRealLogMapsToItsKnownAnswers(t *testing.T) {
	rows := readProductionLog(t)
	sites := []plantmesh.SiteID{"plant-a", "plant-b", "plant-c", "plant-d"}
	ids, orders := map[string]bool{}, map[string]bool{}
	plantsOf := map[string]map[plantmesh.SiteID]bool{}
	activities := map[manufacturingv1.Activity]int{}
	rejected, duplicates := map[int]string{}, 0
	for _, site := range sites {
		m := compileFor(t, productionMapping, site)
		for _, row := range rows {
			e, _, err := m.Event(row)
			var rowError *adapter.RowError
			switch {
			case errors.Is(err, adapter.ErrSkipped):
			case errors.As(err, &rowError):
				rejected[row.Line] = rowError.Error()
			case err != nil:
				t.Fatal(err)
			case ids[e.GetId()]:
				duplicates++
			default:
				ids[e.GetId()] = true
				payload, err := plantmesh.Payload(e)
				if err != nil {
					t.Fatal(err)
				}
				report := payload.(*manufacturingv1.OperationReported)
				orders[report.GetOrderId()] = true
				activities[report.GetActivity()]++
				if plantsOf[report.GetOrderId()] == nil {
					plantsOf[report.GetOrderId()] = map[plantmesh.SiteID]bool{}
				}
				plantsOf[report.GetOrderId()][site] = true
			}
		}
	}
	if len(rows) != 4543 || len(rejected) != 40 || duplicates != 22 || len(ids) != 4481 || len(orders) != 225 {
		t.Errorf("read %d, rejected %d, duplicates %d, events %d, orders %d", len(rows), len(rejected), duplicates, len(ids), len(orders))
		for line, reason := range rejected {
			t.Logf("line %d: %s", line, reason)
		}
	}
	if activities[manufacturingv1.Activity_ACTIVITY_PRODUCTION] != 3726 || activities[manufacturingv1.Activity_ACTIVITY_SETUP] != 704 ||
		activities[manufacturingv1.Activity_ACTIVITY_BREAKDOWN] != 51 {
		t.Errorf("activities %v", activities)
	}
	through := 0
	for _, plants := range plantsOf {
		if len(plants) == len(sites) {
			through++
		}
	}
	if through == 0 {
		t.Error("no order crosses all four plants")
	}
	t.Logf("%d of %d orders cross all four plants", through, len(orders))
}

func BenchmarkMapRow(b *testing.B) {
	m := compileFor(b, productionMapping, "plant-a")
	row := adapter.Row{Line: 2, Values: map[string]string{
		"Case ID": "Case 1", "Activity": "Turning & Milling - Machine 4", "Resource": "Machine 4 - Turning & Milling",
		"Start Timestamp": "2012/01/29 23:24:00.000", "Complete Timestamp": "2012/01/30 05:43:00.000", "Span": "006:19",
		"Work Order Qty": "10", "Part Desc.": "Cable Head", "Worker ID": "ID4932", "Report Type": "S", "Qty Completed": "1",
		"Qty Rejected": "0", "Qty for MRB": "0", "Rework": "",
	}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := m.Event(row); err != nil {
			b.Fatal(err)
		}
	}
}

// The examples in the documentation and under deploy are real.
func TestEveryExampleMappingCompiles(t *testing.T) {
	for _, path := range []string{productionMapping, "../../deploy/examples/shop-floor.yaml"} {
		compileFor(t, path, "plant-a")
	}
	text, err := os.ReadFile("../../docs/adapters.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```")
	found := false
	for _, block := range blocks {
		mapping, ok := strings.CutPrefix(block, "yaml\n")
		if !ok || !strings.HasPrefix(mapping, "time_zone:") {
			continue
		}
		found = true
		config, err := adapter.ParseMapping("docs/adapters.md", []byte(mapping))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := adapter.Compile(config, "plant-a"); err != nil {
			t.Error(err)
		}
	}
	if !found {
		t.Error("docs/adapters.md shows no mapping")
	}
}

func TestMappingFaultsNameLineAndColumn(t *testing.T) {
	const head = "time_zone: UTC\nsource: '\"//x\"'\nevents:\n  - type: plantmesh.manufacturing.v1.ProductionCompleted\n    id: digest(row)\n"
	for name, c := range map[string]struct{ text, want string }{
		"unknown key":      {"time_zon: UTC\n", `m.yaml:1:1: unknown key "time_zon"`},
		"no zone":          {"source: '\"x\"'\n", "time_zone \"\": give an IANA name"},
		"misspelt field":   {head + "    time: time(row[\"t\"], \"15:04\")\n    fields:\n      oder_id: row[\"o\"]\n", `m.yaml:8:16: plantmesh.manufacturing.v1.ProductionCompleted has no field "oder_id"`},
		"wrong type":       {head + "    time: '\"now\"'\n    fields: {}\n", "yields string, not google.protobuf.Timestamp"},
		"broken CEL":       {head + "    time: time(row[\n    fields: {}\n", "m.yaml:6:11: events[0].time: Syntax error"},
		"unknown function": {head + "    time: tyme(row[\"t\"])\n    fields: {}\n", "undeclared reference to 'tyme'"},
		"message as text":  {head + "    time: time(row[\"t\"], \"15:04\")\n    fields:\n      quantity: row[\"q\"]\n", "quantity is a Quantity: give a section with its fields, value, unit"},
		"unknown type":     {strings.Replace(head, "ProductionCompleted", "Nothing", 1) + "    time: time(row[\"t\"], \"15:04\")\n    fields: {}\n", "unknown event type"},
	} {
		t.Run(name, func(t *testing.T) {
			config, err := adapter.ParseMapping("m.yaml", []byte(c.text))
			if err == nil {
				_, err = adapter.Compile(config, "plant-a")
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v\nwant %s", err, c.want)
			}
		})
	}
}

func FuzzParseMapping(f *testing.F) {
	for _, path := range []string{productionMapping, "../../deploy/examples/shop-floor.yaml"} {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		config, err := adapter.ParseMapping("fuzz.yaml", text)
		if err != nil {
			return
		}
		m, err := adapter.Compile(config, "plant-a")
		if err != nil {
			return
		}
		_, _, _ = m.Event(adapter.Row{Line: 1, Values: map[string]string{"a": "b"}})
	})
}
