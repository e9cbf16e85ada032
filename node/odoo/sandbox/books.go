package sandbox

import (
	"cmp"
	"strconv"

	"github.com/cockroachdb/apd/v3"

	"github.com/plantmesh/plantmesh/node/odoo"
)

func (x *applier) defineDimension(e odoo.Effect) (odoo.Result, error) {
	plan := x.analyticPlan(e.Dimension)
	if plan == nil {
		plan = x.insert("account.analytic.plan", map[string]any{"name": e.Dimension, "x_mesh_dimension": e.Dimension})
	}
	if name := cmp.Or(e.DimensionName, plan.str("name")); name != plan.str("name") || plan.str("x_mesh_dimension") != e.Dimension {
		x.set("account.analytic.plan", plan, map[string]any{"name": name, "x_mesh_dimension": e.Dimension})
	}
	values := map[string]any{"name": e.Name, "code": e.Value, "x_mesh_dimension": e.Dimension, "active": !e.Retired}
	found := x.analyticAccount(plan, e.Value, false)
	if found == nil {
		values["plan_id"] = plan.id
		found = x.insert("account.analytic.account", values)
	} else {
		x.set("account.analytic.account", found, values)
	}
	return odoo.Result{Model: "account.analytic.account", ID: found.id}, nil
}

// analyticPlan is that of a dimension: the mesh's own, or one of a person with that name.
func (x *applier) analyticPlan(dimension string) *row {
	if own := x.one("account.analytic.plan", "x_mesh_dimension", dimension); own != nil {
		return own
	}
	return x.one("account.analytic.plan", "name", dimension, "x_mesh_dimension", "", "parent_id", int64(0))
}

// analyticAccount is that of a value of a plan, or of one in it.
func (x *applier) analyticAccount(plan *row, value string, used bool) *row {
	for _, a := range x.find("account.analytic.account", "code", value) {
		if plan != nil && (a.is("active") || !used) && x.in("account.analytic.plan", "parent_id", a.ref("plan_id"), plan.id) {
			return a
		}
	}
	return nil
}

func (x *applier) post(e odoo.Effect) (odoo.Result, error) {
	if first(x.home, x.find("account.move", "x_mesh_posting", e.Document)) != nil {
		return odoo.Result{}, refuse("Posting %s is in the books already: give the new one an id of its own, or skip the event.", e.Document)
	}
	journal := first(x.home, x.find("account.journal", "code", e.Journal))
	if journal == nil {
		return odoo.Result{}, refuse("Journal %s is not in Odoo: create a journal with this short code.", e.Journal)
	}
	total := new(apd.Decimal)
	var lines []map[string]any
	for _, l := range e.Lines {
		account := first(x.home, x.find("account.account", "code", l.Account))
		if account == nil {
			return odoo.Result{}, refuse("Account %s is not in Odoo: create it, or correct it at its source.", l.Account)
		}
		amount, err := number(l.Amount)
		if err != nil {
			return odoo.Result{}, err
		}
		if round(amount).Cmp(amount) != 0 {
			return odoo.Result{}, refuse("Amount %s %s is finer than that currency is kept in Odoo: correct it at its source.", l.Amount, l.Currency)
		}
		shares := map[string]any{}
		for _, s := range l.Shares {
			value := x.analyticAccount(x.analyticPlan(s.Dimension), s.Value, true)
			if value == nil {
				return odoo.Result{}, refuse("Value %s of dimension %s is not in Odoo: publish it (FinancialDimensionChanged).", s.Value, s.Dimension)
			}
			percent := apd.New(100, 0)
			if s.Percent != "" {
				if percent, err = number(s.Percent); err != nil {
					return odoo.Result{}, err
				}
			}
			shares[strconv.FormatInt(value.id, 10)] = percent
		}
		if l.Side == "debit" {
			total = add(total, amount)
		}
		currency := x.one("res.currency", "name", l.Currency)
		if currency == nil {
			return odoo.Result{}, refuse("Currency %s is not active in Odoo: activate it, or correct it at its source.", l.Currency)
		}
		line := map[string]any{"account_id": account.id, l.Side: amount, "amount_currency": amount, "currency_id": currency.id}
		if l.Side == "credit" {
			line["amount_currency"] = new(apd.Decimal).Neg(amount)
		}
		if len(shares) > 0 {
			line["analytic_distribution"] = shares
		}
		lines = append(lines, line)
	}
	entry := x.insert("account.move", map[string]any{
		"move_type": "entry", "journal_id": journal.id, "date": e.Date, "ref": e.Reference, "x_mesh_posting": e.Document, "state": "posted", "amount_total": total, "company_id": x.home,
	})
	x.set("account.move", entry, map[string]any{"name": e.Journal + "/" + strconv.FormatInt(entry.id, 10)})
	for _, line := range lines {
		line["move_id"] = entry.id
		x.insert("account.move.line", line)
	}
	return odoo.Result{Model: "account.move", ID: entry.id}, nil
}

func (x *applier) cost(e odoo.Effect) (odoo.Result, error) {
	product, err := x.item(e.Item, e.Quantity, "", "lot")
	if err != nil {
		return odoo.Result{}, err
	}
	per, err := x.amount(e.Quantity, x.get("uom.uom", product.ref("uom_id")))
	if err != nil {
		return odoo.Result{}, err
	}
	value, err := x.money(e, "cost", e.Cost)
	if err != nil {
		return odoo.Result{}, err
	}
	x.set("product.product", product, map[string]any{"standard_price": div(value, per)})
	return odoo.Result{Model: "product.product", ID: product.id}, nil
}
