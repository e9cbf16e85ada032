package consumer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	"github.com/plantmesh/plantmesh/storage"
)

// What a consumer keeps, beside its positions:
//
//	c                              its counts, an adminv1.ApplyCounts
//	a <stream>                     offsets behind the position that are dealt with: differences, as varints
//	p <stream> 0 <subject>         a parked subject, an adminv1.ParkedSubject
//	h <stream> 0 <subject> 0 <incarnation> <offset>  an event that is held back; both big-endian
//	d <stream> 0 <subject> 0 <incarnation> <offset>  an event that was discarded, an adminv1.DiscardedEvent
//	t <stream> 0 <subject>         how often the subject's event was delivered: incarnation, offset and attempts as varints
const (
	keyCounts    = "c"
	prefixAhead  = "a"
	prefixParked = "p"
	prefixHeld   = "h"

	prefixDiscarded = "d"
	prefixTries     = "t"
)

// subjectKey names a subject of one stream.
type subjectKey struct {
	stream  plantmesh.StreamName
	subject string
}

func (k subjectKey) parkedKey() []byte {
	return []byte(prefixParked + string(k.stream) + "\x00" + k.subject)
}

func (k subjectKey) heldPrefix() []byte {
	return []byte(prefixHeld + string(k.stream) + "\x00" + k.subject + "\x00")
}

func (k subjectKey) heldKey(at storage.Position) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(k.heldPrefix(), uint64(at.Incarnation)), uint64(at.Offset))
}

func parseParkedKey(key []byte) (subjectKey, error) {
	stream, subject, ok := strings.Cut(strings.TrimPrefix(string(key), prefixParked), "\x00")
	if !ok {
		return subjectKey{}, fmt.Errorf("parked subject %q: %w", key, errRecord)
	}
	return subjectKey{stream: plantmesh.StreamName(stream), subject: subject}, nil
}

// errRecord is a record that cannot be read.
var errRecord = errors.New("damaged record in the derived database: remove its folder, it is rebuilt from the log")

// encodeAhead writes a set of offsets behind a position.
func encodeAhead(low plantmesh.Offset, ahead map[plantmesh.Offset]struct{}) []byte {
	b := make([]byte, 0, 2*len(ahead))
	for _, o := range slices.Sorted(maps.Keys(ahead)) {
		b = binary.AppendUvarint(b, uint64(o-low))
		low = o
	}
	return b
}

func decodeAhead(low plantmesh.Offset, b []byte) (map[plantmesh.Offset]struct{}, error) {
	ahead := map[plantmesh.Offset]struct{}{}
	for len(b) > 0 {
		step, n := binary.Uvarint(b)
		if n <= 0 || step == 0 || low+plantmesh.Offset(step) < low {
			return nil, fmt.Errorf("offsets dealt with: %w", errRecord)
		}
		low += plantmesh.Offset(step)
		ahead[low] = struct{}{}
		b = b[n:]
	}
	return ahead, nil
}

// loadCounts reads the counts.
func loadCounts(tx *storage.Tx) (*adminv1.ApplyCounts, error) {
	counts := &adminv1.ApplyCounts{}
	b, err := tx.Get([]byte(keyCounts))
	if err != nil {
		return nil, err
	}
	if err := proto.Unmarshal(b, counts); err != nil {
		return nil, fmt.Errorf("counts: %w", errRecord)
	}
	return counts, nil
}

// loadParked reads the parked subjects.
func loadParked(tx *storage.Tx) (map[subjectKey]*parked, error) {
	all := map[subjectKey]*parked{}
	err := tx.Scan([]byte(prefixParked), func(key, value []byte) error {
		k, err := parseParkedKey(key)
		if err != nil {
			return err
		}
		record := &adminv1.ParkedSubject{}
		if err := proto.Unmarshal(value, record); err != nil {
			return fmt.Errorf("parked subject %q: %w", k.subject, errRecord)
		}
		all[k] = &parked{record: record}
		return nil
	})
	return all, err
}

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// loadHeld reads where the first events are that are held back of a subject, at most as many as asked for.
func loadHeld(tx *storage.Tx, k subjectKey, most int) ([]storage.Position, error) {
	prefix := k.heldPrefix()
	var held []storage.Position
	err := tx.Scan(prefix, func(key, _ []byte) error {
		if rest := key[len(prefix):]; len(rest) == 16 { // longer: another subject, which begins like this one
			held = append(held, storage.Position{
				Incarnation: plantmesh.Incarnation(binary.BigEndian.Uint64(rest)), Offset: plantmesh.Offset(binary.BigEndian.Uint64(rest[8:])),
			})
		}
		if len(held) == most {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return held, err
}

// renameHeld gives the events that the version before held back their incarnation: it knew one for each stream.
func renameHeld(tx *storage.Tx, k subjectKey) error {
	position, err := tx.Position(k.stream)
	if err != nil {
		return err
	}
	prefix := k.heldPrefix()
	var old [][]byte
	err = tx.Scan(prefix, func(key, _ []byte) error {
		if len(key) == len(prefix)+8 {
			old = append(old, slices.Clone(key))
		}
		return nil
	})
	for _, key := range old {
		at := storage.Position{Incarnation: position.Incarnation, Offset: plantmesh.Offset(binary.BigEndian.Uint64(key[len(prefix):]))}
		err = errors.Join(err, tx.Put(k.heldKey(at), nil), tx.Delete(key))
	}
	return err
}
