package capture

import (
	"encoding/json"
	"time"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// row is a record as Odoo gives it: false for what is empty, [id, name] for a relation.
type row map[string]any

func (r row) id() int64 { return whole(r["id"]) }

func (r row) text(name string) string { s, _ := r[name].(string); return s }

func (r row) yes(name string) bool { b, _ := r[name].(bool); return b }

// ref is the id of a related record; 0 if there is none.
func (r row) ref(name string) int64 {
	if pair, ok := r[name].([]any); ok && len(pair) == 2 {
		return whole(pair[0])
	}
	return 0
}

// label is the name of a related record.
func (r row) label(name string) string {
	if pair, ok := r[name].([]any); ok && len(pair) == 2 {
		s, _ := pair[1].(string)
		return s
	}
	return ""
}

// refs are the ids of related records.
func (r row) refs(name string) []int64 {
	list, _ := r[name].([]any)
	ids := make([]int64, 0, len(list))
	for _, v := range list {
		ids = append(ids, whole(v))
	}
	return ids
}

// number is a decimal as it stands in the reply, without a float in between; nil if there is none.
func (r row) number(name string) *apd.Decimal {
	n, ok := r[name].(json.Number)
	if !ok {
		return nil
	}
	d, _, err := apd.NewFromString(n.String())
	if err != nil || d.Form != apd.Finite {
		return nil
	}
	d.Reduce(d)
	return d
}

// time is a point in time; nil if there is none.
func (r row) time(name string) *timestamppb.Timestamp {
	at, err := time.Parse(time.DateTime, r.text(name))
	if err != nil {
		return nil
	}
	return timestamppb.New(at)
}

func whole(v any) int64 {
	n, _ := v.(json.Number)
	i, _ := n.Int64()
	return i
}

// plain writes a number as events have it.
func plain(d *apd.Decimal) string {
	if d == nil || d.IsZero() {
		return "0"
	}
	return d.Text('f')
}
