package gossip

import (
	"encoding/binary"
	"fmt"

	"github.com/hashicorp/go-msgpack/v2/codec"

	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// Kinds of memberlist's messages, which are their first bytes.
const (
	kindPing         = 0
	kindIndirectPing = 1
	kindAck          = 2
	kindSuspect      = 3
	kindAlive        = 4
	kindDead         = 5
	kindPushPull     = 6
	kindCompound     = 7
	kindNack         = 11
	kindChecksum     = 12
	kindError        = 13
)

// pushPullHeader begins what memberlist writes into a stream.
type pushPullHeader struct {
	Nodes        int
	UserStateLen int
	Join         bool
}

// checkContent bounds what a parcel holds, whoever it is for.
//
// Errors: errInvalid.
func checkContent(p *peerv1.Parcel) error {
	switch content := p.GetContent().(type) {
	case *peerv1.Parcel_Packet:
		if len(content.Packet) == 0 || len(content.Packet) > maxPacketBytes {
			return fmt.Errorf("%w: packet of %d bytes", errInvalid, len(content.Packet))
		}
	case *peerv1.Parcel_Piece:
		if len(content.Piece.GetData()) > maxPieceBytes || content.Piece.GetNumber() == 0 {
			return fmt.Errorf("%w: piece %d of %d bytes", errInvalid, content.Piece.GetNumber(), len(content.Piece.GetData()))
		}
	default:
		return fmt.Errorf("%w: it is empty", errInvalid)
	}
	return nil
}

// messages calls visit with every message of a packet. Only kinds that this package's memberlist sends are let through:
// others can make it decompress or keep much more than came.
//
// Errors: errInvalid.
func messages(packet []byte, visit func(kind byte, body []byte)) error {
	if len(packet) >= 5 && packet[0] == kindChecksum {
		packet = packet[5:] // memberlist checks it
	}
	if len(packet) == 0 {
		return fmt.Errorf("%w: empty packet", errInvalid)
	}
	if packet[0] != kindCompound {
		return message(packet, visit)
	}
	if len(packet) < 2 || len(packet) < 2+2*int(packet[1]) {
		return fmt.Errorf("%w: compound packet cut short", errInvalid)
	}
	lengths, rest := packet[2:2+2*int(packet[1])], packet[2+2*int(packet[1]):]
	for ; len(lengths) > 0; lengths = lengths[2:] {
		n := int(binary.BigEndian.Uint16(lengths))
		if n > len(rest) {
			return fmt.Errorf("%w: compound packet cut short", errInvalid)
		}
		if err := message(rest[:n], visit); err != nil {
			return err
		}
		rest = rest[n:]
	}
	return nil
}

func message(m []byte, visit func(kind byte, body []byte)) error {
	if len(m) == 0 {
		return fmt.Errorf("%w: empty message", errInvalid)
	}
	switch m[0] {
	case kindPing, kindIndirectPing, kindAck, kindSuspect, kindAlive, kindDead, kindNack:
		visit(m[0], m[1:])
		return nil
	default:
		return fmt.Errorf("%w: message of kind %d", errInvalid, m[0])
	}
}

// pings are the sequence numbers of the pings in a packet.
func pings(packet []byte) (numbers []uint32) {
	_ = messages(packet, func(kind byte, body []byte) {
		var ping struct{ SeqNo uint32 }
		if kind == kindPing && codec.NewDecoderBytes(body, &codec.MsgpackHandle{}).Decode(&ping) == nil {
			numbers = append(numbers, ping.SeqNo)
		}
	})
	return numbers
}

// ackOf answers a ping.
func ackOf(number uint32) []byte {
	packet := []byte{kindAck}
	var body []byte
	ack := struct {
		SeqNo   uint32
		Payload []byte
	}{SeqNo: number}
	if codec.NewEncoderBytes(&body, &codec.MsgpackHandle{}).Encode(&ack) != nil {
		return nil
	}
	return append(packet, body...)
}

// checkStream looks at the first piece of a stream: it announces how much memberlist has to make room for. answer is true
// for what comes back.
//
// Errors: errInvalid.
func checkStream(first []byte, answer bool) error {
	if answer && len(first) > 0 && first[0] == kindError {
		return nil
	}
	if len(first) == 0 || first[0] != kindPushPull {
		return fmt.Errorf("%w: a stream that is no exchange of states", errInvalid)
	}
	var header pushPullHeader
	if err := codec.NewDecoderBytes(first[1:], &codec.MsgpackHandle{}).Decode(&header); err != nil {
		return fmt.Errorf("%w: stream: %w", errInvalid, err)
	}
	if header.Nodes < 0 || header.Nodes > 2*MaxSites || header.UserStateLen != 0 {
		return fmt.Errorf("%w: a stream that announces %d sites and %d bytes", errInvalid, header.Nodes, header.UserStateLen)
	}
	return nil
}
