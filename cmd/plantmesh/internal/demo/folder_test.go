package demo

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// deadProcess is the number of a process that has ended.
func deadProcess(t *testing.T) int {
	t.Helper()
	command := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
	return command.Process.Pid
}

// Only what is certainly left behind by a dead demo of this machine is removed.
func TestNextDemoRemovesTheFolderOfOneThatWasKilled(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	dead := marker(deadProcess(t))
	for name, text := range map[string]string{
		"killed":    dead,
		"running":   marker(os.Getpid()),
		"elsewhere": strings.Replace(dead, " on ", " on another-", 1),
		"strange":   "1",
	} {
		dir := filepath.Join(os.TempDir(), folderPrefix+name)
		if err := os.MkdirAll(filepath.Join(dir, "hq", "data"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, markerFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(os.TempDir(), folderPrefix+"unmarked"), 0o755); err != nil {
		t.Fatal(err)
	}

	dir, remove, err := folder("")
	if err != nil {
		t.Fatal(err)
	}
	for name, stays := range map[string]bool{"killed": false, "running": true, "elsewhere": true, "strange": true, "unmarked": true} {
		if _, err := os.Stat(filepath.Join(os.TempDir(), folderPrefix+name)); (err == nil) != stays {
			t.Errorf("%s: it is there: %t, want %t", name, err == nil, stays)
		}
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("its own folder stays: %v", err)
	}
}
