package sandbox

import "github.com/cockroachdb/apd/v3"

// precision is how many digits behind the point Odoo keeps of a quantity ("Product Unit").
const precision = 2

// exact computes with more digits than any quantity has; half away from zero, as Odoo rounds.
var exact = apd.BaseContext.WithPrecision(60)

func add(a, b *apd.Decimal) *apd.Decimal { return compute(exact.Add, a, b) }
func sub(a, b *apd.Decimal) *apd.Decimal { return compute(exact.Sub, a, b) }
func mul(a, b *apd.Decimal) *apd.Decimal { return compute(exact.Mul, a, b) }
func div(a, b *apd.Decimal) *apd.Decimal { return compute(exact.Quo, a, b) }

// compute panics only for what cannot happen with finite numbers and a divisor that is not zero.
func compute(f func(d, a, b *apd.Decimal) (apd.Condition, error), a, b *apd.Decimal) *apd.Decimal {
	d := new(apd.Decimal)
	if _, err := f(d, a, b); err != nil {
		panic("sandbox: " + err.Error())
	}
	return d
}

// round keeps the digits of a quantity.
func round(a *apd.Decimal) *apd.Decimal {
	d := new(apd.Decimal)
	c := *exact
	c.Rounding = apd.RoundHalfUp
	if _, err := c.Quantize(d, a, -precision); err != nil {
		panic("sandbox: " + err.Error())
	}
	d.Reduce(d)
	return d
}

func least(a, b *apd.Decimal) *apd.Decimal {
	if a.Cmp(b) < 0 {
		return a
	}
	return b
}

func positive(a *apd.Decimal) bool { return a.Sign() > 0 }
