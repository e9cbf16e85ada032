package odoo

// The kinds of effects of logistics and procurement.
const (
	EffectTransferOut EffectKind = "transfer_out" // move goods from a warehouse into transit
	EffectTransferIn  EffectKind = "transfer_in"  // and from there into another one
	EffectShipment    EffectKind = "shipment"     // deliver to a customer
	EffectPurchase    EffectKind = "purchase"     // make or change a purchase order
	EffectGoodsIn     EffectKind = "goods_in"     // receive from a supplier
)

// Logistics is what goes where.
type Logistics struct {
	Transfer       string         `json:"transfer,omitempty"`
	OtherWarehouse string         `json:"other,omitempty"` // code, of the other end of a transfer
	OtherCompany   string         `json:"other_company,omitempty"`
	PartnerID      string         `json:"partner_id,omitempty"`
	Purchase       string         `json:"purchase,omitempty"`
	State          string         `json:"state,omitempty"` // of a purchase order: issued, received or cancelled
	Materials      []Material     `json:"materials,omitempty"`
	OrderLines     []PurchaseLine `json:"lines,omitempty"`
}

// Material is one item on its way.
type Material struct {
	Line     string    `json:"line,omitempty"` // of a purchase order
	Item     string    `json:"item"`
	Quantity *Quantity `json:"quantity"`
	Lot      string    `json:"lot,omitempty"`
	Serials  []string  `json:"serials,omitempty"`
}

// PurchaseLine is one item that is bought.
type PurchaseLine struct {
	Line     string    `json:"line"`
	Item     string    `json:"item"`
	Quantity *Quantity `json:"quantity"`
	Price    *Money    `json:"price,omitempty"` // of one unit
	Due      string    `json:"due,omitempty"`
}
