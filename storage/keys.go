package storage

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/plantmesh/plantmesh"
)

// Every key begins with one of these. Streams are known by a number of four bytes, given once to each stream and
// incarnation; numbers are big-endian, so that keys sort as what they mean.
const (
	prefixMeta      = 'm' // m name                            -> value by name
	prefixStream    = 's' // s number                          -> incarnation, name
	prefixHead      = 'h' // h number                          -> head
	prefixBlock     = 'b' // b number, last offset             -> block, verbatim
	prefixTime      = 't' // t number, first time, base offset -> nothing
	prefixID        = 'i' // i number, id hash                 -> offset
	prefixCursor    = 'c' // c name                            -> what its owner put there
	prefixSigned    = 'k' // k number, offset                  -> checkpoint
	prefixClosed    = 'x' // x number                          -> nothing: the incarnation takes no more events
	prefixException = 'e' // e number -> offset of the last exception
	prefixBegin     = 'f' // f number                          -> where it begins, once it was trimmed
	prefixKey       = 'v' // v site, 0, key id                 -> voucher for the key that signs the site's checkpoints
)

// streamNumber stands for a stream and incarnation in keys. 0 is none.
type streamNumber uint32

// idHash is the keyed hash of an event's source and id.
type idHash [16]byte

var errKey = errors.New("malformed key")

func numberKey(prefix byte, n streamNumber, size int) []byte {
	k := make([]byte, 0, size)
	return binary.BigEndian.AppendUint32(append(k, prefix), uint32(n))
}

func metaKey(name string) []byte   { return append([]byte{prefixMeta}, name...) }
func cursorKey(name string) []byte { return append([]byte{prefixCursor}, name...) }

func streamKey(n streamNumber) []byte { return numberKey(prefixStream, n, 5) }
func headKey(n streamNumber) []byte   { return numberKey(prefixHead, n, 5) }
func voucherKey(site plantmesh.SiteID, id plantmesh.KeyID) []byte {
	return append(append(append([]byte{prefixKey}, site...), 0), id[:]...)
}

func beginningKey(n streamNumber) []byte { return numberKey(prefixBegin, n, 5) }

func closedKey(n streamNumber) []byte { return numberKey(prefixClosed, n, 5) }

// signedKey orders the checkpoints of a stream by offset.
func signedKey(n streamNumber, o plantmesh.Offset) []byte {
	return binary.BigEndian.AppendUint64(numberKey(prefixSigned, n, 13), uint64(o))
}

// blockKey finds the block that ends at last; seeking to it finds the one that holds it.
func blockKey(n streamNumber, last plantmesh.Offset) []byte {
	return binary.BigEndian.AppendUint64(numberKey(prefixBlock, n, 13), uint64(last))
}

// timeKey orders the blocks of a stream by the time of their first event, in nanoseconds since 1970.
func timeKey(n streamNumber, first int64, base plantmesh.Offset) []byte {
	k := binary.BigEndian.AppendUint64(numberKey(prefixTime, n, 21), uint64(first)^signBit)
	return binary.BigEndian.AppendUint64(k, uint64(base))
}

func idKey(n streamNumber, h idHash) []byte {
	return append(numberKey(prefixID, n, 21), h[:]...)
}

// signBit makes signed times sort as unsigned.
const signBit = 1 << 63

// parseNumberKey checks prefix and length, and returns the number and what follows it.
func parseNumberKey(key []byte, prefix byte, size int) (streamNumber, []byte, error) {
	if len(key) != size || key[0] != prefix {
		return 0, nil, fmt.Errorf("%w %x: want %d bytes that begin with %q", errKey, key, size, prefix)
	}
	n := streamNumber(binary.BigEndian.Uint32(key[1:5]))
	if n == 0 {
		return 0, nil, fmt.Errorf("%w %x: stream number 0", errKey, key)
	}
	return n, key[5:], nil
}

func parseBlockKey(key []byte) (streamNumber, plantmesh.Offset, error) {
	n, rest, err := parseNumberKey(key, prefixBlock, 13)
	if err != nil {
		return 0, 0, err
	}
	return n, plantmesh.Offset(binary.BigEndian.Uint64(rest)), nil
}

func parseSignedKey(key []byte) (streamNumber, plantmesh.Offset, error) {
	n, rest, err := parseNumberKey(key, prefixSigned, 13)
	if err != nil {
		return 0, 0, err
	}
	return n, plantmesh.Offset(binary.BigEndian.Uint64(rest)), nil
}

func parseTimeKey(key []byte) (n streamNumber, first int64, base plantmesh.Offset, err error) {
	n, rest, err := parseNumberKey(key, prefixTime, 21)
	if err != nil {
		return 0, 0, 0, err
	}
	return n, int64(binary.BigEndian.Uint64(rest) ^ signBit), plantmesh.Offset(binary.BigEndian.Uint64(rest[8:])), nil
}

func parseIDKey(key []byte) (streamNumber, idHash, error) {
	n, rest, err := parseNumberKey(key, prefixID, 21)
	if err != nil {
		return 0, idHash{}, err
	}
	return n, idHash(rest), nil
}
