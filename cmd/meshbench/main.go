package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"syscall"
	"time"
)

// serveNATS is the hidden command that turns this program into a nats-server.
const serveNATS = "serve-nats"

func main() {
	if len(os.Args) == 3 && os.Args[1] == serveNATS {
		exit(runNATS(os.Args[2]))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	exit(run(ctx))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "meshbench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// settings are what the flags say.
type settings struct {
	rounds        int
	only          *regexp.Regexp
	json          bool
	dir           string
	plantmesh     string // binary; empty: build it
	events        int    // of a catch-up
	restartEvents int
	duration      time.Duration // of one measurement of publishing
}

func parseFlags() (settings, error) {
	var s settings
	var only string
	flag.IntVar(&s.rounds, "rounds", 5, "how often each case is measured for each system; the median counts")
	flag.StringVar(&only, "only", "", "regular expression: only the cases whose name it matches")
	flag.BoolVar(&s.json, "json", false, "write the results as one JSON object on standard output")
	flag.StringVar(&s.dir, "dir", "", "folder for the data of all servers, on the disk to be measured; empty: the system's temporary folder")
	flag.StringVar(&s.plantmesh, "plantmesh", "", "plantmesh binary to measure; empty: build it from this source")
	flag.IntVar(&s.events, "events", 1_000_000, "events of a catch-up")
	flag.IntVar(&s.restartEvents, "restart-events", 10_000_000, "events of a restart")
	flag.DurationVar(&s.duration, "duration", 3*time.Second, "how long one measurement of publishing goes on")
	flag.Parse()
	if flag.NArg() > 0 {
		return s, fmt.Errorf("unknown argument %q: see --help", flag.Arg(0))
	}
	if s.rounds < 1 || s.events < 1 || s.restartEvents < 1 || s.duration <= 0 {
		return s, errors.New("--rounds, --events, --restart-events and --duration have to be above 0")
	}
	var err error
	if s.only, err = regexp.Compile(only); err != nil {
		return s, fmt.Errorf("--only: %w", err)
	}
	return s, nil
}

func run(ctx context.Context) (err error) {
	s, err := parseFlags()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp(s.dir, "meshbench-")
	if err != nil {
		return fmt.Errorf("folder for the data: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if s.plantmesh == "" {
		if s.plantmesh, err = build(ctx, filepath.Join(dir, "plantmesh")); err != nil {
			return err
		}
	}
	b := newBench(s, dir)
	results, err := b.measure(ctx)
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(os.Stdout, results)
	}
	return writeTable(os.Stdout, s, results)
}
