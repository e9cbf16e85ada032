package odoo

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"
)

// Names of the add-on, in which a company that allows no code in server actions has the same code.
const (
	AddonModule = "plantmesh_connector"
	AddonModel  = "plantmesh.connector"
)

//go:embed all:addon
var addonFiles embed.FS

// Addon is the add-on for a version of Odoo: the code of the same server actions, as files.
type Addon struct {
	Version     int               // that of the actions
	Fingerprint string            // of all files
	Files       map[string]string // text by path, which begins with [AddonModule]
}

// addonPart is what the add-on's files say of a part.
type addonPart struct{ Name, File, Kinds string }

// addonFacts are what the templates of the add-on's files ask for.
type addonFacts struct {
	Major, Version                    int
	Fingerprint, Group, Model, Module string
	Parts                             []addonPart
}

// addons are those of the versions that were asked for.
var addons = struct {
	mu   sync.Mutex
	made map[int]*Addon
}{made: map[int]*Addon{}}

// AddonFor is the add-on for a version of Odoo.
//
// Errors: a version that plantmesh applies no events in.
func AddonFor(major int) (*Addon, error) {
	if major < firstAddon || major > lastRun {
		return nil, fmt.Errorf("there is no add-on for Odoo %d: plantmesh has one for %d to %d", major, firstAddon, lastRun)
	}
	addons.mu.Lock()
	defer addons.mu.Unlock()
	if addons.made[major] == nil {
		addons.made[major] = buildAddon(major)
	}
	return addons.made[major], nil
}

// buildAddon makes the files twice: the fingerprint that they name is that of the files without it.
func buildAddon(major int) *Addon {
	facts := addonFacts{Major: major, Version: actionVersion, Group: ConnectorGroup, Model: AddonModel, Module: AddonModule}
	for _, p := range parts {
		var kinds []string
		for _, kind := range p.kinds {
			kinds = append(kinds, string(kind))
		}
		facts.Parts = append(facts.Parts, addonPart{Name: p.name, File: strings.ReplaceAll(p.name, " ", "_"), Kinds: strings.Join(kinds, ", ")})
	}
	files, hash := facts.files(), sha256.New()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		fmt.Fprintf(hash, "%s\x00%s\x00", name, files[name])
	}
	facts.Fingerprint = hex.EncodeToString(hash.Sum(nil)[:16])
	return &Addon{Version: actionVersion, Fingerprint: facts.Fingerprint, Files: facts.files()}
}

// files are all of the add-on.
func (f addonFacts) files() map[string]string {
	files := map[string]string{}
	err := fs.WalkDir(addonFiles, "addon", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := addonFiles.ReadFile(name)
		if err != nil {
			return err
		}
		var out bytes.Buffer
		if err := template.Must(template.New(name).Parse(string(text))).Execute(&out, f); err != nil {
			return err
		}
		files[path.Join(AddonModule, strings.TrimPrefix(name, "addon/"))] = rewrite(f.Major, setupDifferences, out.String())
		return nil
	})
	if err != nil {
		panic("read embedded files: " + err.Error())
	}
	for i, a := range ActionsFor(f.Major) {
		files[path.Join(AddonModule, "parts", f.Parts[i].File+".py")] = partFile(a)
	}
	files[path.Join(AddonModule, "parts", "administration.py")] = rewrite(f.Major, setupDifferences, administrationFile())
	return files
}

// partFile is a server action's code in a function. What the code knows as global names are the function's own, so calls at the same time do
// not see each other's.
func partFile(a Action) string {
	head := fmt.Sprintf("\"\"\"The code of the server action %q, in a function.\"\"\"\n", a.Name)
	return head + imports(a.Code) + "\n\n" + asFunction("run(env)", a.Code)
}

// administrationFile is what is otherwise the code of actions that run once.
func administrationFile() string {
	return strings.Join([]string{
		"\"\"\"What only administrators have done.\"\"\"\n",
		asFunction("make_indexes(env)", indexCode()),
		asFunction("make_key(env, user_id)", makeKeyCode("user_id")),
		asFunction("end_keys(env, user_id)", endKeysCode("user_id")),
	}, "\n\n")
}

// asFunction is code that leaves its result in action, as server actions do, as a function that returns it.
func asFunction(signature, code string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "def %s:\n", signature)
	for line := range strings.SplitSeq(strings.TrimSpace(code), "\n") {
		if line != "" {
			b.WriteString("    " + line)
		}
		b.WriteByte('\n')
	}
	b.WriteString("    return action\n")
	return b.String()
}

// givenName is a use of a name that Odoo gives to the code of actions.
var givenName = regexp.MustCompile(`(?m)(?:^|[^\w.'"])(Command|UserError|b64decode|b64encode|dateutil|datetime|float_compare|time|timezone)[.(]`)

// imports has a part's file import what its code uses of what Odoo gives to actions.
func imports(code string) string {
	used := map[string]bool{}
	for _, found := range givenName.FindAllStringSubmatch(code, -1) {
		used[found[1]] = true
	}
	return "from .names import " + strings.Join(slices.Sorted(maps.Keys(used)), ", ") + "\n"
}
