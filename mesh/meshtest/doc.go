// Package meshtest is for tests of meshes: a [Fabric] is a network in memory whose lines between sites can be cut and
// healed. All of its waiting is on channels and timers, so it works inside testing/synctest bubbles.
package meshtest
