package demo

import (
	"context"
	"errors"
	"fmt"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// siteRefused is the plant of whose events Odoo refuses some.
const siteRefused = plantmesh.SiteID("plant-b")

// odooConsumer is the name of the consumer that applies events, as `plantmesh parked` has it.
const odooConsumer = "odoo"

// Parking is how two subjects were held up by an event that Odoo refused, and went on.
type Parking struct {
	Subjects []ParkedSubject `json:"subjects"`
	Flowed   int             `json:"events_flowed"` // of another subject, into Odoo, while these were held up
}

// ParkedSubject is one of them.
type ParkedSubject struct {
	Subject    string `json:"subject"`
	Reason     string `json:"reason"`      // Odoo's
	Held       uint64 `json:"events_held"` // the refused one, and those behind it
	Resolution string `json:"resolution"`
	WentOn     int    `json:"events_applied_after"`
}

func (p *Parking) String() string {
	text := fmt.Sprintf("had %d subjects parked while %d events of another one flowed into Odoo", len(p.Subjects), p.Flowed)
	for _, s := range p.Subjects {
		text += fmt.Sprintf("\n%s held %d events: %s\nit was %s, and %d events went on in order", s.Subject, s.Held, s.Reason, s.Resolution, s.WentOn)
	}
	return text
}

// parkingOrders are one whose trouble is mended in Odoo, one whose wrong event is discarded, and one without trouble.
type parkingOrders struct{ mended, discarded, flowing order }

// parking publishes events that Odoo refuses among others, and deals with them as an operator would.
func (s *show) parking(ctx context.Context, r *Scene) error {
	r.Parking = &Parking{Subjects: []ParkedSubject{}}
	o := parkingOrders{s.order("mended"), s.order("discarded"), s.order("flowing")}
	release, wrong := o.mended.released(), o.discarded.completed()
	release.BillOfMaterialsId = "BOM-" + s.tag // Odoo does not have it yet
	wrong.ItemId = "housing-" + s.tag          // the order makes something else
	facts, err := s.publish(ctx, siteRefused, release, o.discarded.released(), o.flowing.released(), o.mended.reported(), wrong, o.flowing.reported(),
		o.mended.completed(), o.discarded.completed(), o.flowing.completed())
	if err != nil {
		return err
	}
	s.progress.scene(fmt.Sprintf("%s publishes about three orders; Odoo cannot take an event of two of them", siteRefused))
	held, err := s.awaitParked(ctx, o)
	if err != nil {
		return err
	}
	if err := s.checkHeld(ctx, r, o, facts, held); err != nil {
		return err
	}
	if err := s.mendInOdoo(ctx, r, held[o.mended.subject()], o.mended, facts); err != nil {
		return err
	}
	for _, f := range facts {
		f.discarded = f.event.GetSubject() == o.discarded.subject() && uint64(f.receipt.Offset) == held[o.discarded.subject()].GetOffset()
	}
	if err := s.discard(ctx, r, held[o.discarded.subject()], o.discarded, facts); err != nil {
		return err
	}
	left, err := s.parkedList(ctx)
	if err != nil {
		return err
	}
	if n := left.GetTotalParked(); n != 0 {
		r.fault("%d subjects are parked in the end", n)
	}
	return s.check(ctx, r, siteRefused, facts)
}

// parkedList asks what `plantmesh parked list --discarded` asks.
func (s *show) parkedList(ctx context.Context) (*adminv1.ListParkedResponse, error) {
	list, err := s.cluster.sites[siteHQ].client.Admin().ListParked(ctx, &adminv1.ListParkedRequest{Consumer: odooConsumer, Discarded: true})
	return list, plantmesh.FromStatus(err)
}

// awaitParked waits until both subjects are parked with all their events, and the third one is in Odoo.
func (s *show) awaitParked(ctx context.Context, o parkingOrders) (map[string]*adminv1.ParkedSubject, error) {
	held := map[string]*adminv1.ParkedSubject{}
	want := map[string]uint64{o.mended.subject(): 3, o.discarded.subject(): 2}
	err := s.alive(ctx, "parked subjects", func() (string, error) {
		list, err := s.parkedList(ctx)
		if err != nil {
			return "", err
		}
		for _, p := range list.GetParked() {
			held[p.GetSubject()] = p
		}
		for subject, events := range want {
			if n := held[subject].GetEvents(); n != events {
				return fmt.Sprintf("%s holds %d events, not %d", subject, n, events), nil
			}
		}
		return "", nil
	})
	return held, err
}

// checkHeld looks into Odoo while the two are parked: nothing of them may have passed the refused event, and all of the
// third must.
func (s *show) checkHeld(ctx context.Context, r *Scene, o parkingOrders, facts []*fact, held map[string]*adminv1.ParkedSubject) error {
	flowing := factsOf(facts, o.flowing)
	if err := s.journaled(ctx, "the subject that is not parked", flowing); err != nil {
		return err
	}
	r.Flowed = len(flowing)
	for _, one := range []order{o.mended, o.discarded} {
		p := held[one.subject()]
		s.progress.scene(fmt.Sprintf("  parked: %s holds %d events: %s", p.GetSubject(), p.GetEvents(), p.GetReason()))
		for _, f := range factsOf(facts, one) {
			if uint64(f.receipt.Offset) < p.GetOffset() {
				continue
			}
			n, err := s.applied(ctx, f)
			if err != nil {
				return err
			}
			if n > 0 {
				r.OutOfOrder++
				r.fault("event %q of %s is in Odoo, though offset %d of it is parked", f.event.GetId(), p.GetSubject(), p.GetOffset())
			}
		}
	}
	s.progress.scene(fmt.Sprintf("  meanwhile %d events of %s are in Odoo", r.Flowed, o.flowing.subject()))
	return nil
}

// mendInOdoo makes the bill of materials that was missing, and has the subject tried again.
func (s *show) mendInOdoo(ctx context.Context, r *Scene, p *adminv1.ParkedSubject, o order, facts []*fact) error {
	if err := s.makeBillOfMaterials(ctx, o.item); err != nil {
		return fmt.Errorf("make what Odoo misses: %w", err)
	}
	_, err := s.cluster.sites[siteHQ].client.Admin().RetryParked(ctx, &adminv1.RetryParkedRequest{Consumer: odooConsumer, Stream: p.GetStream(), Subject: p.GetSubject()})
	if err = plantmesh.FromStatus(err); err != nil && !errors.Is(err, plantmesh.ErrInvalidRequest) { // it may have been tried by itself just now
		return err
	}
	const resolution = "mended in Odoo and tried again"
	return s.wentOn(ctx, r, p, factsOf(facts, o), resolution)
}

// discard gives up the event that holds a subject up.
func (s *show) discard(ctx context.Context, r *Scene, p *adminv1.ParkedSubject, o order, facts []*fact) error {
	const reason = "the plant named the wrong item, and reported the right one after it"
	_, err := s.cluster.sites[siteHQ].client.Admin().DiscardParked(ctx, &adminv1.DiscardParkedRequest{
		Consumer: odooConsumer, Stream: p.GetStream(), Subject: p.GetSubject(), Offset: p.GetOffset(), Reason: reason,
	})
	if err != nil {
		return plantmesh.FromStatus(err)
	}
	if err := s.wentOn(ctx, r, p, factsOf(facts, o), "discarded with a reason"); err != nil {
		return err
	}
	list, err := s.parkedList(ctx)
	if err != nil {
		return err
	}
	for _, d := range list.GetDiscarded() {
		if d.GetSubject() == p.GetSubject() && d.GetOffset() == p.GetOffset() && d.GetReason() == reason && d.GetDiscardedBy() != "" {
			return nil
		}
	}
	r.fault("nothing says who discarded %s@%d, and why", p.GetStream(), p.GetOffset())
	return nil
}

// wentOn waits until the events of a subject are in Odoo that were held up.
func (s *show) wentOn(ctx context.Context, r *Scene, p *adminv1.ParkedSubject, facts []*fact, resolution string) error {
	if err := s.journaled(ctx, p.GetSubject(), facts); err != nil {
		return err
	}
	went := 0
	for _, f := range facts {
		if f.inOdoo() && uint64(f.receipt.Offset) >= p.GetOffset() {
			went++
		}
	}
	r.Subjects = append(r.Subjects, ParkedSubject{Subject: p.GetSubject(), Reason: p.GetReason(), Held: p.GetEvents(), Resolution: resolution, WentOn: went})
	s.progress.scene(fmt.Sprintf("  %s: %s; %d events of it went on into Odoo", p.GetSubject(), resolution, went))
	return s.until(ctx, p.GetSubject(), func() (string, error) {
		list, err := s.parkedList(ctx)
		for _, left := range list.GetParked() {
			if left.GetSubject() == p.GetSubject() {
				return "it is parked still", err
			}
		}
		return "", err
	})
}
