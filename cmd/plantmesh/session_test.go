package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// session is one person's folder, in which command lines are executed within the test's process.
type session struct {
	t      *testing.T
	config string
}

// newSession sets up plant-a. Nothing runs.
func newSession(t *testing.T) *session {
	t.Helper()
	dir := t.TempDir()
	s := &session{t: t, config: filepath.Join(dir, "plant-a", "plantmesh.yaml")}
	if status, _, stderr := s.run("", "init", "--dir", dir, "--mesh", "acme-test", "--site", "plant-a", "--listen", freeAddress(t)); status != exitOK {
		t.Fatal(stderr)
	}
	return s
}

func (s *session) run(stdin string, args ...string) (status int, stdout, stderr string) {
	s.t.Helper()
	var out, errs bytes.Buffer
	status = run(s.t.Context(), args, strings.NewReader(stdin), &out, &lockedWriter{w: &errs})
	return status, out.String(), errs.String()
}

// background executes a command line until the test ends. It returns the lines of what it writes to standard output and
// standard error together.
func (s *session) background(args ...string) <-chan string {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	reader, writer := io.Pipe()
	both := &lockedWriter{w: writer}
	lines := make(chan string, 1024)
	var running sync.WaitGroup
	running.Go(func() {
		_ = run(ctx, args, strings.NewReader(""), both, both)
		_ = writer.Close()
	})
	running.Go(func() {
		defer close(lines)
		for scanner := bufio.NewScanner(reader); scanner.Scan(); {
			lines <- scanner.Text()
		}
	})
	s.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return lines
}

// node runs the session's node, and waits until it serves.
func (s *session) node() {
	s.t.Helper()
	waitForLine(s.t, s.background("run", "--config", s.config), "node serves")
}

func waitForLine(t *testing.T, lines <-chan string, text string) {
	t.Helper()
	var seen []string
	for {
		select {
		case line, ok := <-lines:
			if seen = append(seen, line); !ok {
				t.Fatalf("it ended without %q: %q", text, seen)
			}
			if strings.Contains(line, text) {
				return
			}
		case <-t.Context().Done():
			t.Fatalf("no %q in %q", text, seen)
		}
	}
}

const eventLine = `{"id":"r-1","source":"//plant-a/mes","type":"plantmesh.manufacturing.v1.ProductionCompleted",` +
	`"time":"2026-05-04T10:00:00Z","data":{"order_id":"WO-1","item_id":"bearing","quantity":{"value":"5","unit":"C62"}}}` + "\n"

// Somebody tails before anything has happened, and sees what happens: in any stream.
func TestTailOfAllStreamsFollowsThoseThatAreNew(t *testing.T) {
	s := newSession(t)
	s.node()
	lines := s.background("tail", "--config", s.config, "--from", "earliest") // whether it lists the streams before or after the event is recorded
	if status, _, stderr := s.run(eventLine, "publish", "--config", s.config); status != exitOK {
		t.Fatal(stderr)
	}
	waitForLine(t, lines, "plant-a/production@1")
	hold := []string{"publish", "--config", s.config, "--type", "plantmesh.manufacturing.v1.QualityHoldPlaced", "--source", "//plant-a/mes", "--id", "h-1",
		"--data", `{"hold_id":"H-1","item_id":"bearing","lot_id":"L-1","reason_code":"surface"}`}
	if status, _, stderr := s.run("", hold...); status != exitOK {
		t.Fatal(stderr)
	}
	waitForLine(t, lines, "plant-a/quality@1")
}

func TestExitStatusTellsWrongUseFromWhatDidNotWork(t *testing.T) {
	s := newSession(t) // no node
	for _, c := range []struct {
		status int
		args   []string
	}{
		{exitOK, []string{"--help"}},
		{exitOK, []string{"config"}},
		{exitOK, []string{"completion", "zsh"}},
		{exitOK, []string{"config", "check", s.config}},
		{exitFailed, []string{"status", "--config", s.config}},
		{exitFailed, []string{"publish", "--config", s.config, "no-such-file"}},
		{exitFailed, []string{"init", "--dir", filepath.Dir(filepath.Dir(s.config)), "--site", "plant-a"}}, // is there
		{exitUsage, []string{"rum"}},
		{exitUsage, []string{"config", "chekc"}},
		{exitUsage, []string{"completion", "nosh"}},
		{exitUsage, []string{"status", "--nope"}},
		{exitUsage, []string{"run", "extra"}},
		{exitUsage, []string{"run", "--config", "no-such-file"}},
		{exitUsage, []string{"run", "--config", s.config, "--log-format", "xml"}},
		{exitUsage, []string{"init"}},
		{exitUsage, []string{"init", "--site", "plant-b", "--days", "0"}},
		{exitUsage, []string{"tail", "--config", s.config, "--from", "yesterday"}},
		{exitUsage, []string{"status", "--address", "127.0.0.1:1"}},
		{exitUsage, []string{"verify", "--offline", "--config", s.config, "--offset", "3"}},
		{exitUsage, []string{"demo", "--input", "file"}},
		{exitUsage, []string{"demo", "--odoo-url", "http://127.0.0.1:1"}},
		{exitUsage, []string{"demo", "--scenes", "nope"}},
	} {
		if status, stdout, stderr := s.run("", c.args...); status != c.status {
			t.Errorf("%q: exit status %d, want %d\n%s%s", c.args, status, c.status, stdout, stderr)
		}
	}
}
