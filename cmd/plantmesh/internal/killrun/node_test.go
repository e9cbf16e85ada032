package killrun_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// node is plantmesh as a process.
type node struct {
	name, binary, config string

	mu      sync.Mutex // guards what follows, and keeps a kill and its restart together
	command *exec.Cmd
	exited  chan error
	ended   error // that it ended by itself
}

// start runs the node. The caller holds the lock, or is the only one yet.
func (n *node) start() error {
	output, err := os.OpenFile(n.log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = output.Close() }()
	n.command = exec.Command(n.binary, "run", "--config", n.config)
	n.command.Dir, n.command.Stdout, n.command.Stderr = filepath.Dir(n.config), output, output
	if err := n.command.Start(); err != nil {
		return err
	}
	n.exited = make(chan error, 1)
	go func(command *exec.Cmd, exited chan<- error) { exited <- command.Wait() }(n.command, n.exited)
	return nil
}

func (n *node) log() string { return filepath.Join(filepath.Dir(n.config), "node.log") }

// strike is kill -9, and another start at once.
func (n *node) strike() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if err := n.look(); err != nil {
		return err
	}
	if err := n.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	_ = <-n.exited // killed: it has nothing more to say
	return n.start()
}

// died tells whether the node ended by itself.
func (n *node) died() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.look()
}

func (n *node) look() error {
	select {
	case err := <-n.exited:
		n.ended = fmt.Errorf("the node of %s ended by itself: %w", n.name, errors.Join(err, errors.New("see its log")))
	default:
	}
	return n.ended
}

// stop ends the node when the test does, and shows the end of its log if that failed.
func (n *node) stop(t *testing.T) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended == nil && n.command != nil {
		_ = n.command.Process.Signal(os.Interrupt)
		select {
		case _ = <-n.exited:
		case <-time.After(stopTimeout):
			_ = n.command.Process.Kill()
			_ = <-n.exited
		}
	}
	if t.Failed() {
		text, _ := os.ReadFile(n.log())
		t.Logf("log of %s:\n%s", n.name, text[max(0, len(text)-6<<10):])
	}
}
