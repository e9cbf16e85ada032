package capture

import (
	"encoding/json"
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

// state is what the mesh knows of one thing in Odoo. It is committed with the event that told it.
type state struct {
	Records []int64 `json:"records"`           // root records it was built of
	Type    string  `json:"type"`              // of the payload
	Payload []byte  `json:"payload"`           // what was told last
	Told    uint64  `json:"told"`              // how many events were told of it
	Journal int64   `json:"journal,omitempty"` // row of the mesh's journal in Odoo that was taken into account last
	Target  string  `json:"target,omitempty"`  // site that alone saw it
	Ended   bool    `json:"ended,omitempty"`   // it was told that the thing is no more
}

// message is what was told last.
func (s *state) message() (proto.Message, error) {
	t, err := plantmesh.LookupEventType(s.Type)
	if err != nil {
		return nil, err
	}
	m := t.New()
	return m, proto.Unmarshal(s.Payload, m)
}

// position is how far changes of one model were seen.
type position struct {
	Seen     string    `json:"seen"`               // write_date, to the second, of the latest record that there was when the last pass began
	Compared time.Time `json:"compared,omitempty"` // when all records were compared last
	Began    string    `json:"began,omitempty"`    // of facts: when they were looked at first, as Odoo writes times; what was before is not told
}

func (c *Capture) prefix(what, kind string) string {
	return "odoo/capture/" + c.config.Database + "/" + what + "/" + kind + "/"
}

func (c *Capture) load(name string, into any) (found bool, err error) {
	value, err := c.log.Cursor(name)
	if err != nil || value == nil {
		return false, err
	}
	if err := json.Unmarshal(value, into); err != nil {
		return false, fmt.Errorf("cursor %s: %w", name, err)
	}
	return true, nil
}

func cursor(name string, v any) storage.Cursor {
	value, err := json.Marshal(v)
	if err != nil {
		panic("encode the progress of capture: " + err.Error()) // plain values only
	}
	return storage.Cursor{Name: name, Value: value}
}
