// Package storage keeps a site's streams: its own, which it alone writes, and the replicas it fetches from other sites.
//
// A [Log] is one folder on disk, a Pebble database. Events are appended in groups ([Log.Append], [Log.Submit]): one group
// is one batch and one fsync, whatever number of callers and streams it serves, and nothing is acknowledged or visible
// before that fsync. A group becomes [Block]s, the unit of storage and replication: compressed, checksummed, chained by
// SHA-256, immutable. Replicas take the blocks of their origin verbatim ([Log.AppendBlocks]) after checking them.
//
// A [State] is a second Pebble database for what is derived from the log: consumers' positions and read models. It never
// calls fsync while it works and can be thrown away and rebuilt.
//
// DESIGN.md beside this file says what holds and why.
package storage
