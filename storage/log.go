package storage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/plantmesh/plantmesh"
)

// Log is a site's streams in one folder. All methods may be called by any number of goroutines.
type Log struct {
	*database
	idSecret []byte
	closing  sync.Once

	trimming sync.Mutex // one trim at a time
	reserve  reserve
	appender appender
	replicas replicaWriters
	tail     tail

	mu      sync.RWMutex
	streams map[plantmesh.StreamName]*stream   // current incarnations; durable ones only
	older   map[plantmesh.StreamName][]*stream // incarnations before them, oldest first
	numbers streamNumber                       // last one given out
	changed chan struct{}                      // closed at the next change of any head
}

// stream is one incarnation of a stream as readers see it: what is durable.
type stream struct {
	number streamNumber // set once
	record streamRecord // set once

	// guarded by Log.mu
	head      headRecord
	begin     beginning
	signed    checkpoints
	exception plantmesh.Offset // last one recorded here
	damage    []Damage         // known, by offset
	closed    bool             // takes no more events, though it may be the newest: the next one begins a new incarnation
}

// StreamInfo describes a stream as it is held here.
type StreamInfo struct {
	Head        plantmesh.Head
	Earliest    plantmesh.Offset // of the first event held
	StoredBytes uint64           // of its blocks, compressed
	Replica     bool             // false for the site's own
}

// Open opens the log in a folder, creating it if there is none, and starts its appender.
//
// Errors: ErrInUse, ErrNewerFormat, ErrOtherSite, and those of the disk; the text says what to do.
func Open(dir string, o Options) (*Log, error) {
	d, err := openDatabase(dir, kindLog, o)
	if err != nil {
		return nil, err
	}
	l := &Log{database: d, streams: map[plantmesh.StreamName]*stream{}, older: map[plantmesh.StreamName][]*stream{}, changed: make(chan struct{})}
	l.tail.limit = d.opts.TailBytes
	l.reserve.dir, l.reserve.fs, l.reserve.least = d.dir, d.opts.FS, uint64(d.opts.ReserveBytes)
	if err := l.load(); err != nil {
		_ = d.close()
		return nil, fmt.Errorf("open log %s: %w", d.dir, err)
	}
	l.appender.start(l)
	return l, nil
}

// load reads the streams and their heads; nothing else has to be read to go on.
func (l *Log) load() error {
	secret, err := l.meta(metaIDKey)
	if err != nil {
		return err
	}
	l.idSecret = []byte(secret)
	iter, err := l.db.NewIter(&pebble.IterOptions{LowerBound: []byte{prefixStream}, UpperBound: []byte{prefixStream + 1}})
	if err != nil {
		return damaged(err)
	}
	defer iter.Close()
	for iter.First(); iter.Valid(); iter.Next() {
		number, _, err := parseNumberKey(iter.Key(), prefixStream, 5)
		if err != nil {
			return err
		}
		record, err := decodeStreamRecord(iter.Value())
		if err != nil {
			return err
		}
		value, err := l.get(headKey(number))
		if err != nil {
			return fmt.Errorf("head of %s: %w", record.name, err)
		}
		head, err := decodeHeadRecord(value)
		if err != nil {
			return fmt.Errorf("%s: %w", record.name, err)
		}
		st := &stream{number: number, record: record, head: head}
		if err := errors.Join(l.loadBeginning(st), l.loadSigned(st), l.loadException(st)); err != nil {
			return fmt.Errorf("%s: %w", record.name, err)
		}
		l.hold(st)
		l.numbers = max(l.numbers, number)
	}
	return damaged(iter.Error())
}

// Close commits what was submitted, answers it, and closes the folder. Readers must have stopped. A second Close does nothing.
func (l *Log) Close() error {
	err := error(nil)
	l.closing.Do(func() { err = l.closeOnce() })
	return err
}

func (l *Log) closeOnce() error {
	if !l.appender.stop() {
		return fmt.Errorf("close %s: abandoned: %w", l.dir, l.Err())
	}
	if !l.replicas.stop(l.failed) {
		return fmt.Errorf("close %s: abandoned: %w", l.dir, l.Err())
	}
	return l.close()
}

// Site is whose log it is.
func (l *Log) Site() plantmesh.SiteID { return l.opts.Site }

// Err is why the log stopped writing, or nil while it works. It is an ErrStorageFailed.
func (l *Log) Err() error {
	if f := l.failure(); f != nil {
		return f
	}
	return nil
}

// nextNumber gives out a stream number.
func (l *Log) nextNumber() streamNumber {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.numbers++
	return l.numbers
}

// progress is what a commit adds to one stream.
type progress struct {
	stream    *stream
	before    headRecord // replicas only
	begin     beginning  // of a stream that begins with this
	head      headRecord
	blocks    []*Block
	signed    []signedRecord // ascending
	closed    bool
	exception plantmesh.Offset // last one among them; 0: none
}

// publish makes durable blocks visible and wakes whoever waits for them.
func (l *Log) publish(all []progress) {
	if len(all) == 0 {
		return
	}
	l.mu.Lock()
	for _, p := range all {
		l.hold(p.stream)
		p.stream.head = p.head
		p.stream.closed = p.stream.closed || p.closed
		p.stream.signed.add(p.signed)
		p.stream.exception = max(p.stream.exception, p.exception)
		l.tail.add(p.stream, p.blocks)
	}
	changed := l.changed
	l.changed = make(chan struct{})
	l.mu.Unlock()
	close(changed)
}

// Streams describes all streams, ordered by name.
func (l *Log) Streams() []StreamInfo {
	l.mu.RLock()
	defer l.mu.RUnlock()
	infos := make([]StreamInfo, 0, len(l.streams))
	for _, name := range slices.Sorted(maps.Keys(l.streams)) {
		s := l.streams[name]
		infos = append(infos, StreamInfo{
			Head: s.head.head(s.record), Earliest: s.begin.before + 1, StoredBytes: s.head.stored - s.begin.stored, Replica: name.Origin() != l.opts.Site,
		})
	}
	return infos
}

// Changed returns a channel that is closed at the next change of any head. Take it before reading heads, so that no
// change falls in between.
func (l *Log) Changed() <-chan struct{} {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.changed
}

// WaitHead waits until the head of a stream is behind an offset, and returns it. The stream need not exist yet.
//
// Errors: those of ctx.
func (l *Log) WaitHead(ctx context.Context, s plantmesh.StreamName, after plantmesh.Offset) (plantmesh.Head, error) {
	for {
		changed := l.Changed()
		if head, err := l.Head(s); err == nil && head.Offset > after {
			return head, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return plantmesh.Head{}, fmt.Errorf("wait for %s behind %d: %w", s, after, context.Cause(ctx))
		}
	}
}
