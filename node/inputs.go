package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/adapter"
	"github.com/plantmesh/plantmesh/node/adapter/file"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/telemetry"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// inputs are the adapters of a site.
type inputs struct{ adapters []*file.Adapter }

// newInputs makes the adapters of the configuration. They publish through latency and tracing, as clients do.
func newInputs(cfg config.Config, disk *stores, tracing *telemetry.Tracing, latency *telemetry.Latency, logger *slog.Logger) (*inputs, error) {
	in := &inputs{}
	log := &publisher{Log: disk.log, tracing: tracing, latency: latency}
	var faults []error
	for i, c := range cfg.Adapters {
		a, err := newAdapter(c, plantmesh.SiteID(cfg.Site), log, logger)
		if err != nil {
			faults = append(faults, fmt.Errorf("adapters[%d]: %w", i, err))
			continue
		}
		in.adapters = append(in.adapters, a)
	}
	return in, errors.Join(faults...)
}

func newAdapter(c config.Adapter, site plantmesh.SiteID, log file.Log, logger *slog.Logger) (*file.Adapter, error) {
	text, err := adapter.LoadMapping(c.Mapping)
	if err != nil {
		return nil, err
	}
	mapping, err := adapter.Compile(text, site)
	if err != nil {
		return nil, err
	}
	return file.New(file.Config{Name: c.Name, Dir: c.Dir, Pattern: c.Pattern, Settle: time.Duration(c.SettleSeconds * float64(time.Second))}, site, mapping, log, logger)
}

func (in *inputs) components() []component {
	var all []component
	for _, a := range in.adapters {
		all = append(all, component{"adapter " + a.Status().Name, a.Run})
	}
	return all
}

func (in *inputs) fill(s *adminv1.GetStatusResponse) {
	for _, a := range in.adapters {
		status := a.Status()
		out := &adminv1.Adapter{Name: status.Name, Kind: config.KindFile, Total: countsMessage(status.Total), Problem: status.Problem}
		for _, f := range status.Files {
			out.Files = append(out.Files, &adminv1.ImportedFile{
				Name: f.Name, SizeBytes: uint64(f.SizeBytes), Counts: countsMessage(f.Counts), Done: f.Done, Problem: f.Problem,
			})
		}
		s.Adapters = append(s.Adapters, out)
	}
}

func countsMessage(c file.Counts) *adminv1.ImportCounts {
	return &adminv1.ImportCounts{Read: c.Read, Recorded: c.Recorded, Duplicates: c.Duplicates, Rejected: c.Rejected, Skipped: c.Skipped}
}

// publisher is the log as adapters use it: what they append is traced and timed as what clients publish.
type publisher struct {
	*storage.Log
	tracing *telemetry.Tracing
	latency *telemetry.Latency
}

func (p *publisher) Append(ctx context.Context, w storage.Write) ([]storage.Receipt, error) {
	arrived := time.Now()
	ctx, end := p.tracing.Append(ctx, w.Entries)
	receipts, err := p.Log.Append(ctx, w)
	end(err)
	if err == nil && len(w.Entries) > 0 {
		p.latency.Record(time.Since(arrived))
	}
	return receipts, err
}
