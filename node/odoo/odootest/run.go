package odootest

import "testing"

// RunOverEachAPI is Run over each of Odoo's APIs, or over the one that the target names.
func RunOverEachAPI(t *testing.T, target Target) {
	for _, api := range target.APIs() {
		t.Run(api, func(t *testing.T) {
			target.API = api
			Run(t, target)
		})
	}
}

// Run holds a target to the contract. It leaves its records behind, under names of their own.
func Run(t *testing.T, target Target) {
	for _, c := range []struct {
		name string
		test func(*testing.T, Target)
	}{
		{"provisioning is repeatable", provisioningIsRepeatable},
		{"an unknown key blocks", unknownKeyBlocks},
		{"an unknown database is named", unknownDatabase},
		{"a warehouse that is not there blocks", unknownWarehouseBlocks},
		{"a mapping is held against Odoo, all of it at once", mappingIsHeldAgainstOdoo},
		{"names are mapped, those of a site before those of all", namesAreMapped},
		{"a second company has its own orders, stock, purchases and postings", secondCompany},
		{"grams and kilograms are exact", gramsAreExact},
		{"errors have their classes", errorsHaveClasses},
		{"nobody writes the fence through the API", fenceIsReadOnly},
		{"a button can answer with a dialog and no effect", completionDialog},
		{"scrap that is short answers with a dialog", scrapDialog},
		{"a repeated event has one effect", repeatedEvent},
		{"copies at the same time have one effect", concurrentCopies},
		{"a lost reply is made good by a retry", lostReply},
		{"whatever becomes of a call passes", passingFaults},
		{"a key that ends in the middle blocks, and another goes on", revokedKey},
		{"eight writers share the stock of an item", hotStock},
		{"an event of another incarnation is recognized", otherIncarnation},
		{"a refused event leaves nothing behind", refusedLeavesNothing},
		{"a refused event does not hold back those that came with it", refusedAmongOthers},
		{"an older event behind a newer one is a duplicate", olderEvent},
		{"types without effect are ignored", ignoredTypes},
		{"a release makes a confirmed order", releaseMakesOrder},
		{"a release names bill of materials, lot and work center", releaseNamesAll},
		{"a release of a known order states its total anew", releaseRevises},
		{"a release after completion continues the order", releaseContinues},
		{"a release of another item is refused", releaseOfOtherItem},
		{"reports add up on work orders", reportsAddUp},
		{"a report makes an order that nobody released", reportMakesOrder},
		{"a report without an order and an item is refused", reportWithoutOrder},
		{"a report takes the work order of the release over", reportTakesWorkOrderOver},
		{"reports keep exact decimals", reportsKeepDecimals},
		{"a report after the end adds time and counts", reportAfterEnd},
		{"a completion ends the order", completionEnds},
		{"partial completions keep the order open", partialCompletions},
		{"a completion beyond the order makes a further part", completionBeyond},
		{"a completion of an unknown order makes it", completionOfUnknownOrder},
		{"a completion makes its serial numbers", completionWithSerials},
		{"a completion uses the bill of materials", completionUsesComponents},
		{"a completion in another unit is converted", completionInOtherUnit},
		{"a completion counts what it says, whatever operations reported", completionCountsWhatItSays},
		{"reports use no material", reportsUseNoMaterial},
		{"the time of an order is what was reported", timeIsWhatWasReported},
		{"a unit of another dimension is refused", otherDimension},
		{"an item tracked by lot needs a lot", completionWithoutLot},
		{"scrap is written off, though stock is short", scrapIsWrittenOff},
		{"scrap of a lot names lot and reason", scrapOfLot},
		{"a hold moves the lot and its release moves it back", holdAndRelease},
		{"a hold of a part is released in steps", holdOfPart},
		{"goods of a held lot go on into quarantine", holdBeforeCompletion},
		{"a release of an unknown hold is refused", releaseOfUnknownHold},
		{"consumption is what was reported, not what the bill says", consumptionIsWhatWasReported},
		{"what is not reported of a later part follows the bill", consumptionOfAPartThenTheBill},
		{"material beside the bill is consumed in its own unit", consumptionBesideTheBill},
		{"consumption of an item tracked by lot names the lot", consumptionOfLots},
		{"consumption after the end leaves the stock at once", consumptionAfterTheEnd},
		{"closing cancels what is open", closingCancelsWhatIsOpen},
		{"closing keeps what was used", closingKeepsWhatWasUsed},
		{"a reservation for an order is absolute", reservationForAnOrder},
		{"adjustments add and take away", adjustmentsAddAndTakeAway},
		{"counts are absolute", countsAreAbsolute},
		{"downtimes begin and end", downtimesBeginAndEnd},
		{"maintenance is requested", maintenanceIsRequested},
		{"transfers go through transit", transfersGoThroughTransit},
		{"transfers that people sent are received by their plant", transfersOfPeopleAreReceived},
		{"the rest of a transfer that a person sent is received when it came", restOfAPersonsTransferIsReceivedWhenItCame},
		{"transfers of plants are received by people", transfersAreReceivedByPeople},
		{"shipments serve sales orders", shipmentsServeSalesOrders},
		{"shipments without an order are deliveries of their own", shipmentsWithoutAnOrder},
		{"purchase orders are received", purchaseOrdersAreReceived},
		{"goods without an order are receipts of their own", goodsWithoutAnOrder},
		{"items are defined", itemsAreDefined},
		{"units are defined", unitsAreDefined},
		{"bills of materials and routings are defined", billsAndRoutingsAreDefined},
		{"work centers are defined", workCentersAreDefined},
		{"suppliers and customers are defined", partnersAreDefined},
		{"postings are booked", postingsAreBooked},
		{"postings of a window are booked in bulk", postedInBulk},
		{"a bad posting among many parks alone", badPostingInBulk},
		{"a month's totals are those of its events", monthAgrees},
		{"a reconciliation names what differs, and nothing else", reconciliationNamesWhatDiffers},
		{"a reconciliation names what differs of master data, and nothing else", reconciliationNamesMasterData},
		{"a reconciliation names what differs in the books, and nothing else", reconciliationNamesPostings},
		{"a reconciliation is exact", reconciliationIsExact},
		{"a reconciliation takes the last word on master data", reconciliationTakesTheLastWord},
		{"a reconciliation knows mapped names", reconciliationKnowsMappedNames},
		{"costs are set", costsAreSet},
		{"what may not be created is named with what to do", missingIsNamed},
		{"a unit without counterpart is refused", unknownUnit},
		{"the reader pages, adds up exactly and keeps order by subject", readerReads},
		{"records are found by the subject of an event", recordsAreFoundBySubject},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, target) })
	}
}
