package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// caseGroup are cases that one run measures together.
type caseGroup struct {
	cases   []string
	unit    string
	measure func(ctx context.Context, b *bench, s system) ([]float64, error) // one value for each case
}

// bench measures cases with each system in turn.
type bench struct {
	settings
	dir     string
	scratch int
	filled  map[string]string // folders that hold many events, by kind and number
}

func newBench(s settings, dir string) *bench {
	return &bench{settings: s, dir: dir, filled: map[string]string{}}
}

func (b *bench) systems() []system {
	return []system{plantmeshSystem{b.plantmesh}, natsSystem{always: true}, natsSystem{}}
}

// result is what was measured of a case: the values of all rounds by system.
type result struct {
	name, unit string
	values     map[string][]float64
}

func (b *bench) measure(ctx context.Context) ([]*result, error) {
	var groups []caseGroup
	results := map[string]*result{}
	var ordered []*result
	for _, g := range allCases() {
		wanted := false
		for _, name := range g.cases {
			if b.only.MatchString(name) {
				wanted = true
				results[name] = &result{name: name, unit: g.unit, values: map[string][]float64{}}
				ordered = append(ordered, results[name])
			}
		}
		if wanted {
			groups = append(groups, g)
		}
	}
	if len(groups) == 0 {
		return nil, fmt.Errorf("--only %s: matches no case; there are: %s", b.only, strings.Join(caseNames(), ", "))
	}
	for round := range b.rounds {
		for _, g := range groups {
			systems := b.systems()
			for i := range systems {
				s := systems[(i+round)%len(systems)] // nobody is always first
				values, err := g.measure(ctx, b, s)
				if err != nil {
					return nil, fmt.Errorf("%s with %s: %w", strings.Join(g.cases, ", "), s.name(), err)
				}
				for i, name := range g.cases {
					fmt.Fprintf(os.Stderr, "round %d  %-28s %-18s %12.4g %s\n", round+1, name, s.name(), values[i], g.unit)
					if r := results[name]; r != nil {
						r.values[s.name()] = append(r.values[s.name()], values[i])
					}
				}
			}
		}
	}
	return ordered, nil
}

func caseNames() (names []string) {
	for _, g := range allCases() {
		names = append(names, g.cases...)
	}
	return names
}

// fresh is an empty folder; done removes it.
func (b *bench) fresh() (dir string, done func() error, err error) {
	b.scratch++
	dir = filepath.Join(b.dir, fmt.Sprintf("run-%d", b.scratch))
	return dir, func() error { return os.RemoveAll(dir) }, os.MkdirAll(dir, 0o700)
}

// with runs fn on a new server that is alone.
func (b *bench) with(ctx context.Context, s system, compress bool, fn func(n node, dir string) error) (err error) {
	dir, done, err := b.fresh()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	n, err := s.start(ctx, place{dir: dir, site: origin, compress: compress})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	return fn(n, dir)
}

// full is a folder in which plant-a holds many events; it is filled once for plantmesh and once for both modes of NATS, whose
// files are the same.
func (b *bench) full(ctx context.Context, s system, count, size int) (string, error) {
	kind := fmt.Sprint(s.name() == plantmeshName, count, size)
	if dir, ok := b.filled[kind]; ok {
		return dir, nil
	}
	if s.name() != plantmeshName {
		s = natsSystem{} // quick to fill
	}
	dir, _, err := b.fresh()
	if err != nil {
		return "", err
	}
	n, err := s.start(ctx, place{dir: dir, site: origin})
	if err != nil {
		return "", err
	}
	made, err := newEvents(size)
	if err == nil {
		err = publishMany(ctx, n, made, count)
	}
	if err := errors.Join(err, n.stop()); err != nil {
		return "", err
	}
	b.filled[kind] = dir
	return dir, nil
}

// median of values that are there.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	if n := len(sorted); n%2 == 0 {
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return sorted[len(sorted)/2]
}
