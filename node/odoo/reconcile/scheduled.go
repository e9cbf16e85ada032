package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

const (
	// retryAfter is how soon a comparison that could not be made is made again.
	retryAfter = 5 * time.Minute
	// maxRecorded is how many differences an event names.
	maxRecorded = 200
)

// Log is where the results are recorded.
type Log interface {
	Append(ctx context.Context, w storage.Write) ([]storage.Receipt, error)
}

// Scheduled compares at certain times, and records each result as an event. Its methods may be called by any number of goroutines.
type Scheduled struct {
	Compare  func(context.Context) (Report, error)
	Schedule *mesh.Schedule
	Site     plantmesh.SiteID
	Log      Log
	// Differences is told how many there are of each kind, for metrics.
	Differences func(kind string, n int)
	// Approve is up to which quantity a correction is approved by itself, by the code of its unit.
	Approve map[string]*apd.Decimal
	// State keeps the last result over a restart.
	State  *storage.Owner
	Logger *slog.Logger

	mu      sync.Mutex // guards what follows
	last    *Report
	next    time.Time
	problem string
}

// Last is the last result, of an earlier run too; ok is false before the first.
func (s *Scheduled) Last() (r Report, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == nil {
		return Report{}, false
	}
	return *s.last, true
}

// Run compares when it is time to, until ctx ends. What could not be compared, or not be recorded, is tried again soon.
func (s *Scheduled) Run(ctx context.Context) error {
	at, problem := s.Schedule.Next(time.Now()), ""
	for {
		s.note(at, problem)
		wait := time.NewTimer(time.Until(at))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return nil
		}
		at = s.Schedule.Next(time.Now())
		problem = ""
		if err := s.compare(ctx); err != nil && ctx.Err() == nil {
			if again := time.Now().Add(retryAfter); again.Before(at) {
				at = again
			}
			problem = err.Error()
			s.Logger.Warn("the mesh could not be compared with Odoo", "error", err, "next", at)
		}
	}
}

func (s *Scheduled) compare(ctx context.Context) error {
	report, err := s.Compare(ctx)
	if err != nil {
		return err
	}
	if err := s.record(ctx, report); err != nil {
		return err
	}
	for _, c := range report.Compared {
		s.Differences(c.Kind, c.Differences)
	}
	if !report.Agree {
		s.Logger.Warn("the mesh and Odoo do not agree", "differences", len(report.Differences))
	}
	s.mu.Lock()
	s.last = &report
	s.mu.Unlock()
	return s.keep(report)
}

// note says when the next comparison is due, and what became of the one before.
func (s *Scheduled) note(next time.Time, problem string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.problem = next, problem
}

func (s *Scheduled) record(ctx context.Context, r Report) error {
	id := "reconciliation-" + r.Start.UTC().Format("20060102T150405.000Z")
	out := &manufacturingv1.ReconciliationCompleted{
		ReconciliationId: id, StartTime: timestamppb.New(r.Start), EndTime: timestamppb.New(r.End), Waiting: uint64(r.Waiting), Agree: r.Agree,
	}
	for _, c := range r.Compared {
		out.Compared = append(out.Compared, &manufacturingv1.ReconciledKind{Kind: c.Kind, Records: uint64(c.Records), Differences: uint64(c.Differences)})
	}
	for _, text := range r.Incomplete[:min(len(r.Incomplete), 1000)] {
		out.Incomplete = append(out.Incomplete, cut(text, 500))
	}
	for _, d := range r.Differences[:min(len(r.Differences), maxRecorded)] {
		one := &manufacturingv1.ReconciliationDifference{
			Kind: d.Kind, Site: cut(d.Site, 500), Record: cut(d.Subject, 500), Field: cut(d.Field, 128), MeshValue: cut(d.Mesh, 2000), ErpValue: cut(d.Odoo, 2000),
			Gap: d.Gap, Unit: d.Unit, Cause: cut(d.Cause, 2000),
		}
		for _, text := range d.Events {
			one.Events = append(one.Events, cut(text, 500))
		}
		out.Differences = append(out.Differences, one)
	}
	if err := s.append(ctx, odoo.OutcomeDomain, id, r.End, out); err != nil {
		return err
	}
	for _, d := range r.Differences {
		if d.Proposal == nil {
			continue
		}
		if err := s.append(ctx, odoo.OutcomeDomain, d.Proposal.ID, r.End, d.Proposed()); err != nil {
			return err
		}
		if !s.approves(d.Proposal) {
			continue
		}
		if err := s.append(ctx, CorrectionsDomain, d.Proposal.ApprovalID(), r.End, d.Proposal.Approved("rule odoo.reconcile.approve", d.Cause)); err != nil {
			return err
		}
	}
	return nil
}

// approves tells whether the rule does.
func (s *Scheduled) approves(p *Proposal) bool {
	most := s.Approve[p.Unit]
	quantity, _, err := apd.NewFromString(p.Quantity)
	return err == nil && most != nil && quantity.Cmp(most) <= 0
}

// append records an event; one with that id that is there already, in whatever words, stays.
func (s *Scheduled) append(ctx context.Context, domain, id string, at time.Time, payload proto.Message) error {
	event, err := plantmesh.NewEvent(CorrectionsSource(s.Site), id, at, payload)
	if err != nil {
		return err
	}
	_, err = s.Log.Append(ctx, storage.Write{Entries: []storage.Entry{{Stream: plantmesh.StreamOf(s.Site, domain), Event: event}}})
	var conflict *plantmesh.ConflictError
	if errors.As(err, &conflict) {
		return nil
	}
	return err
}

// CorrectionsDomain is that of the stream with the corrections that are approved.
const CorrectionsDomain = "corrections"

// CorrectionsSource is the source of proposals and approvals at a site.
func CorrectionsSource(site plantmesh.SiteID) string { return "//" + string(site) + "/odoo" }

// cut shortens a text to a number of characters.
func cut(s string, most int) string {
	if letters := []rune(s); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return s
}
