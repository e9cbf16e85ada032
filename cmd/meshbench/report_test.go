package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var twoResults = []*result{
	{measured{"fast", rate}, map[string][]float64{plantmeshName: {100, 300, 200}, alwaysName: {50, 50, 50}, defaultName: {400, 100, 100}}},
	{measured{"slow", milliseconds}, map[string][]float64{plantmeshName: {2}, alwaysName: {1}, defaultName: {4}}},
}

func TestJSONIsOneObjectOfMedians(t *testing.T) {
	var out strings.Builder
	if err := writeJSON(&out, twoResults); err != nil {
		t.Fatal(err)
	}
	want := `{"cases":[{"name":"fast","unit":"events/s","plantmesh":200,"jetstream_always":50,"jetstream_default":100},` +
		`{"name":"slow","unit":"ms","plantmesh":2,"jetstream_always":1,"jetstream_default":4}]}` + "\n"
	if out.String() != want || !json.Valid([]byte(out.String())) {
		t.Errorf("got %s\nwant %s", out.String(), want)
	}
}

func TestTableSaysHowManyTimesBetter(t *testing.T) {
	var out strings.Builder
	if err := writeTable(&out, settings{rounds: 3}, []time.Duration{time.Millisecond}, twoResults); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, want := range []string{"fast events/s 200 50 4.00 100 2.00", "slow ms 2 1 0.50 4 2.00"} {
		if got := strings.Join(strings.Fields(lines[len(lines)-2+i]), " "); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestPercentileIsTheShortestTimeThatCoversTheShare(t *testing.T) {
	var took []time.Duration
	for i := 100; i > 0; i-- {
		took = append(took, time.Duration(i)*time.Millisecond)
	}
	for share, want := range map[float64]float64{0.5: 50, 0.99: 99, 1: 100, 0: 1} {
		if got := percentile(took, share); got != want {
			t.Errorf("percentile %g: got %g ms, want %g", share, got, want)
		}
	}
	if got := percentile([]time.Duration{time.Millisecond}, 0.99); got != 1 {
		t.Errorf("of one: got %g ms", got)
	}
}

func TestMedianOfAnEvenNumberIsBetweenTheTwoInTheMiddle(t *testing.T) {
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("got %g", got)
	}
	if got := median([]float64{9, 1, 3}); got != 3 {
		t.Errorf("got %g", got)
	}
}

func TestFiguresHaveFourDigits(t *testing.T) {
	for v, want := range map[float64]float64{123456: 123500, 0.0123456: 0.01235, 0: 0, 7: 7} {
		if got := significant(v); got != want {
			t.Errorf("%g: got %g, want %g", v, got, want)
		}
	}
}
