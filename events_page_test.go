package plantmesh_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plantmesh/plantmesh"
)

var updatePages = flag.Bool("update-pages", false, "write the pages that are made from the catalog")

const eventsPage = "docs/events.md"

// The page of event types is what the schema's options say.
func TestEventsPageSaysWhatTheCatalogSays(t *testing.T) {
	want := eventsPageText()
	if *updatePages {
		if err := os.WriteFile(eventsPage, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, eventsPage) != want {
		t.Errorf("%s is not what the catalog says: go test -run EventsPage . -update-pages", eventsPage)
	}
}

func eventsPageText() string {
	var b strings.Builder
	b.WriteString(`# Event types

The canonical payloads, all of the package ` + "`plantmesh.manufacturing.v1`" + `, by the domain that names their stream at a site. Fields and rules stand in
[proto/plantmesh/manufacturing/v1](../proto/plantmesh/manufacturing/v1). This page is made from the options in the schema.

`)
	types := plantmesh.EventTypes()
	slices.SortStableFunc(types, func(x, y plantmesh.EventType) int { return cmp.Compare(x.Domain, y.Domain) })
	domain := ""
	for _, e := range types {
		if e.Domain != domain {
			if domain != "" {
				b.WriteString("\n")
			}
			domain = e.Domain
			fmt.Fprintf(&b, "## %s\n| type | class | subject | published by | confirmed within | if not, by hand |\n|---|---|---|---|---|---|\n", domain)
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", e.Name[strings.LastIndexByte(e.Name, '.')+1:], class(e), subject(e), owners(e), within(e.ConfirmWithin), e.ManualProcedure)
	}
	return b.String()
}

func class(e plantmesh.EventType) string {
	name := strings.ToLower(strings.TrimPrefix(e.Class.String(), "CLASS_"))
	if e.Exception {
		name += ", passes batch windows"
	}
	return name
}

func subject(e plantmesh.EventType) string {
	rules := make([]string, len(e.Subject))
	for i, rule := range e.Subject {
		rules[i] = fmt.Sprintf("`%s/`%s", rule.GetKind(), rule.GetField())
	}
	return strings.Join(rules, ", or ")
}

func owners(e plantmesh.EventType) string {
	names := make([]string, len(e.Owners))
	for i, o := range e.Owners {
		names[i] = map[string]string{"OWNER_SITE": "any site", "OWNER_ENTERPRISE": "the site that faces the ERP", "OWNER_NODE": "nodes themselves"}[o.String()]
	}
	return strings.Join(names, ", ")
}

func within(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m")
}
