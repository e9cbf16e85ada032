package plantmesh

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// Checkpoint is what a stream's origin vouches for with its signature: the history of one incarnation up to an offset, and
// who may have it. It holds for whoever passes the stream on.
type Checkpoint struct {
	Stream      StreamName
	Incarnation Incarnation
	Offset      Offset // last of a block; 0 before the first
	Chain       Chain  // after Offset: it stands for everything up to there
	Time        time.Time
	Previous    HistoryEnd   // where the incarnation before this one ended; zero for the first
	Export      []ExportRule // who may replicate the stream; none: nobody

	Signed []byte // serialized peerv1.SignedCheckpoint; empty before Sign
}

// HistoryEnd is the end of an incarnation.
type HistoryEnd struct {
	Incarnation Incarnation
	Offset      Offset
	Chain       Chain
}

// ExportRule allows a stream to the sites that fit a pattern of To, and one of Regions unless there are none.
type ExportRule struct {
	To      []string
	Regions []string
}

// KeyID is short for a site's public key: the first 16 bytes of its SHA-256.
type KeyID [16]byte

// What is signed begins with these, so that no signature can be taken for another kind.
const (
	checkpointContext = "plantmesh checkpoint v1\x00"
	siteKeyContext    = "plantmesh site key v1\x00"
	memberCardContext = "plantmesh member card v1\x00"
)

func (k KeyID) of(public ed25519.PublicKey) KeyID {
	sum := sha256.Sum256(public)
	return KeyID(sum[:len(k)])
}

// SigningKey is the key with which a site signs its streams, and the site's certificate's word for it. Safe for
// concurrent use.
type SigningKey struct {
	mesh    string
	site    SiteID
	private ed25519.PrivateKey
	id      KeyID
	voucher []byte
}

// Voucher is the serialized peerv1.SignedSiteKey that makes others trust the key.
func (k *SigningKey) Voucher() []byte { return k.voucher }

// ID names the key.
func (k *SigningKey) ID() KeyID { return k.id }

// SignMemberCard signs a serialized peerv1.MemberCard.
func (k *SigningKey) SignMemberCard(card []byte) []byte {
	return ed25519.Sign(k.private, append([]byte(memberCardContext), card...))
}

// Sign returns the checkpoint with Signed set.
func (k *SigningKey) Sign(c Checkpoint) (Checkpoint, error) {
	m := &peerv1.Checkpoint{
		Mesh: k.mesh, Stream: string(c.Stream), Incarnation: uint64(c.Incarnation), Offset: uint64(c.Offset), Chain: c.Chain[:], Time: timestamppb.New(c.Time),
	}
	if c.Previous.Incarnation != 0 {
		m.Previous = &peerv1.HistoryEnd{
			Incarnation: uint64(c.Previous.Incarnation), Offset: uint64(c.Previous.Offset), Chain: c.Previous.Chain[:],
		}
	}
	for _, r := range c.Export {
		m.Export = append(m.Export, &peerv1.ExportRule{To: r.To, Regions: r.Regions})
	}
	body, err := proto.Marshal(m)
	if err != nil {
		return c, fmt.Errorf("checkpoint of %s@%d: %w", c.Stream, c.Offset, err)
	}
	signature := ed25519.Sign(k.private, append([]byte(checkpointContext), body...))
	c.Signed, err = proto.Marshal(&peerv1.SignedCheckpoint{Checkpoint: body, KeyId: k.id[:], Signature: signature})
	if err != nil {
		return c, fmt.Errorf("checkpoint of %s@%d: %w", c.Stream, c.Offset, err)
	}
	return c, nil
}

// ParseCheckpoint reads a signed checkpoint without looking at its signature: for what was verified before it was stored.
//
// Errors: ErrInvalidCheckpoint.
func ParseCheckpoint(signed []byte) (Checkpoint, error) {
	c, _, err := parseCheckpoint(signed)
	return c, err
}

