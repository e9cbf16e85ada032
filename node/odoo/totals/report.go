package totals

import "github.com/cockroachdb/apd/v3"

// maxFindings is how many postings a report names; all are counted.
const maxFindings = 200

// Key is what amounts are added up by. Without a dimension it is the whole of an account; with one, the shares of one of its values.
type Key struct {
	Site      string `json:"site"`
	Account   string `json:"account"`
	Currency  string `json:"currency"`
	Dimension string `json:"dimension,omitempty"`
	Value     string `json:"value,omitempty"`
}

// Sums are debits and credits.
type Sums struct {
	Debit  *apd.Decimal `json:"debit"`
	Credit *apd.Decimal `json:"credit"`
}

func newSums() Sums { return Sums{Debit: new(apd.Decimal), Credit: new(apd.Decimal)} }

func (s Sums) equal(o Sums) bool { return s.Debit.Cmp(o.Debit) == 0 && s.Credit.Cmp(o.Credit) == 0 }

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
	Site    string `json:"site,omitempty"`
	What    string `json:"what"`
}

// Report is a month.
type Report struct {
	Month    string    `json:"month"`
	Postings int       `json:"postings"` // of events
	Booked   int       `json:"booked"`   // in the books, of the mesh
	Rows     []Row     `json:"rows"`
	Findings []Finding `json:"findings"`
	Differ   int       `json:"differ"` // postings that are not the same, also beyond the findings
	Agree    bool      `json:"agree"`
}
