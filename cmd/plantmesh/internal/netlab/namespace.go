//go:build linux

package netlab

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// namespacePrefix begins the names of all namespaces of labs; the number of the test's process comes next.
const namespacePrefix = "plantmesh-lab-"

// namespace is a machine's network: interfaces, addresses, routes and sockets of its own.
type namespace string

func (n namespace) create() error { return command("ip", "netns", "add", string(n)) }

// remove takes the interfaces in it away, too. Sockets that are still open keep it alive, nameless, until they close.
func (n namespace) remove() error { return command("ip", "netns", "del", string(n)) }

func (n namespace) ip(args ...string) error {
	return command("ip", append([]string{"-n", string(n)}, args...)...)
}

func (n namespace) tc(args ...string) error {
	return command("tc", append([]string{"-n", string(n)}, args...)...)
}

// command is a program that runs in the namespace. It is the process itself: what is sent to it arrives.
func (n namespace) command(ctx context.Context, program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", string(n), program}, args...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// inside calls a function whose sockets are made in the namespace. They stay there.
func (n namespace) inside(f func() error) error {
	runtime.LockOSThread()
	own, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }()
	there, err := os.Open(filepath.Join("/run/netns", string(n)))
	if err != nil {
		return err
	}
	defer func() { _ = there.Close() }()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter %s: %w", n, err)
	}
	err = f()
	if back := unix.Setns(int(own.Fd()), unix.CLONE_NEWNET); back != nil {
		return fmt.Errorf("leave %s: %w", n, back) // the thread stays locked, and ends with its goroutine
	}
	runtime.UnlockOSThread()
	return err
}

// dial connects from within the namespace, to an address of digits.
func (n namespace) dial(ctx context.Context, address string) (conn net.Conn, err error) {
	err = n.inside(func() error {
		var dialer net.Dialer
		conn, err = dialer.DialContext(ctx, "tcp4", address)
		return err
	})
	return conn, err
}

// listen takes connections within the namespace.
func (n namespace) listen(ctx context.Context, address string) (listener net.Listener, err error) {
	err = n.inside(func() error {
		var config net.ListenConfig
		listener, err = config.Listen(ctx, "tcp4", address)
		return err
	})
	return listener, err
}

func command(program string, args ...string) error {
	out, err := exec.Command(program, args...).CombinedOutput() //nolint:noctx // milliseconds
	if err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}
