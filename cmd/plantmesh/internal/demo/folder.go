package demo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	// folderPrefix begins the names of the demo's temporary folders.
	folderPrefix = "plantmesh-demo-"
	// markerFile in such a folder says whose it is: the demo's process and its machine.
	markerFile = ".plantmesh-demo"
)

// folder is where the sites live, and how it is removed.
func folder(keep string) (string, func() error, error) {
	if keep != "" {
		absolute, err := filepath.Abs(keep)
		if err != nil {
			return "", nil, err
		}
		if entries, err := os.ReadDir(absolute); err == nil && len(entries) > 0 {
			return "", nil, fmt.Errorf("--keep %s: the folder is not empty: name a new one", keep)
		}
		return absolute, func() error { return nil }, os.MkdirAll(absolute, 0o755)
	}
	sweep()
	dir, err := os.MkdirTemp("", folderPrefix)
	if err != nil {
		return "", nil, err
	}
	remove := func() error { return os.RemoveAll(dir) }
	if err := os.WriteFile(filepath.Join(dir, markerFile), []byte(marker(os.Getpid())), 0o600); err != nil {
		return "", nil, errors.Join(err, remove())
	}
	return dir, remove, nil
}

// marker is what stands in the marker file. A process number means something on one machine only: containers may share
// the temporary folder.
func marker(pid int) string {
	machine, _ := os.Hostname()
	return fmt.Sprintf("%d of plantmesh demo on %s\n", pid, machine)
}

// sweep removes the folders of demos on this machine that were killed before they could do it. What cannot be removed, or
// is not certain to be such a folder, stays.
func sweep() {
	folders, _ := filepath.Glob(filepath.Join(os.TempDir(), folderPrefix+"*"))
	for _, dir := range folders {
		text, err := os.ReadFile(filepath.Join(dir, markerFile))
		if err != nil {
			continue
		}
		number, _, _ := strings.Cut(string(text), " ")
		pid, err := strconv.Atoi(number)
		if err != nil || string(text) != marker(pid) || !isDead(pid) {
			continue
		}
		_ = os.RemoveAll(dir) // the next demo tries again
	}
}

// isDead is true when there is certainly no process of that number.
func isDead(pid int) bool {
	process, err := os.FindProcess(pid)
	if err != nil {
		return errors.Is(err, os.ErrProcessDone)
	}
	defer func() { _ = process.Release() }()
	return errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone)
}
