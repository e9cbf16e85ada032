package odoo

import (
	"os/exec"
	"strings"
	"testing"
)

func TestEveryDifferenceOfAVersionIsMet(t *testing.T) {
	var all strings.Builder
	for _, a := range Actions() {
		all.WriteString(a.Code)
	}
	for _, d := range differences {
		if d.since <= firstApplied || d.since > lastRun {
			t.Errorf("%s: since %d is outside of the versions that are applied in", d.what, d.since)
		}
		if !d.name.MatchString(rewritten(d, all.String())) {
			t.Errorf("%s: nothing is called %s any more: change the row, or take it out", d.what, d.name)
		}
	}
}

// rewritten is code as the rows before one leave it.
func rewritten(until difference, code string) string {
	for _, d := range differences {
		if d.what == until.what {
			break
		}
		if d.since >= until.since {
			code = d.name.ReplaceAllString(code, d.older)
		}
	}
	return code
}

func TestActionsOfOlderVersionsCarryWhatTheyUse(t *testing.T) {
	functions, _, _ := actionSource()
	for major := firstApplied; major <= lastRun; major++ {
		actions := ActionsFor(major)
		if len(actions) != len(Actions()) {
			t.Fatalf("Odoo %d has %d actions, want %d", major, len(actions), len(Actions()))
		}
		for i, a := range actions {
			if _, err := ActionVersion(a.Code); err != nil || a.Name != Actions()[i].Name {
				t.Errorf("Odoo %d: %q, %v", major, a.Name, err)
			}
			for _, f := range functions {
				if strings.Contains(a.Code, " "+f.name+"(") && !strings.Contains(a.Code, "def "+f.name+"(") {
					t.Errorf("Odoo %d: %q uses %s and does not have it", major, a.Name, f.name)
				}
			}
			if strings.Contains(a.Code, "_before_") || major == lastRun && strings.Contains(a.Code, "def uom_compare") {
				t.Errorf("Odoo %d: %q carries what another version needs", major, a.Name)
			}
		}
	}
}

func TestActionsOfEveryVersionArePython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("NOT RUN: there is no python3")
	}
	for major := firstApplied; major <= lastRun; major++ {
		for _, a := range ActionsFor(major) {
			cmd := exec.CommandContext(t.Context(), python, "-c", "import sys; compile(sys.stdin.read(), 'action', 'exec')")
			cmd.Stdin = strings.NewReader(a.Code)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("Odoo %d, %q: %v: %s", major, a.Name, err, out)
			}
		}
	}
}

func TestOdooThatIsTooOldIsRefusedBeforeAnythingIsMade(t *testing.T) {
	f := &fakeRPC{version: "13.0"}
	client := openFake(t, f, "me")
	_, err := (&provisioner{client: client}).run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "Odoo 13") || !strings.Contains(err.Error(), "14 and later") {
		t.Errorf("provision: %v, want it refused", err)
	}
	for _, what := range f.asked {
		if what != "common.version" {
			t.Errorf("it asked %s", what)
		}
	}
}
