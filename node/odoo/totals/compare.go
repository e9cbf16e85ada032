package totals

import (
	"maps"
	"slices"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// Side is what the events or the books have.
type Side struct {
	Month map[string]Posting // posted, with a date in the month; by id
	Other map[string]Posting // what else is known
}

// Compare adds both sides of a month up.
func Compare(month string, events, books Side) (Report, error) {
	r := Report{Month: month, Postings: len(events.Month), Booked: len(books.Month), Rows: []Row{}, Findings: []Finding{}}
	ours, theirs := sums{}, sums{}
	for _, id := range slices.Sorted(maps.Keys(events.Month)) {
		event := events.Month[id]
		if err := ours.add(event); err != nil {
			return Report{}, err
		}
		booked, ok := books.Month[id]
		if !ok {
			booked, ok = books.Other[id]
		}
		if err := r.found(event, booked, true, ok); err != nil {
			return Report{}, err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(books.Month)) {
		booked := books.Month[id]
		event, ok := events.Month[id]
		if !ok {
			event, ok = events.Other[id]
			if err := r.found(event, booked, ok, true); err != nil {
				return Report{}, err
			}
		}
		booked.Site = event.Site
		if err := theirs.add(booked); err != nil {
			return Report{}, err
		}
	}
	for _, k := range sortedKeys(ours, theirs) {
		row := Row{Key: k, Events: ours.of(k), Books: theirs.of(k)}
		row.Agree = row.Events.equal(row.Books)
		r.Rows = append(r.Rows, row)
	}
	r.Agree = len(r.Findings) == 0 && !slices.ContainsFunc(r.Rows, func(row Row) bool { return !row.Agree })
	return r, nil
}

// found notes a posting if its two sides differ.
func (r *Report) found(event, booked Posting, prepared, entered bool) error {
	f := Finding{Posting: event.ID, Site: event.Site}
	var err error
	switch {
	case !entered:
		f.Cause = "its event waits, is parked or was discarded (plantmesh parked list), or somebody deleted it in the books, or took away what names it (Mesh: posting)"
		f.Parts = []Part{{Field: FieldPosting, Books: NotThere}}
		f.Parts[0].Events, err = brief(event)
	case !prepared:
		f.Posting = booked.ID
		f.Cause = "somebody entered it by hand under that name, or its event is not held any more"
		f.Parts = []Part{{Field: FieldPosting, Events: NotThere}}
		f.Parts[0].Books, err = brief(booked)
	default:
		f.Cause = "somebody changed it in the books"
		f.Parts, err = differing(event, booked)
	}
	if err == nil && len(f.Parts) > 0 {
		r.Findings = append(r.Findings, f)
	}
	return err
}

// differing is where two postings differ: in state, date, and sums by account and dimension.
func differing(event, booked Posting) ([]Part, error) {
	ours, theirs := sums{}, sums{}
	booked.Site = event.Site
	if err := ours.add(event); err != nil {
		return nil, err
	}
	if err := theirs.add(booked); err != nil {
		return nil, err
	}
	var all []Part
	for _, p := range []Part{{FieldState, event.State, booked.State}, {FieldDate, event.Date, booked.Date}} {
		if p.Events != p.Books {
			all = append(all, p)
		}
	}
	for _, k := range sortedKeys(ours, theirs) {
		if a, b := ours.of(k), theirs.of(k); !a.equal(b) {
			all = append(all, Part{k.String(), a.String(), b.String()})
		}
	}
	return all, nil
}

// brief is a posting in a few words: its date, and its debits by currency.
func brief(p Posting) (string, error) {
	whole := sums{}
	for _, l := range p.Lines {
		if err := whole.addOne(Key{Currency: l.Currency}, l.Debit, new(apd.Decimal)); err != nil {
			return "", err
		}
	}
	text := p.Date
	for _, k := range sortedKeys(whole) {
		text += ", " + odoo.Plain(whole[k].Debit) + " " + k.Currency
	}
	return text, nil
}
