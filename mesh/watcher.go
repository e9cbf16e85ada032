package mesh

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/plantmesh/plantmesh"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// watcher is one open WatchStreams call: it knows what it has told.
type watcher struct {
	mesh     *Mesh
	caller   plantmesh.Identity
	protocol uint32
	sent     map[history]told
	heard    <-chan struct{} // closed when more is known of other sites' streams
}

// history is one incarnation of a stream.
type history struct {
	stream      plantmesh.StreamName
	incarnation plantmesh.Incarnation
}

// told is what was looked at, and what was told of it.
type told struct {
	held, served, exception plantmesh.Offset
}

// news returns the heads that the caller may know of and does not know yet, and notes them as told; and what tells of the
// next change.
func (w *watcher) news() (<-chan struct{}, []*peerv1.StreamHead) {
	changed := w.mesh.log.Changed()
	w.heard = w.mesh.classes.heard()
	var news []*peerv1.StreamHead
	for _, h := range w.mesh.log.AllHeads() {
		key := history{h.Stream, h.Incarnation}
		before, known := w.sent[key]
		exception := w.mesh.exceptionOf(h.Stream, h.Incarnation)
		if known && before.held == h.Offset && before.exception == exception || w.mesh.mayExport(h.Stream, w.caller) != nil || !w.understands(h) {
			continue
		}
		served, err := w.mesh.servedHead(h.Stream, h.Incarnation)
		if err != nil || served.Offset == 0 || known && served.Offset == before.served && before.exception == exception {
			continue
		}
		w.sent[key] = told{held: h.Offset, served: served.Offset, exception: exception}
		news = append(news, &peerv1.StreamHead{
			Stream: string(h.Stream), Incarnation: uint64(h.Incarnation), Offset: uint64(served.Offset), Time: timestamppb.New(h.Time),
			Class: w.mesh.classOf(h.Stream), ExceptionOffset: uint64(exception),
		})
	}
	return changed, news
}

// understands is false for what the protocol's first version has no words for: replicas, and older incarnations.
func (w *watcher) understands(h plantmesh.Head) bool {
	if w.protocol >= protocolSigned {
		return true
	}
	current, err := w.mesh.log.HeadOf(h.Stream, 0)
	return err == nil && current.Incarnation == h.Incarnation && h.Stream.Origin() == w.mesh.self.Site
}
