package totals

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/odoo"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// Books are what Odoo has; an *odoo.Reader is one.
type Books interface {
	Bookings(ctx context.Context, first, last string) ([]odoo.Booking, error)
	BookingsOf(ctx context.Context, postings []string) ([]odoo.Booking, error)
	AppliedOfType(ctx context.Context, name string) ([]odoo.Applied, error)
	DimensionValues(ctx context.Context, accounts []int64) (map[int64]odoo.DimensionValue, error)
}

// Types are the events that a month is made of, by full name.
func Types() []string { return []string{typePosting, typeDimension} }

var (
	typePosting   = string((&manufacturingv1.PostingPrepared{}).ProtoReflect().Descriptor().FullName())
	typeDimension = string((&manufacturingv1.FinancialDimensionChanged{}).ProtoReflect().Descriptor().FullName())
)

// Month compares a month, 2006-01, of all events of [Types] with the books, by the accounts that a mapping gives them there. Its errors are those
// of reading either.
func Month(ctx context.Context, mapping odoo.Config, month string, events iter.Seq2[*eventv1.RecordedEvent, error], books Books) (Report, error) {
	begin, err := time.Parse("2006-01", month)
	if err != nil {
		return Report{}, fmt.Errorf("%w: month %q: give one such as 2026-11", plantmesh.ErrInvalidRequest, month)
	}
	first, last := begin.Format(time.DateOnly), begin.AddDate(0, 1, -1).Format(time.DateOnly)
	ours, values := newSide(), map[string]Dimension{}
	elsewhere := map[string]prepared{}
	for recorded, err := range events {
		if err != nil {
			return Report{}, err
		}
		payload, err := plantmesh.Payload(recorded.GetEvent())
		if err != nil {
			return Report{}, err
		}
		switch p := payload.(type) {
		case *manufacturingv1.FinancialDimensionChanged:
			values[odoo.EventKey(recorded.GetEvent().GetSource(), recorded.GetEvent().GetId())] = Dimension{p.GetDimensionId(), p.GetValueId()}
		case *manufacturingv1.PostingPrepared:
			if p.GetPostingDate() < first || p.GetPostingDate() > last {
				elsewhere[p.GetPostingId()] = prepared{recorded, p}
				continue
			}
			if ours.Month[p.GetPostingId()], err = FromEvent(mapping, recorded, p); err != nil {
				return Report{}, err
			}
		}
	}
	theirs, err := booked(ctx, books, first, last, ours.Month, values)
	if err != nil {
		return Report{}, fmt.Errorf("read the books: %w", err)
	}
	for id := range theirs.Month {
		if e, ok := elsewhere[id]; ok {
			if ours.Other[id], err = FromEvent(mapping, e.recorded, e.posting); err != nil {
				return Report{}, err
			}
		}
	}
	return Compare(month, ours, theirs)
}

// prepared is the event of a posting.
type prepared struct {
	recorded *eventv1.RecordedEvent
	posting  *manufacturingv1.PostingPrepared
}

func newSide() Side { return Side{Month: map[string]Posting{}, Other: map[string]Posting{}} }

// booked is what the books have of a month, and of the postings that the events have in it.
func booked(ctx context.Context, books Books, first, last string, events map[string]Posting, values map[string]Dimension) (Side, error) {
	bookings, err := books.Bookings(ctx, first, last)
	if err != nil {
		return Side{}, err
	}
	missing := maps.Clone(events)
	for _, b := range bookings {
		delete(missing, b.Posting)
	}
	if len(missing) > 0 {
		elsewhere, err := books.BookingsOf(ctx, slices.Sorted(maps.Keys(missing)))
		if err != nil {
			return Side{}, err
		}
		bookings = append(bookings, elsewhere...)
	}
	named, err := dimensions(ctx, books, bookings, values)
	if err != nil {
		return Side{}, err
	}
	side := newSide()
	for _, b := range bookings {
		if p := posting(b, named); p.State == odoo.StatePosted && first <= p.Date && p.Date <= last {
			side.Month[p.ID] = p
		} else {
			side.Other[p.ID] = p
		}
	}
	return side, nil
}

// posting is an entry of the books, with dimensions as the mesh names them.
func posting(b odoo.Booking, named map[int64]Dimension) Posting {
	p := Posting{ID: b.Posting, Date: b.Date, State: b.State}
	for _, l := range b.Lines {
		line := Line{Account: l.Account, Currency: l.Currency, Debit: new(apd.Decimal), Credit: new(apd.Decimal), Shares: map[Dimension]*apd.Decimal{}}
		if l.Amount.Negative {
			line.Credit.Neg(l.Amount)
		} else {
			line.Debit.Set(l.Amount)
		}
		for account, percent := range l.Shares {
			line.Shares[named[account]] = percent
		}
		p.Lines = append(p.Lines, line)
	}
	return p
}

// dimensions are the names of the analytic accounts in bookings: those of the events that made them, whatever somebody calls them now, and for what
// people made those that they have in Odoo.
func dimensions(ctx context.Context, books Books, bookings []odoo.Booking, values map[string]Dimension) (map[int64]Dimension, error) {
	applied, err := books.AppliedOfType(ctx, typeDimension)
	if err != nil {
		return nil, err
	}
	named := map[int64]Dimension{}
	for _, a := range applied {
		if d, ok := values[a.Event]; ok {
			named[a.Record] = d
		}
	}
	others := map[int64]bool{}
	for _, b := range bookings {
		for _, l := range b.Lines {
			for account := range l.Shares {
				if _, ok := named[account]; !ok {
					others[account] = true
				}
			}
		}
	}
	if len(others) == 0 {
		return named, nil
	}
	made, err := books.DimensionValues(ctx, slices.Sorted(maps.Keys(others)))
	if err != nil {
		return nil, err
	}
	for account := range others {
		named[account] = Dimension{"analytic account", fmt.Sprint(account)} // that somebody has deleted
		if v, ok := made[account]; ok {
			named[account] = Dimension(v)
		}
	}
	return named, nil
}
