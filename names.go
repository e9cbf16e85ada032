package plantmesh

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// SiteID names a site: lower-case letters, digits and hyphens, 1 to 63 characters, as in a DNS label.
type SiteID string

// StreamName names a stream: `site/domain`, such as `plant-a/production`. The site is its origin, the only one that
// writes it.
type StreamName string

// Offset is a position in a stream. The first event of an incarnation has offset 1; 0 stands before it.
type Offset uint64

// Incarnation tells two histories of one stream apart. Offsets and chain values compare only within one. 0 is none.
type Incarnation uint64

// Chain is the running hash of a stream: SHA-256 over a block's header, which holds the previous value, and payload.
type Chain [32]byte

var label = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ParseSiteID checks a site's name.
func ParseSiteID(s string) (SiteID, error) {
	if !label.MatchString(s) {
		return "", fmt.Errorf("site %q: a name has 1 to 63 lower-case letters, digits and inner hyphens", s)
	}
	return SiteID(s), nil
}

// ParseStreamName checks a stream's name.
func ParseStreamName(s string) (StreamName, error) {
	site, domain, ok := strings.Cut(s, "/")
	if !ok || !label.MatchString(site) || !label.MatchString(domain) {
		return "", fmt.Errorf("stream %q: a name is site/domain, each 1 to 63 lower-case letters, digits and inner hyphens", s)
	}
	return StreamName(s), nil
}

// StreamOf names the stream of a domain at a site.
func StreamOf(site SiteID, domain string) StreamName { return StreamName(string(site) + "/" + domain) }

// Origin is the site that writes the stream.
func (n StreamName) Origin() SiteID {
	site, _, _ := strings.Cut(string(n), "/")
	return SiteID(site)
}

// Domain is the part behind the site.
func (n StreamName) Domain() string {
	_, domain, _ := strings.Cut(string(n), "/")
	return domain
}

// String is the chain value in hexadecimal.
func (c Chain) String() string { return hex.EncodeToString(c[:]) }

// Head is how far a stream reaches at one site: the last event that is durable there.
type Head struct {
	Stream      StreamName
	Incarnation Incarnation
	Offset      Offset    // 0 while the stream is empty
	Chain       Chain     // chain value after Offset
	Time        time.Time // when the event at Offset was recorded
}
