package odoo

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

// ActionCode is the code of the server action, as it stands in Odoo.
//
//go:embed action.py
var ActionCode string

// actionMarker begins the code's first line; a version follows. A node replaces an older version, and refuses to work
// beside a newer one.
const actionMarker = "# plantmesh apply "

// ActionVersion reads the version in the first line of a server action's code. It is an error if the code is not ours.
func ActionVersion(code string) (int, error) {
	line, _, _ := strings.Cut(strings.TrimSpace(code), "\n")
	digits, ours := strings.CutPrefix(line, actionMarker)
	version, err := strconv.Atoi(strings.TrimSpace(digits))
	if !ours || err != nil || version < 1 {
		return 0, fmt.Errorf("the code of the server action does not begin with %q and a version", actionMarker)
	}
	return version, nil
}
