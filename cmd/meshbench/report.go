package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// row is a case as it is reported: medians.
type row struct {
	Name      string  `json:"name"`
	Unit      string  `json:"unit"`
	Plantmesh float64 `json:"plantmesh"`
	Always    float64 `json:"jetstream_always"`
	Default   float64 `json:"jetstream_default"`
}

// better is how many times better plantmesh is than another.
func (r row) better(than float64) float64 {
	if r.Unit == rate {
		return r.Plantmesh / than
	}
	return than / r.Plantmesh
}

func rows(results []*result) []row {
	list := make([]row, len(results))
	for i, r := range results {
		value := func(system string) float64 { return significant(median(r.values[system])) }
		list[i] = row{Name: r.name, Unit: r.unit, Plantmesh: value(plantmeshName), Always: value(alwaysName), Default: value(defaultName)}
	}
	return list
}

// significant keeps four digits: no more were measured.
func significant(v float64) float64 {
	if v == 0 {
		return 0
	}
	unit := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*unit) / unit
}

func writeJSON(w io.Writer, results []*result) error {
	return json.NewEncoder(w).Encode(struct {
		Cases []row `json:"cases"`
	}{rows(results)})
}

// writeTable writes medians, and how many times better plantmesh is: of a rate more, of everything else less.
func writeTable(w io.Writer, s settings, fsyncs []time.Duration, results []*result) error {
	fmt.Fprintf(w, "medians of %d rounds; catch-up of %d events, restart with %d\n", s.rounds, s.events, s.restartEvents)
	fmt.Fprintf(w, "fsync of 4 KiB before the first round: p50 %.3g ms, p99 %.3g ms\n", percentile(fsyncs, 0.5), percentile(fsyncs, 0.99))
	fmt.Fprint(w, "ratio: how many times better plantmesh is; below 1 it is worse\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join([]string{"case", "unit", "plantmesh", "jetstream always", "ratio", "jetstream default", "ratio"}, "\t"))
	for _, r := range rows(results) {
		fmt.Fprintf(t, "%s\t%s\t%g\t%g\t%.2f\t%g\t%.2f\n", r.Name, r.Unit, r.Plantmesh, r.Always, r.better(r.Always), r.Default, r.better(r.Default))
	}
	return t.Flush()
}
