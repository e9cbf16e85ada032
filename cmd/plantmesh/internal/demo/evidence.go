package demo

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// evidence is what is there in the end, read from the sites and from Odoo.
type evidence struct {
	files    []importedFile
	again    uint64 // rows of the file that was dropped twice
	rejects  []Reject
	origin   map[plantmesh.StreamName][]*eventv1.RecordedEvent // every plant's own streams, read at the plant
	atHQ     map[plantmesh.StreamName][]*eventv1.RecordedEvent // the same, read at hq
	verified []verified
	counts   *adminv1.ApplyCounts
	parked   []*adminv1.ParkedSubject
	journal  []odoo.Applied
	outcomes []*eventv1.RecordedEvent // what hq told the mesh of what became of events
	totals   odoo.Totals
	orders   []odoo.Order

	publish, endToEnd *adminv1.Latency // publish: of the slowest plant
}

type importedFile struct {
	plant  plantmesh.SiteID
	name   string
	counts *adminv1.ImportCounts
}

// Reject is a row that made no event, where the input has it.
type Reject struct {
	Line   int    `json:"line"`
	Plant  string `json:"plant"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
}

type verified struct {
	site   plantmesh.SiteID
	result *adminv1.VerifyResponse
}

// gather reads everything.
func gather(ctx context.Context, s *show, erp *odoo.Client) (*evidence, error) {
	e := &evidence{again: s.again, rejects: []Reject{}, origin: map[plantmesh.StreamName][]*eventv1.RecordedEvent{}, atHQ: map[plantmesh.StreamName][]*eventv1.RecordedEvent{}}
	for name, site := range s.cluster.sites {
		if err := e.verify(ctx, name, site); err != nil {
			return nil, fmt.Errorf("verify %s: %w", name, err)
		}
	}
	for _, plant := range plants {
		if err := e.plant(ctx, s, plant); err != nil {
			return nil, fmt.Errorf("read %s: %w", plant, err)
		}
	}
	hq, err := s.cluster.sites[siteHQ].client.Admin().GetStatus(ctx, &adminv1.GetStatusRequest{})
	if err != nil {
		return nil, plantmesh.FromStatus(err)
	}
	e.counts, e.parked, e.endToEnd = hq.GetOdoo().GetCounts(), hq.GetOdoo().GetParked(), hq.GetOdoo().GetEndToEndLatency()
	for stream := range e.origin {
		if e.atHQ[stream], err = readStream(ctx, s.cluster.sites[siteHQ].client, stream); err != nil {
			return nil, fmt.Errorf("read %s at hq: %w", stream, err)
		}
	}
	outcomes := plantmesh.StreamOf(siteHQ, odoo.OutcomeDomain)
	if e.outcomes, err = readStream(ctx, s.cluster.sites[siteHQ].client, outcomes); err != nil {
		return nil, fmt.Errorf("read %s: %w", outcomes, err)
	}
	return e, e.readERP(ctx, erp)
}

func (e *evidence) verify(ctx context.Context, name plantmesh.SiteID, s *site) error {
	call, err := s.client.Admin().Verify(ctx, &adminv1.VerifyRequest{})
	for err == nil {
		var result *adminv1.VerifyResponse
		if result, err = call.Recv(); err == nil {
			e.verified = append(e.verified, verified{site: name, result: result})
		}
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return plantmesh.FromStatus(err)
}

// plant reads a plant's imports, rejects and own streams.
func (e *evidence) plant(ctx context.Context, s *show, plant plantmesh.SiteID) error {
	site := s.cluster.sites[plant]
	status, err := site.client.Admin().GetStatus(ctx, &adminv1.GetStatusRequest{})
	if err != nil {
		return plantmesh.FromStatus(err)
	}
	for _, a := range status.GetAdapters() {
		for _, f := range a.GetFiles() {
			e.files = append(e.files, importedFile{plant: plant, name: f.GetName(), counts: f.GetCounts()})
		}
	}
	if latency := status.GetNode().GetPublishLatency(); e.publish == nil || latency.GetP99().AsDuration() > e.publish.GetP99().AsDuration() {
		e.publish = latency
	}
	for _, stream := range status.GetStreams() {
		if stream.GetReplica() {
			continue
		}
		name := plantmesh.StreamName(stream.GetStream())
		if e.origin[name], err = readStream(ctx, site.client, name); err != nil {
			return err
		}
	}
	return e.readRejects(s.feed, site)
}

func readStream(ctx context.Context, client *plantmesh.Client, stream plantmesh.StreamName) ([]*eventv1.RecordedEvent, error) {
	var all []*eventv1.RecordedEvent
	for d, err := range client.Subscribe(ctx, plantmesh.From{Stream: stream, UntilHead: true}) {
		if err != nil {
			return nil, err
		}
		all = append(all, d.Event)
	}
	return all, ctx.Err()
}

// readRejects reads a plant's reject files, and finds the lines of the input that they speak of.
func (e *evidence) readRejects(f *feed, s *site) error {
	const suffix = ".rejects.csv"
	names, err := filepath.Glob(filepath.Join(s.inbox, chunkPrefix+"*"+suffix))
	if err != nil {
		return err
	}
	for _, path := range names {
		file, err := os.Open(path)
		if err != nil {
			return err
		}
		records, err := csv.NewReader(file).ReadAll()
		if err = errors.Join(err, file.Close()); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		for _, record := range records[1:] {
			line, _ := strconv.Atoi(record[0])
			name := strings.TrimSuffix(filepath.Base(path), suffix) + ".csv"
			e.rejects = append(e.rejects, Reject{Line: f.original(s.name, name, line), Plant: string(s.name), Field: record[1], Reason: record[2]})
		}
	}
	return nil
}

// readERP reads the journal and the totals, through Odoo's public API.
func (e *evidence) readERP(ctx context.Context, erp *odoo.Client) (err error) {
	reader := odoo.NewReader(erp)
	if e.journal, err = reader.Applied(ctx); err != nil {
		return fmt.Errorf("read Odoo's journal: %w", err)
	}
	if e.totals, err = reader.Totals(ctx); err != nil {
		return fmt.Errorf("read Odoo's time entries: %w", err)
	}
	if e.orders, err = reader.Orders(ctx); err != nil {
		return fmt.Errorf("read Odoo's manufacturing orders: %w", err)
	}
	return nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
