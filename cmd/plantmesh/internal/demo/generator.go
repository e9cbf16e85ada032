package demo

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/plantmesh/plantmesh/node/adapter"
)

// shopFloor is the mapping of what the generator writes. deploy/examples has the same file, for people to copy from.
//
//go:embed shop-floor.yaml
var shopFloor []byte

var shopFloorColumns = []string{
	"report", "plant", "time", "type", "order", "ordered", "item", "quantity", "unit", "lot", "work_center", "operation", "worker",
	"start", "end", "rejected", "review", "reference", "reason", "last",
}

// step is one operation of every order, at its plant.
type step struct{ plant, workCenter, operation string }

var route = []step{
	{"plant-a", "A-TURN-1", "turning"},
	{"plant-a", "A-MILL-2", "milling"},
	{"plant-b", "B-GRIND-1", "grinding"},
	{"plant-c", "C-CHECK-1", "inspection"},
	{"plant-d", "D-PACK-1", "packing"},
}

var items = []string{"bearing", "bushing", "flange", "spindle", "valve-body"}

// generator makes up a factory's reports: the same for the same seed.
type generator struct {
	random *rand.Rand
	out    *csv.Writer
	now    time.Time
	report int
}

// generate makes up the reports of a number of orders, as one table for all plants: releases, consumption, operations,
// scrap, holds, downtime, completions and closings, with the defects that real tables have.
func generate(orders int, seed uint64, mappingPath string) (*input, error) {
	var text bytes.Buffer
	g := &generator{random: rand.New(rand.NewPCG(seed, 0)), out: csv.NewWriter(&text), now: time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)}
	_ = g.out.Write(shopFloorColumns) // a bytes.Buffer takes everything
	for n := range orders {
		g.order(n + 1)
	}
	g.out.Flush()
	config, err := adapter.ParseMapping(mappingPath, shopFloor)
	if err != nil {
		return nil, err
	}
	return splitInput(text.Bytes(), mappingPath, config)
}

// order makes up the life of one order.
func (g *generator) order(n int) {
	order, item := fmt.Sprintf("WO-%05d", n), items[g.random.IntN(len(items))]
	quantity := 10 + g.random.IntN(90)
	lot := fmt.Sprintf("L-%05d", n)
	g.write("plant-a", "released", map[string]string{"order": order, "item": item, "quantity": strconv.Itoa(quantity), "work_center": route[0].workCenter})
	g.write("plant-a", "consumed", map[string]string{"order": order, "item": "steel-bar", "quantity": strconv.Itoa(quantity/2) + ".25", "unit": "KGM", "operation": route[0].operation})
	for _, s := range route {
		g.work(s, order, item, quantity)
	}
	if g.random.IntN(6) == 0 {
		g.write("plant-b", "scrap", map[string]string{"order": order, "item": "steel-bar", "quantity": "1", "unit": "KGM", "reason": "crack", "operation": "grinding"})
	}
	if g.random.IntN(10) == 0 {
		id := strconv.Itoa(n)
		g.write("plant-c", "down", map[string]string{"work_center": "C-CHECK-1", "start": g.stamp(), "reference": "DT-" + id, "reason": "calibration"})
		g.write("plant-c", "up", map[string]string{"work_center": "C-CHECK-1", "end": g.stamp(), "reference": "DT-" + id})
	}
	g.write("plant-d", "completed", map[string]string{"order": order, "item": item, "quantity": strconv.Itoa(quantity), "lot": lot, "last": "yes"})
	if g.random.IntN(8) == 0 {
		g.write("plant-d", "hold", map[string]string{"reference": "H-" + order, "item": item, "lot": lot, "reason": "surface"})
		g.write("plant-d", "release", map[string]string{"reference": "H-" + order, "item": item, "lot": lot, "reason": "use-as-is"})
	}
	g.write("plant-d", "closed", map[string]string{"order": order})
}

// work makes up the reports of one operation: set-up, one or several spans of production, sometimes a breakdown.
func (g *generator) work(s step, order, item string, quantity int) {
	span := func(kind string, good, rejected, review int) {
		start := g.stamp()
		g.now = g.now.Add(time.Duration(5+g.random.IntN(50)) * time.Minute)
		g.write(s.plant, kind, map[string]string{
			"order": order, "ordered": strconv.Itoa(quantity), "item": item, "work_center": s.workCenter, "operation": s.operation, "worker": fmt.Sprintf("ID%04d", 1000+g.random.IntN(40)),
			"start": start, "end": g.stamp(), "quantity": strconv.Itoa(good), "rejected": strconv.Itoa(rejected), "review": strconv.Itoa(review),
		})
	}
	if g.random.IntN(3) > 0 {
		span("setup", 0, 0, 0)
	}
	if g.random.IntN(25) == 0 {
		span("breakdown", 0, 0, 0)
	}
	parts := 1 + g.random.IntN(3)
	for part := range parts {
		good := quantity / parts
		if part == parts-1 {
			good = quantity - good*(parts-1)
		}
		span("production", good, g.random.IntN(20)/19, g.random.IntN(40)/39)
	}
}

func (g *generator) stamp() string { return g.now.Format("2006-01-02 15:04:05") }

// write writes one report, and now and then a defect with it: the same report again, or one without its time.
func (g *generator) write(plant, kind string, values map[string]string) {
	g.report++
	values["report"], values["plant"], values["type"], values["time"] = "R-"+strconv.Itoa(g.report), plant, kind, g.stamp()
	if values["unit"] == "" && values["quantity"] != "" {
		values["unit"] = "C62"
	}
	record := make([]string, len(shopFloorColumns))
	for i, name := range shopFloorColumns {
		record[i] = values[name]
	}
	_ = g.out.Write(record)
	switch g.random.IntN(120) {
	case 0:
		_ = g.out.Write(record)
	case 1:
		g.report++
		record[0], record[2] = "R-"+strconv.Itoa(g.report), ""
		_ = g.out.Write(record)
	}
}
