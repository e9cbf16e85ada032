package mesh

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/plantmesh/plantmesh"
)

// signEvery is how many bytes of blocks lie between two checkpoints within a frame. Whoever relays the stream sends whole
// distances only.
const signEvery = 256 << 10

// sign makes this site's checkpoint after a block boundary of a stream of its own. It names where the incarnation before
// ended, and who may have the stream.
func (m *Mesh) sign(s plantmesh.StreamName, i plantmesh.Incarnation, off plantmesh.Offset, chain plantmesh.Chain) (plantmesh.Checkpoint, error) {
	c := plantmesh.Checkpoint{Stream: s, Incarnation: i, Offset: off, Chain: chain, Time: m.cfg.Now(), Export: m.rulesFor(s)}
	all, err := m.log.Incarnations(s)
	if err != nil {
		return c, err
	}
	for _, head := range all {
		if head.Incarnation < i {
			c.Previous = plantmesh.HistoryEnd{Incarnation: head.Incarnation, Offset: head.Offset, Chain: head.Chain}
		}
	}
	return m.cfg.SigningKey.Sign(c)
}

// checkpointAt is this site's checkpoint at an offset of a stream of its own, or the newest one held of another's.
// Signed is empty if there is none.
func (m *Mesh) checkpointAt(ctx context.Context, head plantmesh.Head, off plantmesh.Offset) (plantmesh.Checkpoint, error) {
	if head.Stream.Origin() != m.self.Site {
		return m.log.Checkpoint(head.Stream, head.Incarnation)
	}
	chain, err := m.log.ChainOf(ctx, head.Stream, head.Incarnation, off)
	if err != nil {
		return plantmesh.Checkpoint{}, err
	}
	return m.sign(head.Stream, head.Incarnation, off, chain)
}

// keepSigned signs this site's streams while they grow, for its own log: what it sends it signs anyway. It also lets a
// relay's copy follow when the export rules of a quiet stream have changed since it was signed.
func (m *Mesh) keepSigned(ctx context.Context) {
	for first := true; sleep(ctx, m.cfg.Timings.SignEvery, nil) || first && ctx.Err() == nil; first = false {
		for _, head := range m.log.AllHeads() {
			if head.Stream.Origin() != m.self.Site || ctx.Err() != nil {
				continue
			}
			held, err := m.log.Checkpoint(head.Stream, head.Incarnation)
			if err == nil && (held.Signed == nil || held.Offset < head.Offset) {
				err = m.keepCheckpoint(ctx, head)
			}
			if err != nil && !errors.Is(err, plantmesh.ErrShuttingDown) {
				m.logger.Error("checkpoint not kept", slog.String("stream", string(head.Stream)), slog.Uint64("offset", uint64(head.Offset)), slog.Any("error", err))
			}
		}
	}
}

func (m *Mesh) keepCheckpoint(ctx context.Context, head plantmesh.Head) error {
	c, err := m.sign(head.Stream, head.Incarnation, head.Offset, head.Chain)
	if err != nil {
		return err
	}
	return m.log.PutCheckpoint(ctx, c)
}

// vouchers are those that a stream's checkpoints need.
func (m *Mesh) vouchers(s plantmesh.StreamName) ([][]byte, error) {
	return m.log.Vouchers(s.Origin())
}

// learn takes the vouchers that came with a stream. One that does not hold is passed over: a checkpoint that needs it will
// say so.
func (m *Mesh) learn(s plantmesh.StreamName, vouchers [][]byte) error {
	for _, v := range vouchers {
		key, err := m.verifier.Learn(v)
		if err != nil || key.Site != s.Origin() {
			m.logger.Warn("voucher refused", slog.String("stream", string(s)), slog.Any("error", err))
			continue
		}
		if m.known.first(key) {
			if err := m.log.PutVoucher(key.Site, key.ID, v); err != nil {
				return &localError{err}
			}
		}
	}
	return nil
}

// loadVouchers takes up what earlier runs learnt, and keeps this site's own.
func (m *Mesh) loadVouchers() error {
	own, err := m.verifier.Learn(m.cfg.SigningKey.Voucher())
	if err != nil { // peers will refuse the certificate too, and the links say so
		m.logger.Error("this site's certificate does not vouch for its signing key", slog.Any("error", err))
	} else if err := m.log.PutVoucher(own.Site, own.ID, m.cfg.SigningKey.Voucher()); err != nil {
		return err
	}
	origins := map[plantmesh.SiteID]bool{m.self.Site: true}
	for _, head := range m.log.AllHeads() {
		origins[head.Stream.Origin()] = true
	}
	for site := range origins {
		vouchers, err := m.log.Vouchers(site)
		if err != nil {
			return err
		}
		for _, v := range vouchers {
			key, err := m.verifier.Learn(v)
			if err != nil {
				m.logger.Warn("voucher kept in the log does not hold any more", slog.String("site", string(site)), slog.Any("error", err))
				continue
			}
			m.known.first(key)
		}
	}
	return nil
}

// verify checks the signatures of checkpoints that came with blocks of an incarnation, and that they are in order.
func (m *Mesh) verify(s plantmesh.StreamName, i plantmesh.Incarnation, signed [][]byte) ([]plantmesh.Checkpoint, error) {
	var all []plantmesh.Checkpoint
	for _, b := range signed {
		c, err := m.verifier.Verify(b)
		if err != nil {
			return nil, err
		}
		if c.Stream != s || c.Incarnation != i || len(all) > 0 && c.Offset <= all[len(all)-1].Offset {
			return nil, fmt.Errorf("%w: a checkpoint of %s, incarnation %d, offset %d came with incarnation %d of %s",
				errProtocol, c.Stream, c.Incarnation, c.Offset, i, s)
		}
		all = append(all, c)
	}
	return all, nil
}
