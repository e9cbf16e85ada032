package odootest

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/apd/v3"
	"google.golang.org/protobuf/types/known/timestamppb"

	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// pieces is a quantity in C62.
func pieces(value string) *manufacturingv1.Quantity { return in("C62", value) }

func in(unit, value string) *manufacturingv1.Quantity {
	return &manufacturingv1.Quantity{Value: value, Unit: unit}
}

// at is a time of one Monday.
func at(hour, minute int) *timestamppb.Timestamp {
	return timestamppb.New(time.Date(2026, 1, 5, hour, minute, 0, 0, time.UTC))
}

// plain writes a number of a reply without the zeros that do not count.
func plain(v any) string {
	n, ok := v.(json.Number)
	if !ok {
		return fmt.Sprint(v)
	}
	d, _, err := apd.NewFromString(n.String())
	if err != nil {
		return n.String()
	}
	if d.IsZero() {
		return "0"
	}
	d.Reduce(d)
	return d.Text('f')
}

// sum adds up a number of rows.
func (p *plant) sum(rows []map[string]any, field string) string {
	p.t.Helper()
	total := new(apd.Decimal)
	for _, row := range rows {
		n, _, err := apd.NewFromString(fmt.Sprint(row[field]))
		if err != nil {
			p.t.Fatalf("%s %v: %v", field, row[field], err)
		}
		if _, err := apd.BaseContext.Add(total, total, n); err != nil {
			p.t.Fatal(err)
		}
	}
	return plain(json.Number(total.Text('f')))
}

// name is the second part of a relation as Odoo gives it; empty if there is none.
func name(v any) string {
	if pair, ok := v.([]any); ok && len(pair) == 2 {
		return fmt.Sprint(pair[1])
	}
	return ""
}

// ref is the id of a relation.
func ref(v any) int64 {
	if pair, ok := v.([]any); ok && len(pair) == 2 {
		return id(pair[0])
	}
	return 0
}

func id(v any) int64 {
	n, ok := v.(json.Number)
	if !ok {
		return 0
	}
	i, err := n.Int64()
	if err != nil {
		return 0
	}
	return i
}

// expect compares the fields of a record with what they should be, numbers as decimals.
func expect(t *testing.T, record map[string]any, want map[string]string) {
	t.Helper()
	for field, value := range want {
		if got := plain(record[field]); got != value {
			t.Errorf("%s is %s, want %s (in %v)", field, got, value, record)
		}
	}
}
