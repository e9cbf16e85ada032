package main

import (
	"errors"
	"flag"
	"io"
	"slices"
	"strings"
	"testing"
)

// named are the cases that others refer to by name: none may go missing.
var named = strings.Fields(`
	durable_publish_1k_1 durable_publish_1k_16 durable_publish_1k_256 durable_publish_stream_1k
	durable_publish_256b_1 durable_publish_256b_16 durable_publish_256b_256 durable_publish_stream_256b
	publish_latency_p50 publish_latency_p99 live_replication_p50 live_replication_p99
	catchup_0ms catchup_50ms catchup_200ms fanout_8 restart_10m
	disk_bytes_per_event disk_of_payload memory_idle memory_load`)

func TestCasesKeepTheirNames(t *testing.T) {
	if got := caseNames(allCases()); !slices.Equal(got, named) {
		t.Errorf("got %v\nwant %v", got, named)
	}
}

func TestOnlyPicksCasesByExpression(t *testing.T) {
	for only, want := range map[string]int{"": len(allCases()), "^catchup_": 3, "durable_publish_1k_16$": 1, "_p99": 2} {
		s, err := parseFlags([]string{"--only", only}, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(selectCases(s.only)); got != want {
			t.Errorf("--only %q: %d groups, want %d", only, got, want)
		}
	}
}

func TestMistakesOnTheCommandLineAreExplained(t *testing.T) {
	for args, want := range map[string]string{
		"--only (":                       "--only: error parsing regexp",
		"--only nothing-is-called-this":  "matches no case: see --list",
		"--rounds 0":                     "--rounds, --events",
		"--rounds many":                  "see --help",
		"--fast":                         "not defined: -fast: see --help",
		"catchup":                        `unknown argument "catchup"`,
		"--plantmesh /is/not/there":      "--plantmesh: stat /is/not/there",
		"--dir /is/not/there":            "--dir: stat /is/not/there",
		"--profile . --plantmesh /bin/x": "give either",
	} {
		if _, err := parseFlags(strings.Fields(args), io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", args, err, want)
		}
	}
}

func TestHelpNamesEveryFlag(t *testing.T) {
	var usage strings.Builder
	if _, err := parseFlags([]string{"--help"}, &usage); !errors.Is(err, flag.ErrHelp) {
		t.Fatal(err)
	}
	for _, name := range []string{"rounds", "only", "list", "json", "events", "restart-events", "duration", "catchup-limit", "profile"} {
		if !strings.Contains(usage.String(), "-"+name+" ") && !strings.Contains(usage.String(), "-"+name+"\n") {
			t.Errorf("the help lacks %s", name)
		}
	}
}
