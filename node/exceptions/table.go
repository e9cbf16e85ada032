package exceptions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// readBytes is how much of the stream is read at once.
const readBytes = 1 << 20

// name is what tells conditions apart.
type name struct{ kind, about string }

// table is what is open, as the stream says. It is owned by the keeper's Run once that began.
type table struct {
	stream plantmesh.StreamName
	log    Log
	owner  *storage.Owner

	at   storage.Position
	open map[name]Open
}

// change is what an event of the stream did.
type change struct {
	Open
	raised bool
}

// openTable reads what an earlier run had taken in.
func openTable(stream plantmesh.StreamName, log Log, owner *storage.Owner) (*table, error) {
	t := &table{stream: stream, log: log, owner: owner, open: map[name]Open{}}
	err := owner.View(func(tx *storage.Tx) error {
		var err error
		if t.at, err = tx.Position(stream); err != nil {
			return err
		}
		return tx.Scan(nil, func(_, value []byte) error {
			var e manufacturingv1.ExceptionRaised
			if err := proto.Unmarshal(value, &e); err != nil {
				return fmt.Errorf("exceptions kept: %w: remove the derived database, it is rebuilt", err)
			}
			o := openOf(&e)
			t.open[name{o.Kind, o.About}] = o
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	head, err := log.HeadOf(stream, t.at.Incarnation)
	if t.at.Incarnation != 0 && (errors.Is(err, plantmesh.ErrUnknownStream) || err == nil && head.Offset < t.at.Offset) {
		return t, t.restart() // the log is older than the derived database: one of them was restored
	}
	return t, nil
}

// restart forgets what was taken in, to read the stream from its beginning.
func (t *table) restart() error {
	t.at = storage.Position{}
	return t.owner.Update(func(tx *storage.Tx) error {
		for n, o := range t.open {
			if err := tx.Delete([]byte(o.ID)); err != nil {
				return err
			}
			delete(t.open, n)
		}
		return tx.SetPosition(t.stream, t.at)
	})
}

// catchUp reads the stream to its end and keeps what it says, with how far it was read.
func (t *table) catchUp(ctx context.Context) (all []change, err error) {
	for {
		moved, changes, err := t.next(ctx)
		all = append(all, changes...)
		if errors.Is(err, plantmesh.ErrUnknownStream) {
			return all, nil // nothing was ever raised
		}
		if err != nil || !moved {
			return all, err
		}
	}
}

// next takes in some events, or goes to where the stream goes on.
func (t *table) next(ctx context.Context) (moved bool, changes []change, err error) {
	if t.at.Incarnation == 0 {
		at, _, err := t.log.Resume(t.stream, storage.Position{})
		if err != nil {
			return false, nil, err
		}
		t.at = at
	}
	head, err := t.log.HeadOf(t.stream, t.at.Incarnation)
	if err != nil && !errors.Is(err, plantmesh.ErrIncarnationChanged) {
		return false, nil, err
	}
	if err != nil || head.Offset <= t.at.Offset {
		return t.jump(nil)
	}
	blocks, err := t.log.BlocksOf(ctx, t.stream, t.at.Incarnation, t.at.Offset, readBytes)
	if errors.Is(err, plantmesh.ErrOffsetTrimmed) || errors.Is(err, plantmesh.ErrCorruptBlock) {
		return t.jump(err)
	}
	if err != nil {
		return false, nil, err
	}
	for _, b := range blocks {
		more, err := t.take(b)
		if err != nil {
			return false, changes, err
		}
		changes = append(changes, more...)
	}
	return true, changes, nil
}

// jump goes to where the stream goes on, if not right here; cause is why it was tried, and is returned if it does not.
func (t *table) jump(cause error) (bool, []change, error) {
	to, jump, err := t.log.Resume(t.stream, t.at)
	if err != nil || jump == nil {
		return false, nil, errors.Join(err, cause)
	}
	t.at = to
	return true, nil, nil
}

// take notes what a block says.
func (t *table) take(b *storage.Block) (changes []change, err error) {
	batch, err := b.Batch()
	if err != nil {
		return nil, err
	}
	at := storage.Position{Incarnation: t.at.Incarnation, Offset: b.Last()}
	err = t.owner.Update(func(tx *storage.Tx) error {
		changes = nil
		for _, recorded := range batch.GetEvents() {
			if plantmesh.Offset(recorded.GetOffset()) <= t.at.Offset {
				continue
			}
			payload, err := plantmesh.Payload(recorded.GetEvent())
			if err != nil {
				continue // of a version that knows more
			}
			switch p := payload.(type) {
			case *manufacturingv1.ExceptionRaised:
				value, err := proto.Marshal(p)
				if err != nil {
					return err
				}
				if err := tx.Put([]byte(p.GetExceptionId()), value); err != nil {
					return err
				}
				changes = append(changes, change{Open: openOf(p), raised: true})
			case *manufacturingv1.ExceptionResolved:
				if err := tx.Delete([]byte(p.GetExceptionId())); err != nil {
					return err
				}
				changes = append(changes, change{Open: Open{Condition: Condition{Kind: p.GetKind(), About: p.GetAbout()}, ID: p.GetExceptionId()}})
			}
		}
		return tx.SetPosition(t.stream, at)
	})
	if err != nil {
		return nil, err
	}
	t.at = at
	for _, c := range changes {
		if n := (name{c.Kind, c.About}); c.raised {
			t.open[n] = c.Open
		} else if t.open[n].ID == c.ID {
			delete(t.open, n)
		}
	}
	return changes, nil
}

func openOf(e *manufacturingv1.ExceptionRaised) Open {
	return Open{
		Condition: Condition{Kind: e.GetKind(), About: e.GetAbout(), Summary: e.GetSummary(), Action: e.GetAction(), Owner: e.GetOwner()},
		ID:        e.GetExceptionId(), Raised: e.GetRaiseTime().AsTime(),
	}
}

// raised is the event of a condition that was seen.
func raised(c Condition, now time.Time) *manufacturingv1.ExceptionRaised {
	sum := sha256.Sum256([]byte(strings.Join([]string{c.Kind, c.About, now.UTC().Format(time.RFC3339Nano)}, "\n")))
	return &manufacturingv1.ExceptionRaised{
		ExceptionId: hex.EncodeToString(sum[:16]), Kind: c.Kind, About: plain(c.About, maxAbout), Summary: plain(c.Summary, maxText), Action: plain(c.Action, maxText),
		Owner: c.Owner, RaiseTime: timestamppb.New(now),
	}
}

// resolved is the event of a condition that has ended.
func resolved(o Open, how string, now time.Time) *manufacturingv1.ExceptionResolved {
	return &manufacturingv1.ExceptionResolved{
		ExceptionId: o.ID, Kind: o.Kind, About: o.About, Summary: plain(how, maxText), RaiseTime: timestamppb.New(o.Raised), ResolveTime: timestamppb.New(now),
	}
}

// What the schema takes, in bytes.
const (
	maxAbout = 500
	maxText  = 2000
)

// plain is text without control characters, and not longer than an event takes.
func plain(text string, most int) string {
	text = strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(text, "?"))
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most-8], "") + " …" // short enough not to be cut again
	}
	return text
}
