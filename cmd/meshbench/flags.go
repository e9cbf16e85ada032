package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"time"
)

// settings are what the flags say.
type settings struct {
	rounds        int
	only          *regexp.Regexp
	list          bool // say which cases there are, and measure none
	json          bool
	dir           string
	plantmesh     string // binary; empty: build it
	profile       string // folder for the profiles of plantmesh's processes; empty: none
	events        int    // of a catch-up, and of what is measured on disk
	restartEvents int
	duration      time.Duration // of one measurement of publishing
	limit         time.Duration // of one catch-up
}

// parseFlags reads the command line. It returns flag.ErrHelp when that asks for help, which is then on usage.
func parseFlags(args []string, usage io.Writer) (s settings, err error) {
	var only string
	f := flag.NewFlagSet("meshbench", flag.ContinueOnError)
	f.SetOutput(io.Discard) // what is wrong is told once, by main
	f.IntVar(&s.rounds, "rounds", 5, "how often each case is measured for each system; the median counts")
	f.StringVar(&only, "only", "", "regular expression: only the cases whose name it matches")
	f.BoolVar(&s.list, "list", false, "print the names of the cases and measure nothing")
	f.BoolVar(&s.json, "json", false, "write the results as one JSON object on standard output")
	f.StringVar(&s.dir, "dir", "", "folder for the data of all servers, on the disk to be measured; empty: the system's temporary folder")
	f.StringVar(&s.plantmesh, "plantmesh", "", "plantmesh binary to measure; empty: build it from this source")
	f.StringVar(&s.profile, "profile", "", "folder for CPU and heap profiles of each plantmesh process, for go tool pprof; it makes them a little slower")
	f.IntVar(&s.events, "events", 1_000_000, "events of a catch-up, and of the folder whose size on disk is measured")
	f.IntVar(&s.restartEvents, "restart-events", 10_000_000, "events of a restart")
	f.DurationVar(&s.duration, "duration", 3*time.Second, "how long one measurement of publishing goes on")
	f.DurationVar(&s.limit, "catchup-limit", time.Minute, "a catch-up that is not through by then counts with what it has")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(usage, "meshbench measures plantmesh and NATS JetStream side by side. Flags:")
		f.SetOutput(usage)
		f.PrintDefaults()
		return s, err
	case err != nil:
		return s, fmt.Errorf("%w: see --help", err)
	case f.NArg() > 0:
		return s, fmt.Errorf("unknown argument %q: see --help", f.Arg(0))
	case s.rounds < 1 || s.events < 1 || s.restartEvents < 1 || s.duration <= 0 || s.limit <= 0:
		return s, errors.New("--rounds, --events, --restart-events, --duration and --catchup-limit have to be above 0")
	case s.profile != "" && s.plantmesh != "":
		return s, errors.New("--profile builds its own plantmesh: give either that or --plantmesh")
	}
	if s.only, err = regexp.Compile(only); err != nil {
		return s, fmt.Errorf("--only: %w", err)
	}
	if len(selectCases(s.only)) == 0 {
		return s, fmt.Errorf("--only %s: matches no case: see --list", only)
	}
	return s, s.checkPaths()
}

// checkPaths makes the paths independent of the current folder and fails for those that are not there.
func (s *settings) checkPaths() error {
	for _, path := range []struct {
		flag  string
		value *string
	}{{"--dir", &s.dir}, {"--plantmesh", &s.plantmesh}, {"--profile", &s.profile}} {
		if *path.value == "" {
			continue
		}
		if _, err := os.Stat(*path.value); err != nil {
			return fmt.Errorf("%s: %w", path.flag, err)
		}
		var err error
		if *path.value, err = filepath.Abs(*path.value); err != nil {
			return fmt.Errorf("%s: %w", path.flag, err)
		}
	}
	return nil
}