func parseCheckpoint(signed []byte) (Checkpoint, *peerv1.SignedCheckpoint, error) {
	var s peerv1.SignedCheckpoint
	var m peerv1.Checkpoint
	if err := errors.Join(proto.Unmarshal(signed, &s), proto.Unmarshal(s.GetCheckpoint(), &m)); err != nil {
		return Checkpoint{}, nil, fmt.Errorf("%w: %w", ErrInvalidCheckpoint, err)
	}
	name, err := ParseStreamName(m.GetStream())
	if err != nil {
		return Checkpoint{}, nil, fmt.Errorf("%w: %w", ErrInvalidCheckpoint, err)
	}
	c := Checkpoint{
		Stream: name, Incarnation: Incarnation(m.GetIncarnation()), Offset: Offset(m.GetOffset()), Time: m.GetTime().AsTime(), Signed: signed,
	}
	if c.Incarnation == 0 || len(m.GetChain()) != len(c.Chain) || m.GetTime().CheckValid() != nil {
		return Checkpoint{}, nil, fmt.Errorf("%w: of %s: incarnation %d, chain of %d bytes", ErrInvalidCheckpoint, name, c.Incarnation, len(m.GetChain()))
	}
	c.Chain = Chain(m.GetChain())
	if p := m.GetPrevious(); p != nil {
		if len(p.GetChain()) != len(c.Chain) {
			return Checkpoint{}, nil, fmt.Errorf("%w: of %s: previous chain of %d bytes", ErrInvalidCheckpoint, name, len(p.GetChain()))
		}
		c.Previous = HistoryEnd{Incarnation: Incarnation(p.GetIncarnation()), Offset: Offset(p.GetOffset()), Chain: Chain(p.GetChain())}
	}
	for _, r := range m.GetExport() {
		c.Export = append(c.Export, ExportRule{To: r.GetTo(), Regions: r.GetRegions()})
	}
	return c, &s, nil
}

// SigningKeyID says which key a checkpoint was signed with.
//
// Errors: ErrInvalidCheckpoint.
func (c Checkpoint) SigningKeyID() (KeyID, error) {
	_, s, err := parseCheckpoint(c.Signed)
	if err != nil {
		return KeyID{}, err
	}
	if len(s.GetKeyId()) != len(KeyID{}) {
		return KeyID{}, fmt.Errorf("%w: of %s: key id of %d bytes", ErrInvalidCheckpoint, c.Stream, len(s.GetKeyId()))
	}
	return KeyID(s.GetKeyId()), nil
}

// Verifier checks checkpoints of all sites of a mesh. It learns their keys from vouchers. Safe for concurrent use.
type Verifier struct {
	mesh  string
	check func(voucher []byte, now time.Time) (SiteKey, error)
	now   func() time.Time

	mu   sync.RWMutex
	keys map[SiteID]map[KeyID]ed25519.PublicKey // guarded by mu
}

// maxSiteKeys bounds the keys believed of one site: a key lives as long as its data folder.
const maxSiteKeys = 1000

// Learn takes a site's key if its voucher holds.
//
// Errors: ErrInvalidCheckpoint with what is wrong with the voucher.
func (v *Verifier) Learn(voucher []byte) (SiteKey, error) {
	k, err := v.check(voucher, v.now())
	if err != nil {
		return k, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	known := v.keys[k.Site]
	if known == nil {
		known = map[KeyID]ed25519.PublicKey{}
		v.keys[k.Site] = known
	}
	if _, ok := known[k.ID]; !ok && len(known) == maxSiteKeys {
		return k, fmt.Errorf("%w: %s has %d signing keys already", ErrInvalidCheckpoint, k.Site, len(known))
	}
	known[k.ID] = k.Public
	return k, nil
}

// Verify checks that the origin of the stream signed a checkpoint.
//
// Errors: ErrInvalidCheckpoint.
func (v *Verifier) Verify(signed []byte) (Checkpoint, error) {
	c, s, err := parseCheckpoint(signed)
	if err != nil {
		return c, err
	}
	var m peerv1.Checkpoint
	if err := proto.Unmarshal(s.GetCheckpoint(), &m); err != nil || m.GetMesh() != v.mesh {
		return Checkpoint{}, fmt.Errorf("%w: of %s: it is of mesh %q, this is %q", ErrInvalidCheckpoint, c.Stream, m.GetMesh(), v.mesh)
	}
	id, err := c.SigningKeyID()
	if err != nil {
		return Checkpoint{}, err
	}
	v.mu.RLock()
	public, ok := v.keys[c.Stream.Origin()][id]
	v.mu.RUnlock()
	if !ok {
		return Checkpoint{}, fmt.Errorf("%w: of %s@%d: no voucher of %s for its key %x", ErrInvalidCheckpoint, c.Stream, c.Offset, c.Stream.Origin(), id)
	}
	if !ed25519.Verify(public, append([]byte(checkpointContext), s.GetCheckpoint()...), s.GetSignature()) {
		return Checkpoint{}, fmt.Errorf("%w: of %s@%d: the signature is not that of %s", ErrInvalidCheckpoint, c.Stream, c.Offset, c.Stream.Origin())
	}
	return c, nil
}
