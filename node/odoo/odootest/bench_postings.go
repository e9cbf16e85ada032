package odootest

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh/node/odoo"
)

// benchPostings compares postings of a window, with more or fewer in a call, with bare calls.
func benchPostings(b *testing.B, target Target) {
	for _, batch := range []int{odoo.DefaultWindowBatch, odoo.DefaultBatch, 1} {
		name := "posting/plantmesh"
		if batch != odoo.DefaultWindowBatch {
			name = fmt.Sprintf("posting/plantmesh-%d", batch)
		}
		b.Run(name, func(b *testing.B) {
			p := newPlant(b, target, bulk(batch))
			debit, credit, journal := p.ledger()
			p.deliver(b, 2*batch, true, func(i int) proto.Message {
				return p.posting(fmt.Sprint("P", i), debit, credit, journal, "2026-01", "7.5")
			})
		})
	}
	b.Run("posting/bare", func(b *testing.B) {
		p := newPlant(b, target)
		debit, credit, journal := p.ledger()
		record := func(model, code string) int64 { return id(p.one(model, where("code", code), "id")["id"]) }
		from, to, book := record("account.account", credit), record("account.account", debit), record("account.journal", journal)
		b.ResetTimer()
		share(b, 1, func(i int) error { // a journal numbers its entries one after the other
			line := func(account int64, side string) []any {
				return []any{0, 0, map[string]any{"account_id": account, side: 7.5}}
			}
			ids, err := p.client.Create(b.Context(), "account.move", map[string]any{
				"move_type": "entry", "journal_id": book, "date": "2026-01-28", "ref": p.numbered("P", i), "line_ids": []any{line(to, "debit"), line(from, "credit")},
			})
			if err != nil {
				return err
			}
			return p.call("account.move", "action_post", ids, nil)
		})
	})
}
