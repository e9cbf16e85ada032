package odoo

import (
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestAddonHasTheCodeOfEveryActionLineByLine(t *testing.T) {
	for major := firstAddon; major <= lastRun; major++ {
		addon, err := AddonFor(major)
		if err != nil {
			t.Fatal(err)
		}
		for i, a := range ActionsFor(major) {
			name := path.Join(AddonModule, "parts", strings.ReplaceAll(parts[i].name, " ", "_")+".py")
			_, body, found := strings.Cut(addon.Files[name], "def run(env):\n")
			if !found {
				t.Fatalf("Odoo %d: %s has no function run: %q", major, name, addon.Files[name])
			}
			var code strings.Builder
			for line := range strings.Lines(body) {
				code.WriteString(strings.TrimPrefix(line, "    "))
			}
			if got := strings.TrimSuffix(code.String(), "return action\n"); got != a.Code {
				t.Errorf("Odoo %d: %s is not the code of %q, indented", major, name, a.Name)
			}
			if list := addon.Files[path.Join(AddonModule, "parts", "__init__.py")]; !strings.Contains(list, "'"+parts[i].name+"': ") {
				t.Errorf("Odoo %d: %q is not among the parts: %s", major, parts[i].name, list)
			}
		}
	}
}

func TestAddonIsTheSameEachTimeAndNamesItsFiles(t *testing.T) {
	seen := map[string]int{}
	for major := firstAddon; major <= lastRun; major++ {
		one, other := buildAddon(major), buildAddon(major)
		if !maps.Equal(one.Files, other.Files) || one.Fingerprint != other.Fingerprint {
			t.Errorf("Odoo %d: built twice, it is not the same", major)
		}
		if before, known := seen[one.Fingerprint]; known {
			t.Errorf("the add-ons for Odoo %d and %d have one fingerprint", before, major)
		}
		seen[one.Fingerprint] = major
		if !strings.Contains(one.Files[AddonModule+"/models/connector.py"], "FINGERPRINT = '"+one.Fingerprint+"'") {
			t.Errorf("Odoo %d: connector.py does not name the fingerprint %s", major, one.Fingerprint)
		}
		for name, text := range one.Files {
			if strings.Contains(text, "{{") || strings.Contains(text, "<no value>") {
				t.Errorf("Odoo %d: %s has something left to fill in", major, name)
			}
		}
	}
	for _, major := range []int{firstAddon - 1, lastRun + 1} {
		if _, err := AddonFor(major); err == nil {
			t.Errorf("there is an add-on for Odoo %d", major)
		}
	}
}

// unknownNames compiles Python files, and prints every name that they use, and that is neither theirs nor built in.
const unknownNames = `
import builtins, symtable, sys
for name in sys.argv[1:]:
    with open(name) as file:
        text = file.read()
    compile(text, name, 'exec')
    top = symtable.symtable(text, name, 'exec')
    known = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()} | set(dir(builtins)) | {'__class__'}
    tables = [top]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for s in table.get_symbols():
            if s.is_global() and s.get_name() not in known:
                print(name, s.get_name())
`

func TestAddonIsPythonThatKnowsEveryNameItUses(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("NOT RUN: there is no python3")
	}
	for major := firstAddon; major <= lastRun; major++ {
		folder, list := t.TempDir(), []string{"-c", unknownNames}
		addon, err := AddonFor(major)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(addon.Files)) {
			if path.Ext(name) != ".py" {
				continue
			}
			file := filepath.Join(folder, strings.ReplaceAll(name, "/", "-"))
			if err := os.WriteFile(file, []byte(addon.Files[name]), 0o600); err != nil {
				t.Fatal(err)
			}
			list = append(list, file)
		}
		if out, err := exec.CommandContext(t.Context(), python, list...).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("Odoo %d: %v: unknown names: %s", major, err, out)
		}
	}
}
