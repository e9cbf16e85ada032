// Package gossip tells a site who else is in the mesh, who of them is alive, and through whom they can be reached.
//
// It needs no port and no address of its own. Whoever has a link with another site calls [Gossip.Attach] with it, and all
// else travels along links: cards, in which each site says under its signature what others may know of it, and the packets
// and streams of memberlist, which finds out who is alive. Between sites without a link they are passed on by sites
// that have one with both.
//
// DESIGN.md beside this file gives the invariants and the figures.
package gossip
