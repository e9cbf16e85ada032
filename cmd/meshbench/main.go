package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
)

// serveNATS is the hidden command that turns this program into a nats-server.
const serveNATS = "serve-nats"

func main() {
	if len(os.Args) == 3 && os.Args[1] == serveNATS {
		exit(runNATS(os.Args[2]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx, os.Args[1:]))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "meshbench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, args []string) (err error) {
	s, err := parseFlags(args, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return nil
	case err != nil:
		return err
	case s.list:
		fmt.Println(strings.Join(caseNames(selectCases(s.only)), "\n"))
		return nil
	}
	dir, err := os.MkdirTemp(s.dir, "meshbench-")
	if err != nil {
		return fmt.Errorf("folder for the data: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if s.plantmesh == "" {
		if s.plantmesh, err = build(ctx, dir, s.profile != ""); err != nil {
			return err
		}
	}
	took, err := fsyncs(filepath.Join(dir, "fsync"))
	if err != nil {
		return fmt.Errorf("measure the disk: %w", err)
	}
	results, err := newBench(s, dir).measure(ctx)
	if len(results) == 0 {
		return err
	}
	if s.json {
		return errors.Join(err, writeJSON(os.Stdout, results))
	}
	return errors.Join(err, writeTable(os.Stdout, s, took, results))
}
