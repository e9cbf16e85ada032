package reconcile

import (
	"time"
)

// maxDifferences is how many differences a report names; all are counted.
const maxDifferences = 1000

// The kinds of what is compared.
const (
	KindStock    = "stock"
	KindOrder    = "order"
	KindTransfer = "transfer"
	KindPosting  = "posting"

	KindUnit       = "unit"
	KindItem       = "item"
	KindBill       = "bill"
	KindRouting    = "routing"
	KindWorkCenter = "work_center"
	KindSupplier   = "supplier"
	KindCustomer   = "customer"
	KindDimension  = "dimension"
)

// Report is one comparison.
type Report struct {
	Start    time.Time  `json:"start"`
	End      time.Time  `json:"end"`
	Compared []Compared `json:"compared"`
	// Differences are the first found, in the order of Compared.
	Differences []Difference `json:"differences"`
	// Counted are the last counts of the plants that were not what the events before them say.
	Counted []Counted `json:"counted"`
	// Incomplete names the streams whose oldest events the node does not hold any more. Stock, orders and transfers are not compared then.
	Incomplete []string `json:"incomplete"`
	// Waiting is how many events wait for Odoo; they make no difference.
	Waiting int  `json:"waiting"`
	Agree   bool `json:"agree"`
}

// Compared says how much of a kind was compared.
type Compared struct {
	Kind        string `json:"kind"`
	Records     int    `json:"records"`
	Differences int    `json:"differences"`
}

// Difference is something that is not the same on both sides.
type Difference struct {
	Kind    string `json:"kind"`
	Site    string `json:"site,omitempty"`
	Subject string `json:"subject"` // such as "item A-100 lot L7"
	Field   string `json:"field"`
	Mesh    string `json:"mesh"` // what Odoo should have
	Odoo    string `json:"odoo"`
	Gap     string `json:"gap,omitempty"` // what Odoo has too much; below zero: too little
	Unit    string `json:"unit,omitempty"`
	// Events are the last that the mesh's side comes from: stream@offset and type.
	Events []string `json:"events,omitempty"`
	Cause  string   `json:"cause"` // the likely one
	// Proposal is how Odoo would become what the events say; nil: that is for people to find out.
	Proposal *Proposal `json:"proposal,omitempty"`
}

// same tells whether two are one difference, seen twice.
func (d Difference) same(o Difference) bool {
	return d.Kind == o.Kind && d.Site == o.Site && d.Subject == o.Subject && d.Field == o.Field && d.Mesh == o.Mesh && d.Odoo == o.Odoo
}

// Counted is a count of a plant that was not what the events before it say.
type Counted struct {
	Site    string    `json:"site"`
	Subject string    `json:"subject"`
	Time    time.Time `json:"time"`
	Known   string    `json:"known"`
	Counted string    `json:"counted"`
	Gap     string    `json:"gap"`
	Unit    string    `json:"unit,omitempty"`
	Event   string    `json:"event"`
}
