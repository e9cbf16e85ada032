package odoo

// Effect is one event as the server action takes it: who it is, what to do, and with what. The Python under action/ says what each
// kind does; the sandbox does the same in Go.
type Effect struct {
	Origin
	Kind EffectKind `json:"effect"`
	Goods
	Work
	Details
	Master
	Posting
	Logistics
	Hold string `json:"hold,omitempty"`
}

// EffectKind is what to do.
type EffectKind string

// The kinds of effects.
const (
	EffectRelease  EffectKind = "release"  // make or update a manufacturing order
	EffectReport   EffectKind = "report"   // add time and counts to a work order
	EffectComplete EffectKind = "complete" // produce a quantity of an order
	EffectScrap    EffectKind = "scrap"    // write goods off
	EffectHold     EffectKind = "hold"     // move goods into quarantine
	EffectUnhold   EffectKind = "unhold"   // move them back
	EffectConsume  EffectKind = "consume"  // use material for an order
	EffectReserve  EffectKind = "reserve"  // keep material for an order or a delivery
	EffectClose    EffectKind = "close"    // cancel what is open of an order
	EffectAdjust   EffectKind = "adjust"   // correct stock by a difference
	EffectCount    EffectKind = "count"    // correct stock to what was counted
	EffectDown     EffectKind = "down"     // begin a downtime of a work center
	EffectUp       EffectKind = "up"       // end it
	EffectRequest  EffectKind = "request"  // ask for maintenance
)

// Origin identifies an event, for the fence and the journal.
type Origin struct {
	Key         string `json:"key"`   // of its fence: stream and subject
	Event       string `json:"event"` // source and id
	Type        string `json:"type"`
	Stream      string `json:"stream"`
	Offset      string `json:"offset"`
	Incarnation string `json:"incarnation"`
	Subject     string `json:"subject"`
	Site        string `json:"site"`
	Company     string `json:"company,omitempty"`   // name or id; empty: that of the warehouse
	Warehouse   string `json:"warehouse,omitempty"` // code; empty: the company's first
}

// Goods is what an effect is about.
type Goods struct {
	Order    string    `json:"order,omitempty"`
	Item     string    `json:"item,omitempty"`
	Quantity *Quantity `json:"quantity,omitempty"`
	Lot      string    `json:"lot,omitempty"`
	Serials  []string  `json:"serials,omitempty"`
	Location string    `json:"location,omitempty"`
	Partial  bool      `json:"partial,omitempty"`
	Reason   string    `json:"reason,omitempty"`
}

// Work is how and when it is made.
type Work struct {
	BillOfMaterials string    `json:"bom,omitempty"`
	Routing         string    `json:"routing,omitempty"`
	WorkCenter      string    `json:"work_center,omitempty"`
	Operation       string    `json:"operation,omitempty"`
	Worker          string    `json:"worker,omitempty"`
	Loss            string    `json:"loss,omitempty"`  // external id of Odoo's category of time
	Start           string    `json:"start,omitempty"` // UTC, as Odoo writes times
	End             string    `json:"end,omitempty"`
	Completed       *Quantity `json:"completed,omitempty"`
	Rejected        *Quantity `json:"rejected,omitempty"`
	Review          *Quantity `json:"review,omitempty"`
	OrderQuantity   *Quantity `json:"order_quantity,omitempty"`
	Rework          bool      `json:"rework,omitempty"`
}

// Details is what only some effects need.
type Details struct {
	Document    string `json:"document,omitempty"` // adjustment, count, reservation, downtime or request
	Demand      string `json:"demand,omitempty"`
	Direction   string `json:"direction,omitempty"` // increase or decrease
	Comment     string `json:"comment,omitempty"`
	Planned     bool   `json:"planned,omitempty"`
	Title       string `json:"title,omitempty"`
	Asset       string `json:"asset,omitempty"`
	Maintenance string `json:"maintenance,omitempty"` // corrective or preventive
	Priority    string `json:"priority,omitempty"`    // as Odoo writes it
}

// Batch is what one call of the server action carries, as `mesh` in its context.
type Batch struct {
	Create     []string `json:"create"`
	Quarantine string   `json:"quarantine"`
	WorkOrder  string   `json:"work_order"` // name of the work order of a released order without a routing
	Events     []Effect `json:"events"`
}

// Result is what became of one event. For a duplicate, it is what the journal says; that is nothing of an event behind which others of
// its subject were applied.
type Result struct {
	Status string `json:"status"` // applied or duplicate
	Model  string `json:"model"`
	ID     int64  `json:"id"`
	Name   string `json:"name"` // of the record, for people
	Note   string `json:"note"`
	Time   string `json:"time"` // when it was applied, in UTC, by Odoo's clock
}

// What a [Result] says.
const (
	StatusApplied   = "applied"
	StatusDuplicate = "duplicate"
)

// releaseWorkOrder names the work order that a release with a work center, but without a routing, gets. The first
// operation reported there takes it over.
const releaseWorkOrder = "Production"
