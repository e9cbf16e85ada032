package killrun_test

import (
	"fmt"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// items are told as master data, so that nobody guesses their units.
func (m *model) items() (all []told) {
	item := func(name, unit string, tracking manufacturingv1.Tracking) {
		all = append(all, told{plantA, &manufacturingv1.ItemChanged{
			ItemId: m.name(name), Name: m.name(name), Kind: manufacturingv1.ItemKind_ITEM_KIND_STOCKED, Unit: unit, Tracking: tracking, Purchased: true, Sold: true,
		}})
	}
	for _, name := range []string{bolt, goods, bought} {
		item(name, "C62", manufacturingv1.Tracking_TRACKING_NONE)
	}
	for _, name := range []string{glue, bar} {
		item(name, "KGM", manufacturingv1.Tracking_TRACKING_NONE)
	}
	for i := range assemblies {
		item(fmt.Sprintf("FIN%d", i), "C62", manufacturingv1.Tracking_TRACKING_LOT)
	}
	for _, name := range []string{lotGoods, held} {
		item(name, "C62", manufacturingv1.Tracking_TRACKING_LOT)
	}
	for _, name := range []string{steel, lotBought} {
		item(name, "KGM", manufacturingv1.Tracking_TRACKING_LOT)
	}
	item(serial, "C62", manufacturingv1.Tracking_TRACKING_SERIAL)
	return append(all,
		told{plantA, &manufacturingv1.WorkCenterChanged{WorkCenterId: m.name("WC"), Name: m.name("WC")}},
		told{plantA, &manufacturingv1.SupplierChanged{SupplierId: m.name("SU"), Name: m.name("Steel")}},
		told{plantA, &manufacturingv1.CustomerChanged{CustomerId: m.name("CU"), Name: m.name("Mill")}})
}

// opening is the bills of materials, and more of everything than the work takes.
func (m *model) opening() (all []told) {
	for i := range assemblies {
		item := m.name(fmt.Sprintf("FIN%d", i))
		all = append(all, told{plantA, &manufacturingv1.BillOfMaterialsChanged{
			BillOfMaterialsId: "BOM " + item, ItemId: item, Quantity: pieces(one), Components: []*manufacturingv1.Component{
				{LineId: "1", ItemId: m.name(bolt), Quantity: pieces(boltsEach)}, {LineId: "2", ItemId: m.name(glue), Quantity: grams(glueEach)},
			},
		}})
	}
	const plenty = 1_000_000 * one
	for _, site := range plants {
		count := func(item, lot, unit string) {
			counted := &manufacturingv1.StockCounted{CountId: m.next("C"), ItemId: m.name(item), Quantity: quantity(plenty, unit)}
			if lot != "" {
				counted.LotId = m.name(lot)
			}
			all = append(all, told{site, counted})
			m.move(counted.GetItemId(), counted.GetLotId(), inventory, stock(site), plenty)
		}
		count(bolt, "", "C62")
		count(glue, "", "KGM")
		count(goods, "", "C62")
		count(steel, heat(1), "KGM")
		count(steel, heat(2), "KGM")
		count(lotGoods, "L1", "C62")
		count(lotGoods, "L2", "C62")
		count(held, "L-"+string(site), "C62")
	}
	return all
}
