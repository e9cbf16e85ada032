package storage

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/plantmesh/plantmesh"
)

// PutVoucher keeps a site's word for the key that signs its checkpoints. It is durable before any checkpoint put later is.
func (l *Log) PutVoucher(site plantmesh.SiteID, id plantmesh.KeyID, voucher []byte) error {
	if err := l.Err(); err != nil {
		return err
	}
	if err := l.db.Set(voucherKey(site, id), voucher, pebble.NoSync); err != nil {
		l.fail(&failure{dir: l.dir, cause: err})
	}
	return l.Err()
}

// Vouchers returns what PutVoucher kept for a site.
func (l *Log) Vouchers(site plantmesh.SiteID) ([][]byte, error) {
	var vouchers [][]byte
	prefix := append(append([]byte{prefixKey}, site...), 0)
	err := scan(l.db, prefix, func(_, value []byte) error {
		vouchers = append(vouchers, append([]byte(nil), value...))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("vouchers of %s: %w", site, err)
	}
	return vouchers, nil
}
