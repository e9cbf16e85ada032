package odoo

import (
	"maps"
	"slices"

	"github.com/cockroachdb/apd/v3"
)

// Reconcile says how the mesh is compared with Odoo.
type Reconcile struct {
	// Schedule is when that is done by itself, as a cron expression of minute, hour, day of month, month and day of week. Empty: only when asked for.
	Schedule string `yaml:"schedule,omitempty"`
	Timezone string `yaml:"timezone,omitempty"` // of the schedule, such as Europe/Berlin; empty: UTC
	// Tolerance is by how much a quantity may differ, by the UN/CEFACT code of its unit: a decimal.
	Tolerance map[string]string `yaml:"tolerance,omitempty"`
	// Approve is up to which quantity a correction of stock is approved by itself, by the code of its unit, in comparisons by schedule.
	Approve map[string]string `yaml:"approve,omitempty"`
	// MaxEvents bounds the memory of a comparison, which holds all events that have an effect in Odoo: about 1.5 kB each. With more, nothing is compared.
	MaxEvents int `yaml:"max_events"`
}

// DefaultMaxEvents is that of [Reconcile]: some 750 MB while a comparison runs.
const DefaultMaxEvents = 500_000

// Tolerances are the decimals of Tolerance.
func (r Reconcile) Tolerances() map[string]*apd.Decimal { return decimals(r.Tolerance) }

// Approvals are the decimals of Approve.
func (r Reconcile) Approvals() map[string]*apd.Decimal { return decimals(r.Approve) }

func decimals(texts map[string]string) map[string]*apd.Decimal {
	all := map[string]*apd.Decimal{}
	for code, text := range texts {
		if d, ok := tolerance(text); ok {
			all[code] = d
		}
	}
	return all
}

func (r Reconcile) validate(fault func(format string, args ...any)) {
	if r.MaxEvents < 1 {
		fault("odoo.reconcile.max_events %d: must be 1 or more", r.MaxEvents)
	}
	for name, texts := range map[string]map[string]string{"tolerance": r.Tolerance, "approve": r.Approve} {
		for _, code := range slices.Sorted(maps.Keys(texts)) {
			if _, ok := tolerance(texts[code]); !ok {
				fault("odoo.reconcile.%s.%s %q: give a decimal that is not less than zero, such as \"0.01\"", name, code, texts[code])
			}
		}
	}
	if len(r.Approve) > 0 && r.Schedule == "" {
		fault("odoo.reconcile.approve: nothing is approved by itself without a schedule: give odoo.reconcile.schedule, or remove approve")
	}
}

func tolerance(text string) (*apd.Decimal, bool) {
	d, _, err := apd.NewFromString(text)
	return d, err == nil && d.Form == apd.Finite && !d.Negative
}
