package reconcile

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// Proposal is a correction of Odoo's stock by a difference, which stays right while goods come and go. It is made when somebody approves it,
// once.
type Proposal struct {
	ID       string `json:"id"`
	Site     string `json:"site"`
	Item     string `json:"item"`
	Lot      string `json:"lot,omitempty"`
	Quantity string `json:"quantity"`
	Unit     string `json:"unit"`
	Increase bool   `json:"increase"`
}

func isCorrection(e entry) bool {
	_, ok := e.payload.(*manufacturingv1.CorrectionApproved)
	return ok
}

// correct notes that a correction of a place was approved. It brings Odoo to what the events say, and so changes nothing of that.
func (m *model) correct(e entry) place {
	p, _ := e.payload.(*manufacturingv1.CorrectionApproved)
	at := place{m.warehouse(p.GetSiteId()), p.GetItemId(), p.GetLotId()}
	m.corrected[at]++
	return at
}

// propose is how a gap would close; nil where no site has the place's warehouse, the unit has no code, or Odoo would refuse it: goods without a
// lot of an item that is tracked, or more or less than one of a serial number. The same gap is the same proposal
// until one of the place was approved.
func (m *model) propose(at place, gap *apd.Decimal, unit *odoo.Measure) *Proposal {
	site := m.siteOf(at)
	if site == "" || unit == nil || unit.Code == "" {
		return nil
	}
	tracking, piece := m.items[at.item].GetTracking(), new(apd.Decimal).Abs(gap)
	if tracking > manufacturingv1.Tracking_TRACKING_NONE && at.lot == "" || tracking == manufacturingv1.Tracking_TRACKING_SERIAL && piece.Cmp(apd.New(1, 0)) != 0 {
		return nil
	}
	p := &Proposal{
		Site: site, Item: at.item, Lot: at.lot, Quantity: odoo.Plain(new(apd.Decimal).Abs(gap)), Unit: unit.Code, Increase: gap.Negative,
	}
	hash := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %s %d", at.warehouse, at.item, at.lot, odoo.Plain(gap), m.corrected[at]))
	p.ID = "correction-" + hex.EncodeToString(hash[:8])
	return p
}

// siteOf is a site with a place's warehouse: a configured one, or one that told of the place.
func (m *model) siteOf(at place) string {
	for _, site := range slices.Sorted(maps.Keys(m.Config.Sites)) {
		if m.warehouse(site) == at.warehouse {
			return site
		}
	}
	if a := m.stock[at]; a != nil {
		for _, e := range a.last {
			if site := e.site; m.warehouse(site) == at.warehouse {
				return site
			}
		}
	}
	return ""
}

func (p *Proposal) direction() manufacturingv1.AdjustmentDirection {
	if p.Increase {
		return manufacturingv1.AdjustmentDirection_ADJUSTMENT_DIRECTION_INCREASE
	}
	return manufacturingv1.AdjustmentDirection_ADJUSTMENT_DIRECTION_DECREASE
}

func (p *Proposal) quantity() *manufacturingv1.Quantity {
	return &manufacturingv1.Quantity{Value: p.Quantity, Unit: p.Unit}
}

// Proposed is the event that tells of the proposal of a difference.
func (d Difference) Proposed() *manufacturingv1.CorrectionProposed {
	p := d.Proposal
	return &manufacturingv1.CorrectionProposed{
		ProposalId: p.ID, SiteId: p.Site, ItemId: p.Item, LotId: p.Lot, Quantity: p.quantity(), Direction: p.direction(),
		MeshValue: d.Mesh, ErpValue: d.Odoo, Cause: cut(d.Cause, 2000),
	}
}

// Approved is the event by which Odoo gets the correction.
func (p *Proposal) Approved(by, reason string) *manufacturingv1.CorrectionApproved {
	return &manufacturingv1.CorrectionApproved{
		ProposalId: p.ID, SiteId: p.Site, ItemId: p.Item, LotId: p.Lot, Quantity: p.quantity(), Direction: p.direction(), ApprovedBy: cut(by, 500), Reason: cut(reason, 2000),
	}
}

// ApprovalID is the id of that event: an approval counts once, whoever gives it, from wherever.
func (p *Proposal) ApprovalID() string { return p.ID + "-approved" }
