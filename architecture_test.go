package plantmesh_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/plantmesh/plantmesh"

// arrows say who may import whom, besides the standard library, other modules and its own layer. Tests may import anything
// that makes no cycle.
var arrows = []struct {
	layer string
	has   func(pkg string) bool
	may   []string
}{
	{"root", func(p string) bool { return p == module }, []string{"proto"}},
	{"proto", under("proto"), nil},
	{"storage", under("storage"), []string{"root", "proto"}},
	{"mesh", under("mesh"), []string{"root", "proto"}},
	{"node", under("node"), []string{"mesh", "storage", "root", "proto"}},
	{"cmd", under("cmd"), []string{"node", "root", "proto"}},
}

func under(folder string) func(string) bool {
	return func(p string) bool { return p == module+"/"+folder || strings.HasPrefix(p, module+"/"+folder+"/") }
}

// listed is what the test wants of a package from go list.
type listed struct {
	Dir, ImportPath string
	GoFiles         []string
	Imports         []string
}

func packages(t *testing.T) []listed {
	t.Helper()
	var stderr bytes.Buffer
	list := exec.CommandContext(t.Context(), "go", "list", "-json=Dir,ImportPath,GoFiles,Imports", "./...")
	list.Stderr = &stderr
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	var all []listed
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func TestPackagesImportOnlyWhatTheirLayerMay(t *testing.T) {
	for _, p := range packages(t) {
		from, may := layerOf(p.ImportPath)
		if from == "" {
			t.Errorf("%s is in no layer: ARCHITECTURE.md names the folders there are", p.ImportPath)
		}
		for _, imported := range p.Imports {
			if to, _ := layerOf(imported); to != "" && to != from && !slices.Contains(may, to) {
				t.Errorf("%s imports %s: %s may not know %s", p.ImportPath, imported, from, to)
			}
		}
	}
}

// layerOf is the layer that a package is in, and what that may import; none for other modules.
func layerOf(pkg string) (layer string, may []string) {
	for _, a := range arrows {
		if a.has(pkg) {
			return a.layer, a.may
		}
	}
	return "", nil
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	for _, p := range packages(t) {
		if slices.Contains(p.GoFiles, "main.go") || allGenerated(t, p) {
			continue
		}
		if !slices.Contains(p.GoFiles, "doc.go") {
			t.Errorf("%s has no doc.go", p.ImportPath)
		}
		for _, bin := range []string{"common", "util", "utils", "types", "helpers"} {
			if filepath.Base(p.ImportPath) == bin {
				t.Errorf("%s: a name that says nothing", p.ImportPath)
			}
		}
	}
}

func allGenerated(t *testing.T, p listed) bool {
	t.Helper()
	for _, name := range p.GoFiles {
		if !isGenerated(t, filepath.Join(p.Dir, name)) {
			return false
		}
	}
	return true
}

var generatedLine = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func isGenerated(t *testing.T, file string) bool {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return generatedLine.Match(content)
}

// maxLines is where a file is taken to hold more than one idea.
const maxLines = 400

func TestFilesStayReadable(t *testing.T) {
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && path != "." && (strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata"):
			return fs.SkipDir
		case entry.IsDir() || filepath.Ext(path) != ".go" || isGenerated(t, path):
			return nil
		}
		content, err := os.ReadFile(path)
		if lines := bytes.Count(content, []byte("\n")); lines > maxLines {
			t.Errorf("%s has %d lines, above %d: give each idea a file", path, lines, maxLines)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
