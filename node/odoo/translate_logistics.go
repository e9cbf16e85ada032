package odoo

import (
	"fmt"

	"google.golang.org/protobuf/proto"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

var purchaseStates = map[manufacturingv1.PurchaseOrderState]string{
	manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_ISSUED:    "issued",
	manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_RECEIVED:  "received",
	manufacturingv1.PurchaseOrderState_PURCHASE_ORDER_STATE_CANCELLED: "cancelled",
}

// logistics translates what goes from site to site, to customers, and comes from suppliers.
func (b *builder) logistics(payload proto.Message) (Effect, bool) {
	switch p := payload.(type) {
	case *manufacturingv1.TransferDispatched:
		b.site, b.other = p.GetFromSiteId(), p.GetToSiteId()
		return Effect{Kind: EffectTransferOut, Goods: Goods{Location: p.GetLocationId()}, Logistics: Logistics{
			Transfer: p.GetTransferId(), Materials: b.shipped(p.GetMaterials()),
		}}, true
	case *manufacturingv1.TransferReceived:
		b.site, b.other = p.GetToSiteId(), p.GetFromSiteId()
		return Effect{Kind: EffectTransferIn, Goods: Goods{Location: p.GetLocationId(), Partial: p.GetPartial()}, Logistics: Logistics{
			Transfer: p.GetTransferId(), Materials: b.shipped(p.GetMaterials()),
		}}, true
	case *manufacturingv1.ShipmentConfirmed:
		return Effect{
			Kind: EffectShipment, Goods: Goods{Location: p.GetLocationId(), Partial: p.GetPartial()}, Details: Details{Document: p.GetShipmentId(), Demand: p.GetDemandId()},
			Logistics: Logistics{PartnerID: p.GetCustomerId(), Materials: b.shipped(p.GetMaterials())},
		}, true
	case *manufacturingv1.PurchaseOrderIssued:
		b.site = p.GetSiteId()
		e := Effect{Kind: EffectPurchase, Posting: Posting{Reference: p.GetSupplierReference()}, Logistics: Logistics{
			Purchase: p.GetPurchaseOrderId(), PartnerID: p.GetSupplierId(), State: purchaseStates[p.GetState()],
		}}
		for i, l := range p.GetLines() {
			e.OrderLines = append(e.OrderLines, PurchaseLine{
				Line: l.GetLineId(), Item: l.GetItemId(), Quantity: b.quantity(fmt.Sprintf("lines[%d].quantity", i), l.GetQuantity()),
				Price: b.money(fmt.Sprintf("lines[%d].unit_price", i), l.GetUnitPrice()), Due: formatTime(l.GetDueTime()),
			})
		}
		return e, true
	case *manufacturingv1.GoodsReceived:
		e := Effect{
			Kind: EffectGoodsIn, Goods: Goods{Location: p.GetLocationId(), Partial: p.GetPartial()}, Details: Details{Document: p.GetReceiptId()},
			Logistics: Logistics{Purchase: p.GetPurchaseOrderId(), PartnerID: p.GetSupplierId()},
		}
		for i, m := range p.GetMaterials() {
			e.Materials = append(e.Materials, Material{
				Line: m.GetLineId(), Item: m.GetItemId(), Quantity: b.quantity(fmt.Sprintf("materials[%d].quantity", i), m.GetQuantity()), Lot: m.GetLotId(), Serials: m.GetSerialIds(),
			})
		}
		return e, true
	}
	return Effect{}, false
}

func (b *builder) shipped(list []*manufacturingv1.ShippedMaterial) []Material {
	all := make([]Material, len(list))
	for i, m := range list {
		all[i] = Material{Item: m.GetItemId(), Quantity: b.quantity(fmt.Sprintf("materials[%d].quantity", i), m.GetQuantity()), Lot: m.GetLotId(), Serials: m.GetSerialIds()}
	}
	return all
}
