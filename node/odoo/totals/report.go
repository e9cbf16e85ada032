package totals

import (
	"cmp"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// Key is what amounts are added up by. Without a dimension it is the whole of an account; with one, the shares of one of its values.
type Key struct {
	Site      string `json:"site"`
	Account   string `json:"account"`
	Currency  string `json:"currency"`
	Dimension string `json:"dimension,omitempty"`
	Value     string `json:"value,omitempty"`
}

// String names it for people, without the site.
func (k Key) String() string {
	whole := "account " + k.Account + " " + k.Currency
	if k.Dimension == "" {
		return whole
	}
	return whole + ", " + k.Dimension + " " + k.Value
}

// Sums are debits and credits.
type Sums struct {
	Debit  *apd.Decimal `json:"debit"`
	Credit *apd.Decimal `json:"credit"`
}

func newSums() Sums { return Sums{Debit: new(apd.Decimal), Credit: new(apd.Decimal)} }

func (s Sums) equal(o Sums) bool { return s.Debit.Cmp(o.Debit) == 0 && s.Credit.Cmp(o.Credit) == 0 }

// String leaves out the side that has nothing.
func (s Sums) String() string {
	var sides []string
	for _, side := range []struct {
		name   string
		amount *apd.Decimal
	}{{"debit ", s.Debit}, {"credit ", s.Credit}} {
		if !side.amount.IsZero() {
			sides = append(sides, side.name+odoo.Plain(side.amount))
		}
	}
	return cmp.Or(strings.Join(sides, ", "), "nothing")
}

// Row is one total on both sides.
type Row struct {
	Key
	Events Sums `json:"events"`
	Books  Sums `json:"books"`
	Agree  bool `json:"agree"`
}

// Finding is a posting that is not the same on both sides.
type Finding struct {
	Posting string `json:"posting"`
	Site    string `json:"site,omitempty"` // empty: no event prepared it
	Parts   []Part `json:"parts"`
	Cause   string `json:"cause"` // the likely one
}

// Part is what differs.
type Part struct {
	Field  string `json:"field"` // FieldPosting, FieldState, FieldDate, or a [Key]
	Events string `json:"events"`
	Books  string `json:"books"`
}

// The fields of a posting as a whole.
const (
	FieldPosting = "posting" // all of it: one side does not have it
	FieldState   = "state"
	FieldDate    = "date"
)

// NotThere is what a side has of a posting that it does not have.
const NotThere = "not there"

// Report is a month.
type Report struct {
	Month    string    `json:"month"`
	Postings int       `json:"postings"` // of events
	Booked   int       `json:"booked"`   // in the books, of the mesh
	Rows     []Row     `json:"rows"`
	Findings []Finding `json:"findings"`
	Agree    bool      `json:"agree"`
}
