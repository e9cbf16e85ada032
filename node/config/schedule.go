package config

import (
	"errors"
	"fmt"
	"time"

	"github.com/plantmesh/plantmesh/mesh"
)

// ParseSchedule reads when the subscription is open; nil: at all times.
func (s Subscription) ParseSchedule() (*mesh.Schedule, error) {
	if s.Schedule == "" {
		if s.Window != "" || s.Timezone != "" || s.AtStart {
			return nil, errors.New("schedule: missing: window, timezone and at_start belong to one; give it, or remove them")
		}
		return nil, nil
	}
	window, err := time.ParseDuration(s.Window)
	if err != nil {
		return nil, fmt.Errorf("window %q: give how long it is open, such as 2h or 90m", s.Window)
	}
	schedule, err := mesh.ParseSchedule(s.Schedule, window, s.Timezone)
	if err != nil {
		return nil, err
	}
	schedule.AtStart = s.AtStart
	return schedule, nil
}

// ReconcileSchedule reads when the mesh is compared with Odoo; nil: only when somebody asks for it.
func (c Config) ReconcileSchedule() (*mesh.Schedule, error) {
	if c.Odoo == nil {
		return nil, nil
	}
	r := c.Odoo.Reconcile
	if r.Schedule == "" {
		if r.Timezone != "" {
			return nil, errors.New("schedule: missing: timezone belongs to one; give it, or remove timezone")
		}
		return nil, nil
	}
	return mesh.ParseSchedule(r.Schedule, time.Minute, r.Timezone)
}

// Openings says for each subscription with a schedule, and each batch window, when it opens next, and what will be too late by then.
func (c Config) Openings(now time.Time) []string {
	var all []string
	for i, s := range c.Subscriptions {
		if schedule, err := s.ParseSchedule(); err == nil && schedule != nil {
			next := schedule.Next(now)
			all = append(all, fmt.Sprintf("subscriptions[%d] opens at %s for %s, then at %s", i, next.Format(time.RFC3339), schedule.Window,
				schedule.Next(next).Format(time.RFC3339)))
		}
	}
	if c.Odoo != nil {
		all = append(all, c.Odoo.Openings(now)...)
	}
	return all
}
