package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/cockroachdb/apd/v3"
)

// Report is the verdict.
type Report struct {
	Read       uint64 `json:"read"`       // rows of the input
	Recorded   uint64 `json:"recorded"`   // events in the plants' logs
	Duplicates uint64 `json:"duplicates"` // rows of the input whose event was there
	Redropped  uint64 `json:"redropped"`  // the same, of the file that was dropped twice
	Rejected   uint64 `json:"rejected"`   // rows that make no event
	Skipped    uint64 `json:"skipped"`    // rows that are nobody's event
	Replicated uint64 `json:"replicated"` // events at hq
	Applied    uint64 `json:"applied"`    // events whose effect is in Odoo
	Confirmed  uint64 `json:"confirmed"`  // events whose plants were told so, in the stream hq/mesh
	Ignored    uint64 `json:"ignored"`    // events of types without effect in Odoo
	Parked     uint64 `json:"parked"`     // events that could not be applied, and those held back behind them
	Lost       uint64 `json:"lost"`
	Doubled    uint64 `json:"doubled"`
	OutOfOrder uint64 `json:"out_of_order"`
	Verified   bool   `json:"verified"` // nothing lost, doubled, out of order or not accounted for, and every scene held

	PublishP50  float64 `json:"publish_p50_ms"`
	PublishP99  float64 `json:"publish_p99_ms"` // of the slowest plant: from a request to its durable acknowledgement
	EndToEndP50 float64 `json:"end_to_end_p50_ms"`
	EndToEndP99 float64 `json:"end_to_end_p99_ms"` // from the plant's disk to the commit in Odoo; the time cut off counts
	Seconds     float64 `json:"seconds"`

	StreamsVerified  int    `json:"streams_verified"`  // every copy of a stream, read again block by block
	ReplicasVerified int    `json:"replicas_verified"` // of these: replicas, compared with their origins
	RecordedApart    uint64 `json:"recorded_apart"`    // events that plant-b recorded while it was cut off
	Kills            []Kill `json:"kills"`

	Scenes []*Scene `json:"scenes"` // those behind the feed count their own events; the counts above are those of the input

	ByType     map[string]int `json:"by_type"`
	Totals     Totals         `json:"totals"`      // over the operation reports at hq
	OdooTotals Totals         `json:"odoo_totals"` // over Odoo's time entries
	Rejects    []Reject       `json:"rejects"`
	Problems   []string       `json:"problems"`
}

// addScenes takes in how the scenes went.
func (r *Report) addScenes(scenes []*Scene) {
	for _, scene := range scenes {
		r.Scenes = append(r.Scenes, scene)
		if scene.failed() {
			r.Verified = false
		}
	}
}

// Totals are sums over operation reports.
type Totals struct {
	Entries   int          `json:"entries"`
	Completed *apd.Decimal `json:"completed"`
	Rejected  *apd.Decimal `json:"rejected"`
	Review    *apd.Decimal `json:"review"`
}

func newTotals() Totals {
	return Totals{Completed: new(apd.Decimal), Rejected: new(apd.Decimal), Review: new(apd.Decimal)}
}

func (t Totals) equal(o Totals) bool {
	return t.Entries == o.Entries && t.Completed.Cmp(o.Completed) == 0 && t.Rejected.Cmp(o.Rejected) == 0 && t.Review.Cmp(o.Review) == 0
}

func (t Totals) String() string {
	return fmt.Sprintf("%d reports, completed %f, rejected %f, for review %f", t.Entries, t.Completed, t.Rejected, t.Review)
}

// shown is how many rejects and problems the table lists; JSON has them all.
const shown = 5

// print writes the verdict: for people, and with --json for machines.
func (r *Report) print(o Options, dir string) error {
	if err := r.table(o, dir); err != nil {
		return err
	}
	if !o.JSON {
		return nil
	}
	return json.NewEncoder(o.Out).Encode(r)
}

func (r *Report) table(o Options, dir string) error {
	w := tabwriter.NewWriter(o.out(), 2, 0, 2, ' ', 0)
	line := func(name string, n any, text string) { fmt.Fprintf(w, "  %s\t%v\t%s\n", name, n, text) }
	fmt.Fprintln(w)
	line("read", r.Read, "rows of the input")
	line("rejected", r.Rejected, "rows that make no event, in reject files with line and reason")
	line("duplicates", r.Duplicates, "rows whose event was recorded before")
	line("skipped", r.Skipped, "rows that are nobody's event")
	line("recorded", r.Recorded, "events in the plants' logs")
	line("redropped", r.Redropped, "rows of the file that was dropped twice: duplicates, all of them")
	line("replicated", r.Replicated, fmt.Sprintf("events at hq; %d replicas over all sites verified against their origins", r.ReplicasVerified))
	line("applied", r.Applied, "events whose effect is in Odoo")
	line("confirmed", r.Confirmed, "events whose plants were told so (ErpApplied)")
	line("no effect", r.Ignored, "events of types that do nothing in Odoo")
	line("parked", r.Parked, "events that Odoo refused, and those held back behind them")
	line("lost", r.Lost, "")
	line("doubled", r.Doubled, "")
	line("out of order", r.OutOfOrder, "")
	fmt.Fprintf(w, "  \n  at hq\t%s\n  in Odoo\t%s\n", r.Totals, r.OdooTotals)
	fmt.Fprintf(w, "  latency\tdurable publish p99 %.1f ms; plant's disk to Odoo p50 %.0f ms, p99 %.0f ms (the time cut off counts)\n  \n", r.PublishP99, r.EndToEndP50, r.EndToEndP99)
	for _, name := range slices.Sorted(maps.Keys(r.ByType)) {
		line(name, r.ByType[name], "")
	}
	fmt.Fprintln(w)
	for i, reject := range r.Rejects {
		if i == shown {
			fmt.Fprintf(w, "  … and %d more rejected rows: --json lists them all\n", len(r.Rejects)-shown)
			break
		}
		fmt.Fprintf(w, "  line %d rejected by %s: %s: %s\n", reject.Line, reject.Plant, reject.Field, reject.Reason)
	}
	for i, p := range r.Problems {
		if i == shown {
			fmt.Fprintf(w, "  … and %d more problems: --json lists them all\n", len(r.Problems)-shown)
			break
		}
		fmt.Fprintf(w, "  PROBLEM %s\n", p)
	}
	r.sceneLines(w)
	verdict := "VERIFIED: nothing lost, doubled or out of order; every row and event is accounted for"
	if !r.Verified {
		verdict = "FAILED: see above"
	}
	fmt.Fprintf(w, "\n%s (%.1f s)\n", verdict, r.Seconds)
	if o.Keep != "" {
		fmt.Fprintf(w, "Everything is kept in %s\n", dir)
	}
	return w.Flush()
}

// sceneLines says how each scene went.
func (r *Report) sceneLines(w io.Writer) {
	for _, scene := range r.Scenes {
		state := "holds"
		switch {
		case scene.LeftOut != "":
			state = "is left out"
		case !scene.OK:
			state = "FAILED"
		}
		fmt.Fprintf(w, "\n  scene %s %s: %s\n", scene.Name, state, strings.ReplaceAll(scene.figures(), "\n", "\n    "))
		for _, fault := range scene.Faults {
			fmt.Fprintf(w, "    PROBLEM %s\n", fault)
		}
	}
}
