package storage

import "github.com/plantmesh/plantmesh"

// LastOffset reads the offset of a raw block's last event off its header, for whoever passes blocks on without looking
// inside. The checksum is not checked.
//
// Errors: plantmesh.ErrCorruptBlock; ErrNewerFormat.
func (*Log) LastOffset(block []byte) (plantmesh.Offset, error) {
	h, err := parseHeader(block)
	if err != nil {
		return 0, err
	}
	return h.lastOffset(), nil
}
