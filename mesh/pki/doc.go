// Package pki is the certificate authority of a mesh, small enough to read in one sitting: an ECDSA P-256 root that is
// bound to one mesh by name constraint, and certificates for sites and clients under it.
//
// A group with a PKI of its own needs none of this: any certificate with the SPIFFE ID that [plantmesh.Identity]
// describes will do, as long as every node's `tls.ca` holds its root.
package pki
