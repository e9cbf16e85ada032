package mesh

import (
	"sync"
	"time"

	"github.com/plantmesh/plantmesh"
	catalogv1 "github.com/plantmesh/plantmesh/proto/plantmesh/catalog/v1"
)

// classes are those of other sites' streams, as they were told. The zero value is ready.
type classes struct {
	mu         sync.Mutex
	table      map[plantmesh.StreamName]toldClass
	exceptions exceptions
	changed    chan struct{} // closed at the next exception; nil until somebody waits
}

type toldClass struct {
	class    catalogv1.Class
	byOrigin bool
}

// learn notes what a site says. The origin's word stands against a relay's.
func (c *classes) learn(s plantmesh.StreamName, class catalogv1.Class, by plantmesh.SiteID) {
	if class < catalogv1.Class_CLASS_URGENT || class > catalogv1.Class_CLASS_BULK {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.table == nil {
		c.table = map[plantmesh.StreamName]toldClass{}
	}
	if byOrigin := by == s.Origin(); byOrigin || !c.table[s].byOrigin {
		c.table[s] = toldClass{class, byOrigin}
	}
}

// ClassOf is the class of a stream, as it is served and shown.
func (m *Mesh) ClassOf(s plantmesh.StreamName) catalogv1.Class { return m.classOf(s) }

// classOf is the class of a stream: as configured here, else as told, else the catalog's.
func (m *Mesh) classOf(s plantmesh.StreamName) catalogv1.Class {
	if m.cfg.ClassOf != nil {
		if class := m.cfg.ClassOf(s); class != catalogv1.Class_CLASS_UNSPECIFIED {
			return class
		}
	}
	m.classes.mu.Lock()
	defer m.classes.mu.Unlock()
	if t, ok := m.classes.table[s]; ok {
		return t.class
	}
	return plantmesh.DomainClass(s.Domain())
}

// watchPause merges changes of heads into one frame: on a thin line the frames of streams that grow would take their share of it.
func (m *Mesh) watchPause(site plantmesh.SiteID) time.Duration {
	if m.lanes.thin(site) {
		return 10 * watchEvery
	}
	return watchEvery
}
