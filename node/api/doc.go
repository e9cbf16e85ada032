// Package api is the door of a node: its gRPC server, who may call what, and EventService and AdminService behind it.
//
// Subscribe hands blocks on as they are stored: the decompressed payload of a block is the wire message of a frame, so a
// reader without a filter costs neither decoding nor encoding, and one with a filter only the slicing.
package api
