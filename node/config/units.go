package config

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

var (
	errAge   = errors.New("give a number and a unit: h, d or y, such as 36h, 90d or 10y")
	errBytes = errors.New("give a number and a unit: KB, MB, GB or TB, such as 50GB")
)

// maxAgeYears is what a time.Duration can hold, with room.
const maxAgeYears = 200

// parseAge reads a duration in hours, days or years of 365 days; empty is 0.
func parseAge(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	units := map[byte]time.Duration{'h': time.Hour, 'd': 24 * time.Hour, 'y': 365 * 24 * time.Hour}
	unit, ok := units[s[len(s)-1]]
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 32)
	if !ok || err != nil || n == 0 || n > uint64(maxAgeYears*365*24*time.Hour/unit) {
		return 0, errAge
	}
	return time.Duration(n) * unit, nil
}

// parseBytes reads a number of bytes with a decimal unit; empty is 0.
func parseBytes(s string) (uint64, error) {
	if s == "" {
		return 0, nil
	}
	for suffix, factor := range map[string]uint64{"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12} {
		digits, ok := strings.CutSuffix(s, suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(digits, 10, 32)
		if err != nil || n == 0 {
			return 0, errBytes
		}
		return n * factor, nil
	}
	return 0, errBytes
}
