package demo

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// judge holds the evidence against the input.
func judge(in *input, e *evidence) *Report {
	r := &Report{ByType: map[string]int{}, Kills: []Kill{}, Problems: []string{}, Scenes: []*Scene{}, Totals: newTotals(), OdooTotals: Totals{Completed: e.totals.Completed, Rejected: e.totals.Rejected, Review: e.totals.Review, Entries: e.totals.Entries}}
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
	var again uint64
	for _, f := range e.files {
		c := f.counts
		if strings.HasPrefix(f.name, redropPrefix) {
			again += c.GetRead()
			r.Redropped += c.GetDuplicates()
			if without := c.GetRead() - c.GetRejected() - c.GetSkipped(); c.GetRecorded() > 0 || c.GetDuplicates() != without {
				r.problem("%s read a file again: of %d rows that make an event, %d are duplicates and %d were recorded", f.plant, without, c.GetDuplicates(), c.GetRecorded())
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
	if again != e.again {
		r.problem("the file that was dropped twice has %d rows, %d were read again", e.again, again)
	}
	if sum := r.Recorded + r.Duplicates + r.Rejected + r.Skipped; r.Read != sum {
		r.problem("%d rows read, %d accounted for", r.Read, sum)
	}
	if uint64(len(r.Rejects)) != r.Rejected {
		r.problem("%d rows rejected, %d in the reject files", r.Rejected, len(r.Rejects))
	}
}

// checkOrigins compares the plants' logs with what the input must give: each event once, in the order of the input's rows.
func (r *Report) checkOrigins(in *input, e *evidence) {
	found := map[eventKey]bool{}
	var total uint64
	for stream, events := range e.origin {
		lines := map[string]int{} // of each subject's last event
		for i, recorded := range events {
			key, subject := eventKey{recorded.GetEvent().GetSource(), recorded.GetEvent().GetId()}, recorded.GetEvent().GetSubject()
			want, ok := in.events[key]
			switch {
			case found[key]:
				r.Doubled++
			case !ok:
				r.problem("%s@%d holds event %q, which the input does not give", stream, recorded.GetOffset(), key.id)
			case want.stream != stream || want.subject != subject:
				r.problem("event %q is in %s with subject %q, not in %s with %q", key.id, stream, subject, want.stream, want.subject)
			case recorded.GetOffset() != uint64(i+1), want.line < lines[subject]:
				r.OutOfOrder++
			}
			lines[subject], found[key] = max(lines[subject], want.line), true
			total++
			r.add(recorded)
		}
	}
	for key := range in.events {
		if !found[key] {
			r.Lost++
		}
	}
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
