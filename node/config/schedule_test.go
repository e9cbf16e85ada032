package config_test

import (
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh/node/config"
)

func TestScheduleAndClassFaultsNameTheirPath(t *testing.T) {
	c := config.Default()
	c.Mesh, c.Site, c.Region, c.TLS = "acme-prod", "plant-a", "eu", config.TLS{Cert: "a", Key: "b", CA: "c"}
	c.Streams = map[string]config.Stream{"production": {Class: "slow"}}
	all := []string{"*"}
	c.Subscriptions = []config.Subscription{
		{From: "*", Streams: all, Schedule: "0 2 * * *", Window: "2h", Timezone: "Europe/Berlin"},
		{From: "*", Streams: all, Schedule: "0 2 * * *"},
		{From: "*", Streams: all, Window: "2h"},
		{From: "*", Streams: all, Schedule: "0 * * * *", Window: "2h"},
		{From: "*", Streams: all, Schedule: "0 2 * *", Window: "2h"},
	}
	err := c.Validate()
	if err == nil {
		t.Fatal("no fault")
	}
	for _, want := range []string{
		`streams.production.class "slow": must be urgent, standard or bulk`,
		`subscriptions[1].window "": give how long`,
		`subscriptions[2].schedule: missing`,
		`subscriptions[3].window 2h0m0s: longer than the 1h0m0s`,
		`subscriptions[4].schedule "0 2 * *": expected exactly 5 fields`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "subscriptions[0]") {
		t.Error(err)
	}
	openings := c.Openings(time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC))
	if len(openings) == 0 || openings[0] != "subscriptions[0] opens at 2026-03-29T03:00:00+02:00 for 2h0m0s, then at 2026-03-30T02:00:00+02:00" {
		t.Errorf("%q", openings)
	}
}
