package plantmesh_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// What the README shows is part of a file that a test compiles and runs.
func TestReadmeShowsCodeThatRuns(t *testing.T) {
	for language, file := range map[string]string{"go": "example_test.go", "python": "deploy/examples/python/report.py"} {
		blocks := regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(read(t, "README.md"), -1)
		if len(blocks) == 0 {
			t.Errorf("the README shows no %s", language)
		}
		for _, block := range blocks {
			if !strings.Contains(read(t, file), block[1]) {
				t.Errorf("this is not in %s:\n%s", file, block[1])
			}
		}
	}
}

// documents are the pages for people, README first.
func documents(t *testing.T) []string {
	t.Helper()
	list := []string{"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"}
	for _, pattern := range []string{"docs/*.md", "docs/adr/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, found...)
	}
	return list
}

func TestLinksOfTheDocumentsLead(t *testing.T) {
	for _, document := range documents(t) {
		for _, link := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(read(t, document), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), link[1])); err != nil {
				t.Errorf("%s links to %s: %v", document, link[1], err)
			}
		}
	}
}

// A guarantee is only as good as its tests: every one that the page names is there.
func TestGuaranteesNameTestsThatExist(t *testing.T) {
	existing := testNames(t)
	named := regexp.MustCompile("`((?:Test|Fuzz|Example)[A-Za-z0-9_]*)`").FindAllStringSubmatch(read(t, "docs/guarantees.md"), -1)
	if len(named) < 20 {
		t.Errorf("only %d tests are named", len(named))
	}
	for _, name := range named {
		if !slices.Contains(existing, name[1]) {
			t.Errorf("%s is nowhere", name[1])
		}
	}
}

// The page lists every decoder that is fuzzed, so it says which one a new one stands beside.
func TestGuaranteesNameEveryFuzzTarget(t *testing.T) {
	page := read(t, "docs/guarantees.md")
	for _, name := range testNames(t) {
		if strings.HasPrefix(name, "Fuzz") && !strings.Contains(page, "`"+name+"`") {
			t.Errorf("%s is not on the page", name)
		}
	}
}

// Every invariant has a row, and every row a test.
func TestGuaranteesHoldEveryInvariant(t *testing.T) {
	page := read(t, "docs/guarantees.md")
	for i := 1; i <= 10; i++ {
		row := regexp.MustCompile(fmt.Sprintf(`(?m)^\| %d \|.*$`, i)).FindString(page)
		if !strings.Contains(row, "`Test") {
			t.Errorf("invariant %d: %q names no test", i, row)
		}
	}
}

// testNames are those of all test functions of the module.
func testNames(t *testing.T) (names []string) {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Example)\w*)\(`)
	for _, p := range packages(t) {
		files, err := filepath.Glob(filepath.Join(p.Dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for _, match := range function.FindAllStringSubmatch(read(t, file), -1) {
				names = append(names, match[1])
			}
		}
	}
	return names
}
