package totals

import (
	"fmt"
	"maps"
	"slices"
)

// Compare adds both sides up. A posting of the books without an event has the site that the books know nothing of: an empty one.
func Compare(month string, events, books map[string]Posting) (Report, error) {
	r := Report{Month: month, Postings: len(events), Booked: len(books), Rows: []Row{}, Findings: []Finding{}}
	ours, theirs := sums{}, sums{}
	for _, id := range slices.Sorted(maps.Keys(events)) {
		if err := ours.add(events[id]); err != nil {
			return Report{}, err
		}
		booked, ok := books[id]
		if !ok {
			r.found(Finding{Posting: id, Site: events[id].Site, What: "not in the books of this month: see what became of its event"})
			continue
		}
		equal, err := same(events[id], booked)
		if err != nil {
			return Report{}, err
		}
		if !equal {
			r.found(Finding{Posting: id, Site: events[id].Site, What: fmt.Sprintf("the books have it with other amounts, accounts, dimensions or date (%s)", booked.Date)})
		}
	}
	for _, id := range slices.Sorted(maps.Keys(books)) {
		booked := books[id]
		event, ok := events[id]
		if booked.Site = event.Site; !ok {
			r.found(Finding{Posting: id, What: "in the books of this month, but no event of this month prepared it"})
		}
		if err := theirs.add(booked); err != nil {
			return Report{}, err
		}
	}
	for _, k := range sortedKeys(ours, theirs) {
		row := Row{Key: k, Events: ours[k], Books: theirs[k]}
		if row.Events.Debit == nil {
			row.Events = newSums()
		}
		if row.Books.Debit == nil {
			row.Books = newSums()
		}
		row.Agree = row.Events.equal(row.Books)
		r.Rows = append(r.Rows, row)
	}
	r.Agree = r.Differ == 0 && !slices.ContainsFunc(r.Rows, func(row Row) bool { return !row.Agree })
	return r, nil
}

func (r *Report) found(f Finding) {
	if r.Differ++; len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, f)
	}
}
