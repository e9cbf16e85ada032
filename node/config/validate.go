package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/storage"
)

// faults collects what is wrong, each with its path and value.
type faults []error

func (f *faults) add(format string, args ...any) { *f = append(*f, fmt.Errorf(format, args...)) }

// Validate joins all faults, each with its path and value, and what to do. It looks at no file.
func (c Config) Validate() error {
	var f faults
	c.validateIdentity(&f)
	c.validateMesh(&f)
	c.validateStreams(&f)
	for i, a := range c.Adapters {
		path := fmt.Sprintf("adapters[%d]", i)
		a.validate(path, &f)
		if first := slices.IndexFunc(c.Adapters, func(o Adapter) bool { return o.Name == a.Name }); first < i {
			f.add("%s.name %q: adapters[%d] has this name too; give each its own", path, a.Name, first)
		}
	}
	if c.Odoo != nil {
		if err := c.Odoo.Validate(); err != nil {
			f.add("%w", err)
		}
	}
	if c.Telemetry != nil {
		c.Telemetry.validate(&f)
	}
	c.Limits.validate(&f)
	return errors.Join(f...)
}

func (c Config) validateIdentity(f *faults) {
	if err := (plantmesh.Identity{Mesh: c.Mesh, Client: "x"}).Validate(); err != nil {
		f.add("mesh %q: a name has 1 to 63 lower-case letters, digits and inner hyphens", c.Mesh)
	}
	if _, err := plantmesh.ParseSiteID(c.Site); err != nil {
		f.add("site %q: a name has 1 to 63 lower-case letters, digits and inner hyphens", c.Site)
	}
	if _, err := plantmesh.ParseSiteID(c.Region); err != nil {
		f.add("region %q: a name has 1 to 63 lower-case letters, digits and inner hyphens", c.Region)
	}
	if c.DataDir == "" {
		f.add("data_dir: name the folder that keeps the log")
	}
	if problem := addressProblem(c.Listen, true); problem != "" {
		f.add("listen %q: %s", c.Listen, problem)
	}
	if problem := consoleProblem(c.HTTP); c.HTTP != "" && problem != "" {
		f.add("http %q: %s", c.HTTP, problem)
	}
	for _, file := range []struct{ key, value string }{{"cert", c.TLS.Cert}, {"key", c.TLS.Key}, {"ca", c.TLS.CA}} {
		if file.value == "" {
			f.add("tls.%s: name the PEM file; `plantmesh init` makes it", file.key)
		}
	}
}

func (c Config) validateMesh(f *faults) {
	switch {
	case c.Reach != ReachDirect && c.Reach != ReachOutbound:
		f.add("reach %q: must be %s, if others can dial this site, or %s", c.Reach, ReachDirect, ReachOutbound)
	case c.Reach == ReachOutbound && len(c.Peers) == 0:
		f.add("peers: name at least one: with reach %s, nobody can dial this site, so it has to dial", c.Reach)
	}
	if problem := addressProblem(c.Advertise, false); c.Advertise != "" && problem != "" {
		f.add("advertise %q: %s", c.Advertise, problem)
	}
	if c.Advertise != "" && c.Reach == ReachOutbound {
		f.add("advertise %q: nobody can dial this site with reach %s: remove one of the two", c.Advertise, c.Reach)
	}
	for i, peer := range c.Peers {
		if problem := addressProblem(peer, false); problem != "" {
			f.add("peers[%d] %q: %s", i, peer, problem)
		}
		if slices.Index(c.Peers, peer) < i {
			f.add("peers[%d] %q: named twice; remove one", i, peer)
		}
	}
	for i, admin := range c.Admins {
		if err := (plantmesh.Identity{Mesh: "x", Client: admin}).Validate(); err != nil {
			f.add("admins[%d] %q: give a client's name, as in its certificate spiffe://<mesh>/client/<name>", i, admin)
		}
	}
	for i, rule := range c.Export {
		path := fmt.Sprintf("export[%d]", i)
		validatePatterns(f, path+".streams", rule.Streams, true)
		validatePatterns(f, path+".to", rule.To, true)
		validatePatterns(f, path+".regions", rule.Regions, false)
	}
	if _, err := c.ReconcileSchedule(); err != nil {
		f.add("odoo.reconcile.%w", err)
	}
	for i, s := range c.Subscriptions {
		path := fmt.Sprintf("subscriptions[%d]", i)
		validatePattern(f, path+".from", s.From)
		if _, err := s.ParseSchedule(); err != nil {
			f.add("%s.%w", path, err)
		}
		validatePatterns(f, path+".streams", s.Streams, true)
	}
}

