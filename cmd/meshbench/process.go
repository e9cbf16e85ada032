package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = 2 * time.Minute
	stopTimeout  = time.Minute
	pollEvery    = 2 * time.Millisecond
)

// process is a server.
type process struct {
	cmd     *exec.Cmd
	log     string    // file of what it wrote
	profile string    // files of its profiles, without their ends; empty: it has none
	started time.Time // or when it was told to mirror
	done    chan error
}

func startProcess(log, profile, name string, args ...string) (*process, error) {
	file, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }() // the process has its own
	p := &process{cmd: exec.Command(name, args...), log: log, profile: profile, started: time.Now(), done: make(chan error, 1)}
	p.cmd.Stdout, p.cmd.Stderr = file, file
	if profile != "" {
		p.cmd.Env = append(os.Environ(), profileEnv+"="+profile)
	}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { p.done <- p.cmd.Wait() }()
	return p, nil
}

// until waits for ready to succeed, and fails when the process ends first.
func (p *process) until(ctx context.Context, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case ended := <-p.done:
			p.done <- ended
			text, _ := os.ReadFile(p.log)
			return fmt.Errorf("%s ended: %w\n%s", p.cmd.Path, ended, text)
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w", p.cmd.Path, err)
		case <-time.After(pollEvery):
		}
	}
}

// stop lets the process end in order.
func (p *process) stop() error {
	if err := p.profiled(); err != nil {
		return errors.Join(err, p.cmd.Process.Kill())
	}
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case err := <-p.done:
		p.done <- err
		if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() { //nolint:errcheck,forcetypeassert // on Unix it is one
			return nil // nats-server ends with the signal it got
		}
		return err
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("%s does not stop within %s", p.cmd.Path, stopTimeout), p.cmd.Process.Kill())
	}
}

// memory reads a line of /proc/PID/status, such as VmRSS, in bytes.
func (p *process) memory(line string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid)) //nolint:gosec // a number
	if err != nil {
		return 0, err
	}
	for row := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(row, line+":"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kib * 1024, err
		}
	}
	return 0, fmt.Errorf("no %s in /proc/%d/status", line, p.cmd.Process.Pid)
}

// freeAddress is one that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // does not wait
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}

func reachable(ctx context.Context, address string) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	return conn.Close()
}

// diskBytes is what a folder takes on disk.
func diskBytes(dir string) (float64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error { //nolint:gosec // in the folder of this run
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += stat.Blocks * 512
		}
		return nil
	})
	return float64(sum), err
}
