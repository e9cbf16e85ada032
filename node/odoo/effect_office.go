package odoo

// The kinds of effects of master data and finance.
const (
	EffectUnit       EffectKind = "define_unit"
	EffectItem       EffectKind = "define_item"
	EffectBill       EffectKind = "define_bill" // of materials
	EffectRouting    EffectKind = "define_routing"
	EffectWorkCenter EffectKind = "define_work_center"
	EffectPartner    EffectKind = "define_partner"
	EffectDimension  EffectKind = "define_dimension"
	EffectPost       EffectKind = "post" // a journal entry
	EffectCost       EffectKind = "cost" // set what an item costs
)

// Master is what master data says.
type Master struct {
	Name       string      `json:"name,omitempty"`
	Retired    bool        `json:"retired,omitempty"`
	Code       string      `json:"code,omitempty"`     // of a unit
	ItemKind   string      `json:"kind,omitempty"`     // stocked, consumable or service
	Tracking   string      `json:"tracking,omitempty"` // none, lot or serial
	Category   string      `json:"category,omitempty"` // levels divided by ` / `
	Barcode    string      `json:"barcode,omitempty"`
	Purchased  bool        `json:"purchased,omitempty"`
	Sold       bool        `json:"sold,omitempty"`
	Cost       *Money      `json:"cost,omitempty"` // of one unit, or of an hour
	Price      *Money      `json:"price,omitempty"`
	ForSite    bool        `json:"for_site,omitempty"` // of this site's warehouse only
	Components []Component `json:"components,omitempty"`
	Operations []Operation `json:"operations,omitempty"`
	Efficiency string      `json:"efficiency,omitempty"` // percent
	*Partner
	Dimension     string `json:"dimension,omitempty"`
	DimensionName string `json:"dimension_name,omitempty"`
	Value         string `json:"value,omitempty"` // of a dimension
}

// Money is an exact decimal on its way into Odoo.
type Money struct {
	Amount   string `json:"amount"`
	Currency string `json:"currency"`
}

// Component is one material of a bill of materials.
type Component struct {
	Line      string    `json:"line"`
	Item      string    `json:"item"`
	Quantity  *Quantity `json:"quantity"`
	Operation string    `json:"operation,omitempty"`
}

// Operation is one step of a routing.
type Operation struct {
	Operation  string `json:"operation"`
	Name       string `json:"name"`
	WorkCenter string `json:"work_center"`
	Sequence   int    `json:"sequence"`
	Minutes    string `json:"minutes,omitempty"` // of one unit
}

// Partner is a supplier or a customer.
type Partner struct {
	Role       string `json:"role"` // supplier or customer
	ID         string `json:"partner"`
	TaxNumber  string `json:"tax_number,omitempty"`
	Email      string `json:"email,omitempty"`
	Phone      string `json:"phone,omitempty"`
	Street     string `json:"street,omitempty"`
	PostalCode string `json:"postal_code,omitempty"`
	City       string `json:"city,omitempty"`
	Country    string `json:"country,omitempty"`
	Currency   string `json:"currency,omitempty"`
}

// Posting is a journal entry.
type Posting struct {
	Journal   string        `json:"journal,omitempty"`
	Date      string        `json:"date,omitempty"`
	Reference string        `json:"reference,omitempty"`
	Lines     []PostingLine `json:"postings,omitempty"`
}

// PostingLine is one line of it.
type PostingLine struct {
	Account string  `json:"account"`
	Side    string  `json:"side"` // debit or credit
	Label   string  `json:"label,omitempty"`
	Partner string  `json:"partner,omitempty"`
	Shares  []Share `json:"shares,omitempty"`
	Money
}

// Share assigns a line to a value of a dimension.
type Share struct {
	Dimension string `json:"dimension"`
	Value     string `json:"value"`
	Percent   string `json:"percent,omitempty"` // empty: all of it
}
