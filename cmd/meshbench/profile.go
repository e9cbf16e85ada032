package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// profileEnv names the files that a plantmesh process writes its profiles to, without their ends.
const profileEnv = "MESHBENCH_PROFILE"

// profiler is compiled into the plantmesh that is measured, beside its main: it profiles from the start until SIGUSR1.
const profiler = `package main

import (
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"syscall"
)

func init() {
	path := os.Getenv("` + profileEnv + `")
	if path == "" {
		return
	}
	cpu, err := os.Create(path + ".cpu.pprof")
	if err != nil || pprof.StartCPUProfile(cpu) != nil {
		return
	}
	done := make(chan os.Signal, 1)
	signal.Notify(done, syscall.SIGUSR1)
	go func() {
		<-done
		pprof.StopCPUProfile()
		_ = cpu.Close()
		runtime.GC()
		if heap, err := os.Create(path + ".heap"); err == nil {
			_ = pprof.WriteHeapProfile(heap)
			_ = heap.Close()
			_ = os.Rename(path+".heap", path+".heap.pprof")
		}
	}()
}
`

// profileTimeout is how long a process may take to write its profiles.
const profileTimeout = 10 * time.Second

// overlay writes a file for go build -overlay that adds the profiler to the source in root. Files go to dir.
func overlay(root, dir string) (string, error) {
	source, path := filepath.Join(dir, "profiler.go"), filepath.Join(dir, "overlay.json")
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{filepath.Join(root, "cmd", "plantmesh", "meshbench_profiler.go"): source}})
	if err != nil {
		return "", err
	}
	return path, errors.Join(os.WriteFile(source, []byte(profiler), 0o600), os.WriteFile(path, text, 0o600))
}

// profiled lets a process that profiles itself write its profiles.
func (p *process) profiled() error {
	if p.profile == "" {
		return nil
	}
	if err := p.cmd.Process.Signal(syscall.SIGUSR1); err != nil {
		return err
	}
	for deadline := time.Now().Add(profileTimeout); time.Now().Before(deadline); <-time.After(pollEvery) {
		if _, err := os.Stat(p.profile + ".heap.pprof"); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%s wrote no %s.heap.pprof within %s", p.cmd.Path, p.profile, profileTimeout)
}
