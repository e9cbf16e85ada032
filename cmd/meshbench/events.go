package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
	manufacturingv1 "github.com/plantmesh/plantmesh/proto/plantmesh/manufacturing/v1"
)

// event is one to publish: for plantmesh as a message, for NATS as the same message serialized.
type event struct {
	message *eventv1.Event
	wire    []byte
}

// events makes events, each with an id of its own, from a pool of payloads. The payloads are made beforehand: making them
// is the producer's work, not the system's.
type events struct {
	prefix string
	next   uint64
	pool   []event
}

const poolEvents = 1024

// newEvents makes events of a serialized size, of random printable text.
func newEvents(size int) (*events, error) {
	return makePool(func(i int) (string, time.Time) {
		return randomText(uint64(i), size-140), time.Unix(1_750_000_000, 0)
	})
}

// newRepetitive makes events as a machine reports them: the same words, other numbers.
func newRepetitive() (*events, error) {
	return makePool(func(i int) (string, time.Time) {
		at := time.Unix(1_750_000_000+int64(i), 0)
		return fmt.Sprintf("line 4, machine press-%02d, operator shift-%d: %d good, %d scrap, next order released %s",
			i%16, i%3, 40+i%17, i%4, at.UTC().Format(time.RFC3339)), at
	})
}

func makePool(text func(i int) (string, time.Time)) (*events, error) {
	e := &events{prefix: strconv.FormatInt(time.Now().UnixNano(), 36) + "-"}
	for i := range poolEvents {
		comment, at := text(i)
		message, err := plantmesh.NewEvent("//plant-a/mes", e.prefix+fmt.Sprintf("%08d", i), at, &manufacturingv1.ProductionOrderClosed{
			OrderId: fmt.Sprintf("WO-%d", i), Reason: manufacturingv1.CloseReason_CLOSE_REASON_COMPLETED, Comment: comment,
		})
		if err != nil {
			return nil, err
		}
		wire, err := proto.Marshal(message)
		if err != nil {
			return nil, err
		}
		e.pool = append(e.pool, event{message: message, wire: wire})
	}
	return e, nil
}

// take makes n events.
func (e *events) take(n int) []event {
	list := make([]event, n)
	for i := range list {
		e.next++
		p := e.pool[e.next%poolEvents]
		list[i] = event{wire: p.wire, message: &eventv1.Event{
			Id: e.prefix + strconv.FormatUint(100_000_000+e.next, 10), Source: p.message.GetSource(), Type: p.message.GetType(),
			Subject: p.message.GetSubject(), Time: p.message.GetTime(), Data: p.message.GetData(),
		}}
	}
	return list
}

// wireBytes is the serialized size of an event, on average.
func (e *events) wireBytes() float64 {
	sum := 0
	for _, p := range e.pool {
		sum += len(p.wire)
	}
	return float64(sum) / poolEvents
}

// randomText is printable and nothing repeats in it: no compressor finds more than that a byte has 95 values.
func randomText(seed uint64, size int) string {
	random := rand.New(rand.NewPCG(seed, 1))
	text := make([]byte, size)
	for i := range text {
		text[i] = byte(' ' + random.IntN(95))
	}
	return string(text)
}
