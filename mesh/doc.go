// Package mesh is a site's part in the mesh: links to its peers, the streams it replicates over them, and PeerService,
// through which peers replicate from it.
//
// A node pulls. It dials the peers of its configuration, greets them, hears which streams they have, and for each that
// it subscribes to keeps one Replicate call open, from its own head on: the log's head is the cursor, there is no other.
// Blocks are opaque bytes here; [Log], which the node's storage implements, verifies what is appended.
//
// Who else is in the mesh, and alive, is told by subpackage gossip over the same links; a member that advertises an address
// is linked to without being configured.
//
// [Mesh.Status] tells of every link, replica and follower where it stands, why, and what to do. DESIGN.md beside this
// file gives the invariants and how they are kept. Subpackage pki issues certificates, meshtest is a network in memory.
package mesh
