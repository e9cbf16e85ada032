package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
)

// bench measures cases with each system in turn.
type bench struct {
	settings
	dir     string
	scratch int
	label   string            // of what is measured now
	filled  map[string]string // folders that hold many events, by what they hold
}

func newBench(s settings, dir string) *bench {
	return &bench{settings: s, dir: dir, filled: map[string]string{}}
}

func (b *bench) systems() []system {
	return []system{plantmeshSystem{b.plantmesh, b.profile}, natsSystem{always: true}, natsSystem{}}
}

// result is what was measured of a case: the values of all rounds by system.
type result struct {
	measured
	values map[string][]float64
}

// measure returns the results of all cases that were measured in every round, and what went wrong with the others.
func (b *bench) measure(ctx context.Context) (results []*result, err error) {
	var failed []error
	for _, run := range b.runs() {
		for round := range b.rounds {
			if err := b.round(ctx, run, round); err != nil {
				if ctx.Err() != nil {
					return results, errors.New("interrupted")
				}
				failed = append(failed, err)
				fmt.Fprintln(os.Stderr, err)
				run.results = nil
				break
			}
		}
		for _, r := range run.results {
			if b.only.MatchString(r.name) {
				results = append(results, r)
			}
		}
	}
	return results, errors.Join(failed...)
}

// groupRun is a group that is being measured.
type groupRun struct {
	caseGroup
	results []*result
}

func (b *bench) runs() (list []*groupRun) {
	for _, g := range selectCases(b.only) {
		r := &groupRun{caseGroup: g}
		for _, m := range g.cases {
			r.results = append(r.results, &result{m, map[string][]float64{}})
		}
		list = append(list, r)
	}
	return list
}

// round measures a group once with each system. Each round another system is the first.
func (b *bench) round(ctx context.Context, run *groupRun, round int) error {
	systems := b.systems()
	for i := range systems {
		s := systems[(i+round)%len(systems)]
		b.label = run.cases[0].name
		values, err := run.measure(ctx, b, s)
		if err == nil && len(values) != len(run.results) {
			err = fmt.Errorf("%d values of %d", len(values), len(run.results))
		}
		if err != nil {
			return fmt.Errorf("%s with %s: %w", b.label, s.name(), err)
		}
		for i, r := range run.results {
			if !(values[i] > 0) || math.IsInf(values[i], 0) {
				return fmt.Errorf("%s with %s: measured %g: give it more --events or --duration", r.name, s.name(), values[i])
			}
			fmt.Fprintf(os.Stderr, "round %d  %-28s %-18s %12.4g %s\n", round+1, r.name, s.name(), values[i], r.unit)
			r.values[s.name()] = append(r.values[s.name()], values[i])
		}
	}
	return nil
}

// fresh is an empty folder; done removes it.
func (b *bench) fresh() (dir string, done func() error, err error) {
	b.scratch++
	dir = filepath.Join(b.dir, fmt.Sprintf("run-%d", b.scratch))
	return dir, func() error { return os.RemoveAll(dir) }, os.MkdirAll(dir, 0o700) //nolint:gosec // in the folder of this run
}

// with runs fn on a new server that is alone.
func (b *bench) with(ctx context.Context, s system, fn func(n node, dir string) error) (err error) {
	dir, done, err := b.fresh()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	n, err := s.start(ctx, place{dir: dir, site: origin, label: b.label})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.stop()) }()
	return fn(n, dir)
}

// content says what a folder is to hold.
type content struct {
	count    int
	make     func() (*events, error)
	compress bool
	kind     string // of the events
}

// full is a folder in which the origin holds many events. It is filled once for plantmesh and once for both modes of JetStream,
// whose files are the same.
func (b *bench) full(ctx context.Context, s system, c content) (string, error) {
	kind := strings.Join([]string{fmt.Sprint(s.name() == plantmeshName), c.kind, fmt.Sprint(c.count)}, " ")
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
	n, err := s.start(ctx, place{dir: dir, site: origin, compress: c.compress, label: "fill"})
	if err != nil {
		return "", err
	}
	made, err := c.make()
	if err == nil {
		err = publishMany(ctx, n, made, c.count)
	}
	if err := errors.Join(err, n.stop()); err != nil {
		return "", err
	}
	b.filled[kind] = dir
	return dir, nil
}
