package odoo

import (
	"fmt"
	"strconv"
	"strings"
)

// firstVersion is the oldest Odoo that plantmesh speaks with.
const firstVersion = 14

// majorVersion reads the number before the point of what a server says its version is, such as 19.0 or saas~18.2.
func majorVersion(version string) (int, error) {
	first, _, _ := strings.Cut(version[strings.LastIndexByte(version, '~')+1:], ".")
	major, err := strconv.Atoi(first)
	if err != nil {
		return 0, fmt.Errorf("odoo says its version is %q, which does not begin with a number: check odoo.url", version)
	}
	return major, nil
}
