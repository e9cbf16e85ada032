package sandbox

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// runAction runs plantmesh's server actions: natively, what their Python does in Odoo.
func (x *call) runAction(t *table, q *request) (any, error) {
	if len(q.IDs) != 1 {
		return nil, valueError("the sandbox runs one action at a time")
	}
	action := t.byID[q.IDs[0]]
	if action == nil {
		return nil, missingError(t.name, q.IDs[0])
	}
	code := action.str("code")
	if strings.HasPrefix(code, "# plantmesh indexes") {
		return map[string]any{"indexes": 2}, nil // the effects below keep keys and events unique
	}
	if _, err := odoo.ActionVersion(code); err != nil {
		return nil, valueError("NotImplementedError('the sandbox runs no code but plantmesh\\'s') while evaluating\n%q", code)
	}
	for _, ours := range odoo.Actions() {
		if first, _, _ := strings.Cut(ours.Code, "\n"); strings.HasPrefix(code, first+"\n") {
			return x.applyAll(q.Context, ours.Kinds)
		}
	}
	return nil, valueError("NotImplementedError('the sandbox does what this version of the actions does, not another') while evaluating\n%q", code)
}

// applier makes the effects of one call.
type applier struct {
	*call
	batch odoo.Batch
	kinds []odoo.EffectKind // that the action makes
	home  int64             // company of the event's site; 0: there is none
}

func (x *call) applyAll(raw json.RawMessage, kinds []odoo.EffectKind) (map[string]any, error) {
	var context struct {
		Mesh *struct {
			odoo.Batch
			Indexes  []string `json:"indexes"`
			Register *struct {
				Name        string `json:"name"`
				Action      int64  `json:"action"`
				Fingerprint string `json:"fingerprint"`
			} `json:"register"`
		} `json:"mesh"`
	}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &context); err != nil {
			return nil, badArguments("context: %v", err)
		}
	}
	if context.Mesh == nil {
		return nil, refuse("This action is run by plantmesh, with the events to apply. It does nothing by hand.")
	}
	a := &applier{call: x, batch: context.Mesh.Batch, kinds: kinds}
	if r := context.Mesh.Register; r != nil {
		a.define(odoo.ModelRegister, "x_name", r.Name, map[string]any{"x_action": r.Action, "x_fingerprint": r.Fingerprint})
	}
	results := make([]odoo.Result, 0, len(a.batch.Events))
	for _, e := range a.batch.Events {
		result, err := a.apply(e)
		if err != nil {
			return nil, err
		}
		results = append(results, result)
	}
	return map[string]any{"results": results, "indexes": len(context.Mesh.Indexes)}, nil // the effects keep keys and events unique
}

// apply makes the effect of one event, unless its fence or the journal knows it.
func (x *applier) apply(e odoo.Effect) (odoo.Result, error) {
	var err error
	if x.home, err = x.companyOf(e.Company, e.Warehouse, e.Site); err != nil {
		return odoo.Result{}, err
	}
	fence := x.one(odoo.ModelFence, "x_key", e.Key)
	if fence == nil {
		fence = x.insert(odoo.ModelFence, map[string]any{"x_key": e.Key, "x_seq": "0", "x_incarnation": e.Incarnation})
	}
	offset, err := strconv.ParseUint(e.Offset, 10, 64)
	if err != nil {
		return odoo.Result{}, valueError("invalid literal for int(): %q", e.Offset)
	}
	last, err := strconv.ParseUint(fence.str("x_seq"), 10, 64)
	if err != nil {
		return odoo.Result{}, valueError("invalid literal for int(): %q", fence.str("x_seq"))
	}
	if fence.str("x_incarnation") == e.Incarnation && offset <= last || x.one(odoo.ModelApplied, "x_event", e.Event) != nil {
		known := odoo.Result{Status: odoo.StatusDuplicate}
		if r := x.one(odoo.ModelApplied, "x_event", e.Event); r != nil {
			known.Model, known.ID, known.Note, known.Time = r.str("x_model"), r.ref("x_record"), r.str("x_note"), r.str("create_date")
			known.Name = x.displayName(known.Model, known.ID)
		}
		return known, nil
	}
	effects := map[odoo.EffectKind]func(odoo.Effect) (odoo.Result, error){
		odoo.EffectRelease: x.release, odoo.EffectReport: x.report, odoo.EffectComplete: x.complete,
		odoo.EffectScrap: x.scrap, odoo.EffectHold: x.hold, odoo.EffectUnhold: x.unhold,
		odoo.EffectConsume: x.consume, odoo.EffectReserve: x.reserve, odoo.EffectClose: x.close, odoo.EffectAdjust: x.adjust, odoo.EffectCount: x.count,
		odoo.EffectUnit: x.defineUnit, odoo.EffectItem: x.defineItem, odoo.EffectBill: x.defineBill, odoo.EffectRouting: x.defineRouting,
		odoo.EffectWorkCenter: x.defineWorkCenter, odoo.EffectPartner: x.definePartner, odoo.EffectDimension: x.defineDimension,
		odoo.EffectTransferOut: x.transferOut, odoo.EffectTransferIn: x.transferIn, odoo.EffectShipment: x.shipment, odoo.EffectPurchase: x.purchase, odoo.EffectGoodsIn: x.goodsIn,
		odoo.EffectPost: x.post, odoo.EffectCost: x.cost, odoo.EffectDown: x.down, odoo.EffectUp: x.up, odoo.EffectRequest: x.request,
	}
	effect, ok := effects[e.Kind]
	if !ok || !slices.Contains(x.kinds, e.Kind) {
		return odoo.Result{}, valueError("KeyError(%q)", string(e.Kind))
	}
	result, err := effect(e)
	if err != nil {
		return odoo.Result{}, err
	}
	x.set(odoo.ModelFence, fence, map[string]any{"x_seq": e.Offset, "x_incarnation": e.Incarnation})
	x.insert(odoo.ModelApplied, map[string]any{
		"x_event": e.Event, "x_type": e.Type, "x_stream": e.Stream, "x_offset": e.Offset, "x_subject": e.Subject,
		"x_model": result.Model, "x_record": result.ID, "x_note": result.Note, "create_date": x.now,
	})
	result.Status, result.Time, result.Name = odoo.StatusApplied, x.now, x.displayName(result.Model, result.ID)
	return result, nil
}

func (x *applier) may(kind string) bool { return slices.Contains(x.batch.Create, kind) }

func missing(what, name, kind, hint string) error {
	return refuse("%s %s is not in Odoo: %s, or let plantmesh do it with create_missing: [%s].", what, name, hint, kind)
}
