package storage

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/plantmesh/plantmesh"
)

// Defaults of Options.
const (
	// DefaultTailBytes bounds the recent blocks kept in memory for readers that follow closely, stored and decompressed
	// bytes together. It is heap, filled by traffic; readers further behind read from disk.
	DefaultTailBytes = 8 << 20
	// DefaultCacheBytes is Pebble's block cache. It holds the filters of the event-id index, 1.3 bytes for each event
	// recorded here: beyond 6 million events, publishing stays fast with a larger cache, and reads filters from the
	// system's cache without it.
	DefaultCacheBytes = 8 << 20
	// DefaultMaxBlockBytes is where a block is cut, before compression. Larger compresses better; a reader of one event
	// decompresses its whole block.
	DefaultMaxBlockBytes = 1 << 20
	// DefaultMaxPendingBytes bounds what waits for the appender. It is heap, used while publishers outrun the disk.
	DefaultMaxPendingBytes = 32 << 20
)

// What Pebble gets.
const (
	// A write buffer begins at 256 KiB and grows to this under load; logMemTables of them may be in memory, the rest
	// waiting for their flush, before writes wait too. Smaller ones flush more often, which costs fsyncs.
	logMemTableBytes = 8 << 20
	logMemTables     = 3
	// The state is small and written seldom.
	stateMemTableBytes = 2 << 20
	stateMemTables     = 2
	// filterBitsPerKey gives one disk read in a hundred new event ids.
	filterBitsPerKey = 10
	// dataBlockBytes is the unit of reading: smaller costs index memory, larger costs bytes read for one id.
	dataBlockBytes = 16 << 10
	// maxOpenFiles bounds file descriptors.
	maxOpenFiles = 500
	// Pebble formats that folders are created with and raised to. The state stays below FormatWALSyncChunks: from there on
	// the write-ahead log says how far it was fsynced, which for the state is not true, and its torn end after a power cut
	// would count as damage.
	logFormat   = pebble.FormatTableFormatV6
	stateFormat = pebble.FormatColumnarBlocks
)

// Options say whose folder it is and what it may cost. Zero values stand for the defaults.
type Options struct {
	Mesh string           // mesh that the site belongs to; required
	Site plantmesh.SiteID // site whose streams are written here; required

	FS     vfs.FS           // nil: the disk
	Now    func() time.Time // nil: the system's clock
	Logger *slog.Logger     // nil: none

	TailBytes       int // see DefaultTailBytes
	CacheBytes      int // see DefaultCacheBytes
	MaxBlockBytes   int // see DefaultMaxBlockBytes; at most MaxBlockBytesLimit
	MaxPendingBytes int // see DefaultMaxPendingBytes
	ReserveBytes    int // see DefaultReserveBytes; logs only
}

// MaxBlockBytesLimit is the largest MaxBlockBytes: a block has to fit a frame between sites.
const MaxBlockBytesLimit = 2 << 20

func (o Options) withDefaults() (Options, error) {
	if o.Mesh == "" {
		return o, fmt.Errorf("storage options: mesh is missing")
	}
	if _, err := plantmesh.ParseSiteID(string(o.Site)); err != nil {
		return o, fmt.Errorf("storage options: %w", err)
	}
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	for _, limit := range []struct {
		name     string
		value    *int
		standard int
	}{
		{"tail_bytes", &o.TailBytes, DefaultTailBytes},
		{"cache_bytes", &o.CacheBytes, DefaultCacheBytes},
		{"max_block_bytes", &o.MaxBlockBytes, DefaultMaxBlockBytes},
		{"max_pending_bytes", &o.MaxPendingBytes, DefaultMaxPendingBytes},
		{"disk_reserve", &o.ReserveBytes, DefaultReserveBytes},
	} {
		if *limit.value < 0 {
			return o, fmt.Errorf("storage options: %s is %d, below 0", limit.name, *limit.value)
		}
		if *limit.value == 0 {
			*limit.value = limit.standard
		}
	}
	if o.MaxBlockBytes > MaxBlockBytesLimit {
		return o, fmt.Errorf("storage options: max_block_bytes is %d, above %d", o.MaxBlockBytes, MaxBlockBytesLimit)
	}
	return o, nil
}

// pebble are the settings of a database. Pebble takes the write buffers in use out of the cache, so the cache is given room
// for them: without it, writing empties the cache and every new event id reads its filters again.
func (o Options) pebble(kind string, fs vfs.FS, lock *pebble.Lock, logger pebbleLogger) *pebble.Options {
	bufferBytes, buffers, format := logMemTableBytes, logMemTables, logFormat
	if kind == kindState {
		bufferBytes, buffers, format = stateMemTableBytes, stateMemTables, stateFormat
	}
	p := &pebble.Options{
		FS:                          fs,
		Lock:                        lock,
		FormatMajorVersion:          format,
		CacheSize:                   int64(o.CacheBytes + bufferBytes*buffers),
		MemTableSize:                uint64(bufferBytes),
		MemTableStopWritesThreshold: buffers,
		MaxOpenFiles:                maxOpenFiles,
		Logger:                      logger,
		EventListener:               logger.listener(),
	}
	for i := range p.Levels {
		p.Levels[i].BlockSize = dataBlockBytes
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(filterBitsPerKey)
	}
	// Tables stay small, so that the filter of one stays small: it is read whole.
	p.TargetFileSizes = [7]int64{4 << 20, 8 << 20, 8 << 20, 16 << 20, 16 << 20, 32 << 20, 32 << 20}
	return p
}
