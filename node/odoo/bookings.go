package odoo

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/cockroachdb/apd/v3"
)

// StatePosted is the state of a journal entry that counts.
const StatePosted = "posted"

// Booking is a journal entry that the mesh posted, as the books have it now.
type Booking struct {
	Posting string // its id in the mesh
	Date    string
	State   string // StatePosted, draft or cancel
	Lines   []BookingLine
}

// BookingLine is one line of a booking.
type BookingLine struct {
	Account  string // code
	Currency string
	Amount   *apd.Decimal           // of that currency; above zero is debit
	Shares   map[int64]*apd.Decimal // percent, by analytic account
}

// linesAtOnce is how many entries one call reads the lines of.
const linesAtOnce = 200

// Bookings reads the posted entries of the mesh with a date from first to last, both in it: 2006-01-02.
func (r *Reader) Bookings(ctx context.Context, first, last string) ([]Booking, error) {
	return r.bookings(ctx, []any{"x_mesh_posting", "!=", false}, []any{"state", "=", StatePosted}, []any{"date", ">=", first}, []any{"date", "<=", last})
}

// BookingsOf reads the entries of some postings, whatever their date and state.
func (r *Reader) BookingsOf(ctx context.Context, postings []string) ([]Booking, error) {
	var all []Booking
	for chunk := range slices.Chunk(postings, linesAtOnce) {
		some, err := r.bookings(ctx, []any{"x_mesh_posting", "in", chunk})
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

func (r *Reader) bookings(ctx context.Context, domain ...any) ([]Booking, error) {
	var all []Booking
	at := map[int64]int{}
	var ids []int64
	companies := map[int64]int64{} // by entry
	err := r.pages(ctx, "account.move", domain, []string{"x_mesh_posting", "date", "state", "company_id"}, func(raw json.RawMessage) error {
		var row struct {
			ID      int64    `json:"id"`
			Posting text     `json:"x_mesh_posting"`
			Date    text     `json:"date"`
			State   text     `json:"state"`
			Company relation `json:"company_id"`
		}
		if err := json.Unmarshal(raw, &row); err != nil {
			return err
		}
		at[row.ID], ids = len(all), append(ids, row.ID)
		companies[row.ID] = row.Company.id
		all = append(all, Booking{Posting: string(row.Posting), Date: string(row.Date), State: string(row.State)})
		return nil
	})
	if err != nil {
		return nil, err
	}
	codes := map[int64]map[int64]string{} // by company and account
	for _, company := range companies {
		if codes[company] != nil {
			continue
		}
		if codes[company], err = r.accountCodes(ctx, company); err != nil {
			return nil, err
		}
	}
	for len(ids) > 0 {
		n := min(linesAtOnce, len(ids))
		err := r.pages(ctx, "account.move.line", []any{[]any{"move_id", "in", ids[:n]}},
			[]string{"move_id", "account_id", "currency_id", "amount_currency", "analytic_distribution"}, func(raw json.RawMessage) error {
				line, move, account, err := bookingLine(raw)
				if err == nil {
					line.Account = codes[companies[move]][account]
					all[at[move]].Lines = append(all[at[move]].Lines, line)
				}
				return err
			})
		if err != nil {
			return nil, err
		}
		ids = ids[n:]
	}
	return all, nil
}

// accountCodes are the codes that accounts have in a company, by record.
func (r *Reader) accountCodes(ctx context.Context, company int64) (map[int64]string, error) {
	var rows []struct {
		ID   int64 `json:"id"`
		Code text  `json:"code"`
	}
	if err := r.client.searchIn(ctx, company, "account.account", []any{}, []string{"code"}, &rows); err != nil {
		return nil, err
	}
	codes := map[int64]string{}
	for _, row := range rows {
		codes[row.ID] = string(row.Code)
	}
	return codes, nil
}

// relation is a related record: its id and name; false if there is none.
type relation struct {
	id   int64
	name string
}

func (r *relation) UnmarshalJSON(b []byte) error {
	if string(b) == "false" || string(b) == "null" {
		*r = relation{}
		return nil
	}
	pair := []any{&r.id, &r.name}
	return json.Unmarshal(b, &pair)
}

func bookingLine(raw json.RawMessage) (line BookingLine, move, account int64, err error) {
	var row struct {
		Move     relation        `json:"move_id"`
		Account  relation        `json:"account_id"`
		Currency relation        `json:"currency_id"`
		Amount   json.Number     `json:"amount_currency"`
		Shares   json.RawMessage `json:"analytic_distribution"`
	}
	if err := json.Unmarshal(raw, &row); err != nil {
		return BookingLine{}, 0, 0, err
	}
	line = BookingLine{Currency: row.Currency.name, Shares: map[int64]*apd.Decimal{}}
	if line.Amount, err = number(row.Amount); err != nil {
		return BookingLine{}, 0, 0, err
	}
	var shares map[string]json.Number
	if len(row.Shares) > 0 && row.Shares[0] == '{' {
		if err := json.Unmarshal(row.Shares, &shares); err != nil {
			return BookingLine{}, 0, 0, err
		}
	}
	for key, percent := range shares {
		value, err := strconv.ParseInt(key, 10, 64)
		if err != nil {
			return BookingLine{}, 0, 0, fmt.Errorf("analytic distribution %s: it is over several plans at once, which the mesh does not make: split it", key)
		}
		if line.Shares[value], err = number(percent); err != nil {
			return BookingLine{}, 0, 0, err
		}
	}
	return line, row.Move.id, row.Account.id, nil
}

// DimensionValue is an analytic account, as postings of the mesh name it.
type DimensionValue struct {
	Dimension string // what its plan, or the next plan above it, is in the mesh; else the name of the outermost plan
	Value     string // reference; its name if it has none
}

// DimensionValues names analytic accounts, archived ones too.
func (r *Reader) DimensionValues(ctx context.Context, accounts []int64) (map[int64]DimensionValue, error) {
	type plan struct {
		dimension, name text
		above           int64
	}
	plans := map[int64]plan{}
	err := r.pages(ctx, "account.analytic.plan", []any{}, []string{"x_mesh_dimension", "name", "parent_id"}, func(raw json.RawMessage) error {
		var row struct {
			ID        int64    `json:"id"`
			Dimension text     `json:"x_mesh_dimension"`
			Name      text     `json:"name"`
			Above     relation `json:"parent_id"`
		}
		err := json.Unmarshal(raw, &row)
		plans[row.ID] = plan{row.Dimension, row.Name, row.Above.id}
		return err
	})
	if err != nil {
		return nil, err
	}
	values := map[int64]DimensionValue{}
	domain := []any{[]any{"id", "in", accounts}, []any{"active", "in", []bool{true, false}}}
	err = r.pages(ctx, "account.analytic.account", domain, []string{"code", "name", "plan_id"}, func(raw json.RawMessage) error {
		var row struct {
			ID   int64    `json:"id"`
			Code text     `json:"code"`
			Name text     `json:"name"`
			Plan relation `json:"plan_id"`
		}
		err := json.Unmarshal(raw, &row)
		at := plans[row.Plan.id]
		for range plans { // no further up than there are plans
			if at.dimension != "" || at.above == 0 {
				break
			}
			at = plans[at.above]
		}
		values[row.ID] = DimensionValue{string(cmp.Or(at.dimension, at.name)), string(cmp.Or(row.Code, row.Name))}
		return err
	})
	return values, err
}

// AppliedOfType reads what the journal has of events of one type, oldest first.
func (r *Reader) AppliedOfType(ctx context.Context, name string) ([]Applied, error) {
	return r.applied(ctx, []any{[]any{"x_type", "=", name}})
}
