// Package console shows a node to people in a browser: where the site and its mesh stand, what the last comparison with Odoo found, and what is
// parked, with Odoo's words, the record and the event side by side.
//
// It reads and changes nothing; what somebody can do about it, the pages say as commands. It has no login, so it serves this machine only.
// Pages are whole HTML without scripts, and everything they need is in the binary.
package console
