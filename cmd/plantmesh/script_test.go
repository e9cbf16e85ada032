package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/plantmesh/plantmesh/node/odoo/sandbox"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"plantmesh": main, "stubborn": stubborn})
}

// stubborn is a program that does not end when it is interrupted.
func stubborn() {
	ctx := untilInterrupted()
	fmt.Println("ready")
	<-ctx.Done()
	fmt.Println("interrupted")
	select {}
}

// TestScripts runs the command line as its users do: each script in testdata/script is a session in a folder of its own.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Values[nodesKey{}] = new([]func())
			env.Values[linesKey{}] = map[string]*atomic.Bool{}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"freeport":  freePort,
			"node":      startNode,
			"waitfor":   waitFor,
			"waitline":  waitLine,
			"stopnodes": stopNodes,
			"sandbox":   startSandbox,
			"line":      startLine,
			"cut":       setLine(true),
			"mend":      setLine(false),
		},
	})
}

// freeport NAME: sets the variable to a loopback address that was free a moment ago.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Setenv(args[0], l.Addr().String())
	ts.Check(l.Close())
}

// node CONFIG: runs a node in the background until the script ends, and waits until it serves.
func startNode(ts *testscript.TestScript, _ bool, args []string) {
	binary, err := exec.LookPath("plantmesh")
	ts.Check(err)
	command := exec.Command(binary, "run", "--config", ts.MkAbs(args[0]))
	output, err := command.StderrPipe()
	ts.Check(err)
	ts.Check(command.Start())
	serves := make(chan bool, 1)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "node serves") {
				serves <- true
			}
		}
		serves <- false
	}()
	stop := sync.OnceFunc(func() {
		_ = command.Process.Signal(os.Interrupt)
		<-drained
		_ = command.Wait()
	})
	running, _ := ts.Value(nodesKey{}).(*[]func())
	*running = append(*running, stop)
	ts.Defer(stop)
	select {
	case ok := <-serves:
		if !ok {
			ts.Fatalf("the node of %s does not serve", args[0])
		}
	case <-time.After(time.Minute):
		ts.Fatalf("the node of %s does not serve in time", args[0])
	}
}

// sandbox NAME: runs a sandbox of Odoo until the script ends, with database mesh and API key key, and sets the variable to its address.
func startSandbox(ts *testscript.TestScript, _ bool, args []string) {
	server := httptest.NewServer(sandbox.New("mesh", "key"))
	ts.Defer(server.Close)
	ts.Setenv(args[0], server.URL)
}

// nodesKey finds the nodes that a script runs, by how they are stopped.
type nodesKey struct{}

// stopnodes: stops the nodes that run.
func stopNodes(ts *testscript.TestScript, _ bool, _ []string) {
	running, _ := ts.Value(nodesKey{}).(*[]func())
	for _, stop := range *running {
		stop()
	}
	*running = nil
}

// waitline FILE REGEXP: waits until the file has a line like that.
func waitLine(ts *testscript.TestScript, _ bool, args []string) {
	line, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	tick, late := time.NewTicker(20*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && line.Match(text) {
			return
		}
		select {
		case <-tick.C:
		case <-late:
			ts.Fatalf("%s has no line like %q in time: %s", args[0], args[1], text)
		}
	}
}

// waitfor CONFIG replica STREAM OFFSET | waitfor CONFIG adapter READ | waitfor CONFIG status REGEXP: waits until a node's status says so.
func waitFor(ts *testscript.TestScript, _ bool, args []string) {
	c := connection{config: ts.MkAbs(args[0])}
	client, err := c.dial(io.Discard)
	ts.Check(err)
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		status, err := client.Admin().GetStatus(ctx, &adminv1.GetStatusRequest{})
		ts.Check(err)
		if holds(ts, status, args[1:]) {
			return
		}
		<-tick.C
	}
}

func holds(ts *testscript.TestScript, s *adminv1.GetStatusResponse, want []string) bool {
	switch want[0] {
	case "replica":
		for _, r := range s.GetReplicas() {
			if r.GetStream() == want[1] && r.GetOffset() >= parse(ts, want[2]) {
				return true
			}
		}
	case "adapter":
		for _, a := range s.GetAdapters() {
			if a.GetTotal().GetRead() >= parse(ts, want[1]) {
				return true
			}
		}
	case "status":
		var text strings.Builder
		ts.Check(printStatus(&text, s, time.Now()))
		line, err := regexp.Compile("(?m)" + want[1])
		ts.Check(err)
		return line.MatchString(text.String())
	default:
		ts.Fatalf("waitfor: unknown condition %q", want[0])
	}
	return false
}

func parse(ts *testscript.TestScript, s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	ts.Check(err)
	return n
}

// People copy from deploy; the demo has to work without it.
func TestShopFloorExampleIsTheDemosMapping(t *testing.T) {
	example, err := os.ReadFile("../../deploy/examples/shop-floor.yaml")
	if err != nil {
		t.Fatal(err)
	}
	embedded, err := os.ReadFile(filepath.Join("internal", "demo", "shop-floor.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if string(example) != string(embedded) {
		t.Error("deploy/examples/shop-floor.yaml and the demo's copy differ: copy one over the other")
	}
}
