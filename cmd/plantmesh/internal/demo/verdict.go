package demo

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// judge holds the evidence against the input.
func judge(in *input, e *evidence) *Report {
	r := &Report{ByType: map[string]int{}, Problems: []string{}, Totals: newTotals(), OdooTotals: Totals{Completed: e.totals.Completed, Rejected: e.totals.Rejected, Review: e.totals.Review, Entries: e.totals.Entries}}
	r.countImports(len(in.rows), e)
	r.checkOrigins(in, e)
	r.checkReplicas(e)
	r.checkERP(e)
	r.PublishP99, r.PublishP50 = milliseconds(e.publish.GetP99().AsDuration()), milliseconds(e.publish.GetP50().AsDuration())
	r.EndToEndP99, r.EndToEndP50 = milliseconds(e.endToEnd.GetP99().AsDuration()), milliseconds(e.endToEnd.GetP50().AsDuration())
	r.Verified = len(r.Problems) == 0 && r.Lost == 0 && r.Doubled == 0 && r.OutOfOrder == 0
	return r
}

// problem notes something that is not as it should be.
func (r *Report) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// countImports adds up what the plants read, the second drop apart.
func (r *Report) countImports(rows int, e *evidence) {
	for _, f := range e.files {
		c := f.counts
		if strings.HasPrefix(f.name, redropPrefix) {
			r.Redropped += c.GetDuplicates()
			if c.GetRecorded() > 0 {
				r.problem("%s recorded %d events of a file that it had read before", f.plant, c.GetRecorded())
			}
			continue
		}
		r.Read += c.GetRead()
		r.Recorded += c.GetRecorded()
		r.Duplicates += c.GetDuplicates()
		r.Rejected += c.GetRejected()
		r.Skipped += c.GetSkipped()
	}
	r.Rejects = e.rejects
	slices.SortFunc(r.Rejects, func(a, b Reject) int { return cmp.Compare(a.Line, b.Line) })
	if r.Read != uint64(rows) {
		r.problem("the input has %d rows, the plants read %d", rows, r.Read)
	}
	if sum := r.Recorded + r.Duplicates + r.Rejected + r.Skipped; r.Read != sum {
		r.problem("%d rows read, %d accounted for", r.Read, sum)
	}
	if uint64(len(r.Rejects)) != r.Rejected {
		r.problem("%d rows rejected, %d in the reject files", r.Rejected, len(r.Rejects))
	}
}

// checkOrigins compares the plants' logs with what the input must give.
func (r *Report) checkOrigins(in *input, e *evidence) {
	found := map[eventKey]bool{}
	var total uint64
	for stream, events := range e.origin {
		next := uint64(1)
		for _, recorded := range events {
			key := eventKey{recorded.GetEvent().GetSource(), recorded.GetEvent().GetId()}
			switch want, ok := in.events[key]; {
			case found[key]:
				r.Doubled++
			case !ok:
				r.problem("%s@%d holds event %q, which the input does not give", stream, recorded.GetOffset(), key.id)
			case want.stream != stream || want.subject != recorded.GetEvent().GetSubject():
				r.problem("event %q is in %s with subject %q, not in %s with %q", key.id, stream, recorded.GetEvent().GetSubject(), want.stream, want.subject)
			}
			if recorded.GetOffset() != next {
				r.OutOfOrder++
			}
			found[key], next = true, recorded.GetOffset()+1
			total++
			r.add(recorded)
		}
	}
	r.Lost += uint64(len(in.events) - len(found))
	if total != r.Recorded {
		r.problem("the plants counted %d events recorded, their logs hold %d", r.Recorded, total)
	}
}

// add counts an event by type, and adds up what operation reports say.
func (r *Report) add(recorded *eventv1.RecordedEvent) {
	name := recorded.GetEvent().GetType()
	r.ByType[name[strings.LastIndexByte(name, '.')+1:]]++
	payload, err := plantmesh.Payload(recorded.GetEvent())
	if err != nil {
		r.problem("event %q: %v", recorded.GetEvent().GetId(), err)
		return
	}
	report, ok := payload.(*manufacturingv1.OperationReported)
	if !ok {
		return
	}
	r.Totals.Entries++
	for _, add := range []struct {
		sum *apd.Decimal
		q   *manufacturingv1.Quantity
	}{{r.Totals.Completed, report.GetCompletedQuantity()}, {r.Totals.Rejected, report.GetRejectedQuantity()}, {r.Totals.Review, report.GetReviewQuantity()}} {
		if add.q == nil {
			continue
		}
		d, _, err := apd.NewFromString(add.q.GetValue())
		if err == nil {
			_, err = apd.BaseContext.Add(add.sum, add.sum, d)
		}
		if err != nil {
			r.problem("event %q: %v", recorded.GetEvent().GetId(), err)
		}
	}
}

// checkReplicas looks at what the nodes' own verification found, and compares hq with the origins event by event.
func (r *Report) checkReplicas(e *evidence) {
	for _, v := range e.verified {
		if v.result.GetResult() != adminv1.VerifyResult_VERIFY_RESULT_VERIFIED {
			r.problem("%s at %s: %s: %s", v.result.GetStream(), v.site, v.result.GetResult(), v.result.GetDetail())
			continue
		}
		r.StreamsVerified++
	}
	for stream, events := range e.origin {
		there := e.atHQ[stream]
		r.Replicated += uint64(len(there))
		if len(there) < len(events) {
			r.Lost += uint64(len(events) - len(there))
		}
		for i := range min(len(there), len(events)) {
			if there[i].GetOffset() != events[i].GetOffset() || there[i].GetEvent().GetId() != events[i].GetEvent().GetId() {
				r.OutOfOrder++
			}
		}
	}
}

// checkERP looks for every event in Odoo's journal: once, and in order per subject, unless it is parked or of a type without effect.
func (r *Report) checkERP(e *evidence) {
	r.Applied, r.Ignored, r.Parked = e.counts.GetApplied(), e.counts.GetIgnored(), e.counts.GetParked()
	if sum := r.Applied + r.Ignored + r.Parked; sum != r.Replicated {
		r.problem("%d events at hq, %d dealt with for Odoo (%d applied, %d without effect, %d parked)", r.Replicated, sum, r.Applied, r.Ignored, r.Parked)
	}
	for _, p := range e.parked {
		r.problem("parked: %s of %s, %d events: %s", p.GetSubject(), p.GetStream(), p.GetEvents(), p.GetReason())
	}
	times := map[string]int{}
	last := map[string]plantmesh.Offset{}
	for _, row := range e.journal {
		times[row.Event]++
		key := string(row.Stream) + " " + row.Subject
		if row.Offset <= last[key] {
			r.OutOfOrder++
		}
		last[key] = row.Offset
	}
	var inERP uint64
	for _, events := range e.origin {
		for _, recorded := range events {
			switch times[odoo.EventKey(recorded.GetEvent().GetSource(), recorded.GetEvent().GetId())] {
			case 0:
			case 1:
				inERP++
			default:
				r.Doubled++
			}
		}
	}
	if inERP+r.Ignored+r.Parked < r.Replicated {
		r.Lost += r.Replicated - inERP - r.Ignored - r.Parked
	}
	if !r.Totals.equal(r.OdooTotals) && r.Parked == 0 {
		r.problem("the events add up to %s, Odoo's time entries to %s", r.Totals, r.OdooTotals)
	}
}