func validatePatterns(f *faults, path string, patterns []string, required bool) {
	if required && len(patterns) == 0 {
		f.add("%s: name at least one, or [\"*\"] for all", path)
	}
	for i, p := range patterns {
		validatePattern(f, fmt.Sprintf("%s[%d]", path, i), p)
	}
}

func validatePattern(f *faults, path, pattern string) {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789-*"
	if pattern == "" || strings.Trim(pattern, letters) != "" {
		f.add("%s %q: a pattern has lower-case letters, digits, hyphens, and * for any of them", path, pattern)
	}
}

// maxSettleSeconds is an hour: whoever wants more has another problem.
const maxSettleSeconds = 3600

func (a Adapter) validate(path string, f *faults) {
	if _, err := plantmesh.ParseSiteID(a.Name); err != nil {
		f.add("%s.name %q: a name has 1 to 63 lower-case letters, digits and inner hyphens", path, a.Name)
	}
	if a.Kind != KindFile {
		f.add("%s.kind %q: must be %s", path, a.Kind, KindFile)
		return
	}
	if a.Dir == "" {
		f.add("%s.dir: name the folder to watch", path)
	}
	if a.SettleSeconds < 0 || a.SettleSeconds > maxSettleSeconds {
		f.add("%s.settle_seconds %v: must be above 0, and %d at most", path, a.SettleSeconds, maxSettleSeconds)
	}
	if a.Mapping == "" {
		f.add("%s.mapping: name the file that says how a row becomes an event", path)
	}
	if _, err := filepath.Match(a.Pattern, "x"); err != nil || a.Pattern == "" || strings.ContainsRune(a.Pattern, filepath.Separator) {
		f.add("%s.pattern %q: must be a pattern of file names, such as *.csv", path, a.Pattern)
	}
}

func (t Telemetry) validate(f *faults) {
	u, err := url.Parse(t.OTLPEndpoint)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		f.add("telemetry.otlp_endpoint %q: give the address of an OTLP gRPC collector, such as http://127.0.0.1:4317", t.OTLPEndpoint)
	}
	if t.SampleRatio < 0 || t.SampleRatio > 1 {
		f.add("telemetry.sample_ratio %v: must be 0 to 1", t.SampleRatio)
	}
}

// minLimit is what every buffer needs to work at all.
const minLimit = 64 << 10

// minClockSkew is about what measuring over a line leaves open.
const minClockSkew = 10 * time.Millisecond

func (l Limits) validate(f *faults) {
	for _, limit := range []struct {
		key   string
		value int
	}{
		{"tail_bytes", l.TailBytes}, {"cache_bytes", l.CacheBytes}, {"max_block_bytes", l.MaxBlockBytes}, {"max_pending_bytes", l.MaxPendingBytes},
		{"scrub_bytes_per_second", l.ScrubBytesPerSecond},
	} {
		if limit.value < minLimit {
			f.add("limits.%s %d: must be %d or more", limit.key, limit.value, minLimit)
		}
	}
	if l.ClockSkew < minClockSkew {
		f.add("limits.clock_skew %s: must be %s or more: less cannot be measured over a line", l.ClockSkew, minClockSkew)
	}
	if bytes, err := parseBytes(l.DiskReserve); err != nil || bytes == 0 {
		f.add("limits.disk_reserve %q: %w", l.DiskReserve, errBytes)
	} else if bytes < storage.MinReserveBytes {
		f.add("limits.disk_reserve %q: must be 68MB or more: what was let in has to be written", l.DiskReserve)
	}
	if l.MaxBlockBytes > storage.MaxBlockBytesLimit {
		f.add("limits.max_block_bytes %d: must be %d or less", l.MaxBlockBytes, storage.MaxBlockBytesLimit)
	}
}

// addressProblem says what is wrong with host:port; empty if nothing. Listening may leave the host out and take port 0.
func addressProblem(address string, listen bool) string {
	host, port, err := net.SplitHostPort(address)
	n, portErr := strconv.ParseUint(port, 10, 16)
	switch {
	case err != nil:
		return "give host:port, such as 127.0.0.1:7443"
	case portErr != nil || n == 0 && !listen:
		return "the port must be a number from 1 to 65535"
	case host == "" && !listen:
		return "the host is missing: give host:port"
	}
	return ""
}

// consoleProblem says what is wrong with the console's address; empty if nothing. The console has no login, and shows what other sites let this one
// have: it may be had from this machine only.
func consoleProblem(address string) string {
	if problem := addressProblem(address, true); problem != "" {
		return problem
	}
	host, _, _ := net.SplitHostPort(address) // it has one, as was just seen
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return ""
	}
	return "the console has no login, so it is served on this machine only: give a loopback address, such as 127.0.0.1:7480, and put a proxy with a login, or an SSH tunnel, before it"
}
