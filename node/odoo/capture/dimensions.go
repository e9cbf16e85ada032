package capture

import (
	"cmp"
	"context"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// A dimension is an analytic plan that is in no other; its values are the analytic accounts of it and of those in it. All values of a dimension are
// one subject, and bear its name.
var dimensions = kind{
	name: "financial-dimensions", model: "account.analytic.account", build: buildDimensions, end: retire, within: "value_id", whole: "dimension_name",
	fields: []string{"name", "code", "plan_id", "active"}, parts: []part{{model: "account.analytic.plan", via: "plan_id", below: true}},
}

func buildDimensions(ctx context.Context, p *pass, rows []row) ([]thing, error) {
	plans := map[int64]row{}
	err := p.pages(ctx, "account.analytic.plan", nil, []string{"name", "parent_id", "x_mesh_dimension"}, func(rows []row) error {
		for _, r := range rows {
			plans[r.id()] = r
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var things []thing
	for _, r := range rows {
		t := p.thing(r)
		plan := plans[r.ref("plan_id")]
		for range plans { // no further up than there are plans
			if above := plans[plan.ref("parent_id")]; above != nil {
				plan = above
			}
		}
		t.join(plan, p.uid)
		if r.text("code") == "" {
			t.nameless, t.leftOut = true, "analytic account "+r.text("name")+" has no reference: give it one"
		} else {
			t.payload = &manufacturingv1.FinancialDimensionChanged{
				DimensionId: cmp.Or(plan.text("x_mesh_dimension"), plan.text("name")), DimensionName: plan.text("name"), ValueId: r.text("code"), Name: r.text("name"),
				Retired: !r.yes("active"),
			}
		}
		things = append(things, t)
	}
	return things, nil
}
