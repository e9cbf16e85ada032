package odoo

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// known are the names of testdata/older.txt: which versions have a field or method, by model and name.
type known struct {
	model, name string
	first, last int
	elsewhere   bool // other models have one of that name in every version
}

func (k known) in(major int) bool { return k.first <= major && major <= k.last }

func readKnown(t *testing.T) []known {
	t.Helper()
	b, err := os.ReadFile("testdata/older.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []known
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		parts := strings.Fields(line)
		first, last, _ := strings.Cut(parts[2], "-")
		k := known{model: parts[0], name: parts[1], elsewhere: len(parts) > 3}
		var faults [2]error
		k.first, faults[0] = strconv.Atoi(first)
		k.last, faults[1] = strconv.Atoi(last)
		if faults[0] != nil || faults[1] != nil {
			t.Fatalf("line %q: %v", line, faults)
		}
		all = append(all, k)
	}
	return all
}

// namesOfOthers are those in code that a version has in no model, though another version has.
func namesOfOthers(all []known, major int, code string) []string {
	has, knows := map[string]bool{}, map[string]bool{}
	for _, k := range all {
		if !k.elsewhere {
			knows[k.name] = true
			has[k.name] = has[k.name] || k.in(major)
		}
	}
	var unknown []string
	for _, found := range regexp.MustCompile(`\.(\w+)|'(\w+)'|\b(\w+)=`).FindAllStringSubmatch(code, -1) {
		if name := found[1] + found[2] + found[3]; knows[name] && !has[name] {
			unknown = append(unknown, name)
		}
	}
	return unknown
}

func TestActionsNameOnlyWhatTheirVersionHas(t *testing.T) {
	all := readKnown(t)
	for major := firstApplied; major <= lastRun; major++ {
		for _, a := range ActionsFor(major) {
			if unknown := namesOfOthers(all, major, a.Code); len(unknown) > 0 {
				t.Errorf("Odoo %d has no %v, which %q names", major, unknown, a.Name)
			}
		}
	}
	if got := namesOfOthers(all, 16, "line.write({'picked': True})"); len(got) != 1 {
		t.Errorf("picked, which Odoo 16 does not have, is not noticed: %v", got)
	}
}

func TestDialectNamesWhatEachVersionHas(t *testing.T) {
	all := readKnown(t)
	there := func(model, name string, major int) (is, stated bool) {
		for _, k := range all {
			if k.model == model && k.name == name {
				return k.in(major), true
			}
		}
		return false, false
	}
	for _, r := range renamings {
		for major := firstApplied; major <= lastRun; major++ {
			newer, stated := there(r.model, r.name, major)
			if stated && newer != (major >= r.since) {
				t.Errorf("%s.%s from %d on: Odoo %d has it: %v", r.model, r.name, r.since, major, newer)
			}
			if older, stated := there(r.model, r.older, major); stated && !older && major < r.since {
				t.Errorf("%s.%s before %d: Odoo %d does not have it", r.model, r.older, r.since, major)
			}
		}
	}
}
