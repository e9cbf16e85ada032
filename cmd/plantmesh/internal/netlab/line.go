//go:build linux

package netlab

import "fmt"

// nowhere is a hardware address that nobody has.
const nowhere = "02:00:00:00:00:01"

// Unplug pulls the site's cable. Nobody is told: no FIN, no RST, no ICMP. Within the site's machine all goes on.
func (s *Site) Unplug() {
	s.t.Helper()
	s.lab.must(s.lab.bridge.ip("link", "set", s.port, "nomaster"))
}

// Plug puts it back.
func (s *Site) Plug() {
	s.t.Helper()
	s.lab.must(s.lab.bridge.ip("link", "set", s.port, "master", "br0"))
}

// DropTo loses everything that the site sends to another; the other direction works.
func (s *Site) DropTo(other *Site) {
	s.t.Helper()
	s.lab.must(s.net.ip("neigh", "replace", other.host, "lladdr", nowhere, "dev", "eth0", "nud", "permanent"))
}

// ReachTo ends DropTo.
func (s *Site) ReachTo(other *Site) {
	s.t.Helper()
	s.lab.must(s.net.ip("neigh", "del", other.host, "dev", "eth0"))
}

// NoRouteTo has the site's own machine refuse to send to another, at once and with an error.
func (s *Site) NoRouteTo(other *Site) {
	s.t.Helper()
	s.lab.must(s.net.ip("route", "add", "unreachable", other.host+"/32"))
}

// RouteTo ends NoRouteTo.
func (s *Site) RouteTo(other *Site) {
	s.t.Helper()
	s.lab.must(s.net.ip("route", "del", "unreachable", other.host+"/32"))
}

// Throttle makes the site's line thin, each direction by itself, with half a second of buffer as routers have.
func (s *Site) Throttle(bitsPerSecond int) {
	s.t.Helper()
	rate := fmt.Sprintf("%dbit", bitsPerSecond)
	s.lab.must(s.net.tc("qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "3000", "latency", "500ms"))
	s.lab.must(s.lab.bridge.tc("qdisc", "replace", "dev", s.port, "root", "tbf", "rate", rate, "burst", "3000", "latency", "500ms"))
}

// Unthrottle makes it wide again.
func (s *Site) Unthrottle() {
	s.t.Helper()
	s.lab.must(s.net.tc("qdisc", "del", "dev", "eth0", "root"))
	s.lab.must(s.lab.bridge.tc("qdisc", "del", "dev", s.port, "root"))
}

// wholeFrame is what fits into an Ethernet frame.
const wholeFrame = 1500

// DropLargerThan loses frames of the site's line, both ways, that carry more bytes than that, without telling anybody: a
// tunnel whose routers drop the ICMP that would say so.
func (s *Site) DropLargerThan(bytes int) {
	s.t.Helper()
	s.lab.must(s.lab.bridge.ip("link", "set", s.port, "mtu", fmt.Sprint(bytes)))
}

// PassAll ends DropLargerThan.
func (s *Site) PassAll() {
	s.t.Helper()
	s.DropLargerThan(wholeFrame)
}
