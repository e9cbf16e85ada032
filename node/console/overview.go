package console

import (
	"net/http"
	"time"

	"github.com/plantmesh/plantmesh/node/exceptions"
	"github.com/plantmesh/plantmesh/node/odoo/reconcile"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// overviewBody is what the first page shows.
type overviewBody struct {
	Status   *adminv1.GetStatusResponse
	Streams  []*eventv1.StreamInfo
	Replicas map[string]*adminv1.Replica // by stream
	Compared compared
	Waiting  uint64 // events that Odoo does not have yet
	Up       string
}

// overview is the page of the site: what somebody has to look at, its Odoo, its mesh.
func (c *Console) overview(w http.ResponseWriter, _ *http.Request) {
	now, status := time.Now(), c.sources.Status()
	body := overviewBody{
		Status: status, Streams: first(status.GetStreams()), Replicas: map[string]*adminv1.Replica{}, Compared: c.compared(),
		Up: lag(now.Sub(status.GetNode().GetStartTime().AsTime())),
	}
	for _, r := range status.GetReplicas() {
		body.Replicas[r.GetStream()] = r
	}
	for _, p := range status.GetOdoo().GetPositions() {
		body.Waiting += p.GetLagEvents()
	}
	c.show(w, http.StatusOK, "overview", status, page{Title: "Overview", Path: "/", Now: now, Body: body})
}

// compared is where comparing with Odoo stands.
type compared struct {
	reconcile.Status
	Scheduled bool
}

func (c *Console) compared() compared {
	if c.sources.Comparisons == nil {
		return compared{}
	}
	return compared{Status: c.sources.Comparisons.Status(), Scheduled: true}
}

// Differences counts what the last comparison found.
func (c compared) Differences() int { return differencesOf(c.Last) }

func differencesOf(r *reconcile.Report) (n int) {
	if r != nil {
		for _, kind := range r.Compared {
			n += kind.Differences
		}
	}
	return n
}

// entry is a page that says more.
type entry struct{ Path, Name string }

// pageOf is the page that says more about exceptions of a kind; nil if there is none.
func pageOf(kind string) *entry {
	switch kind {
	case exceptions.KindReconciliation:
		return &entry{"/reconciliation", "See the differences"}
	case exceptions.KindParked:
		return &entry{"/parked", "See what is parked"}
	}
	return nil
}
