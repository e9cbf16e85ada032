package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

// Exit statuses.
const (
	exitOK     = 0
	exitFailed = 1 // it was tried, and the message says why it did not work
	exitUsage  = 2 // the command line or the configuration is wrong
)

func main() {
	os.Exit(run(untilInterrupted(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main without the process: it executes one command line and returns its exit status.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errReported):
		return exitFailed
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = errors.New("interrupted")
	}
	fmt.Fprintf(stderr, "plantmesh: %v\n", err)
	if errors.As(err, &usage) {
		if usage.help != "" {
			fmt.Fprintf(stderr, "See `%s --help`.\n", usage.help)
		}
		return exitUsage
	}
	return exitFailed
}

// errReported is returned by a command that has said already what is wrong.
var errReported = errors.New("reported")

// usageError is a mistake in the command line or the configuration.
type usageError struct {
	err  error
	help string // command to ask for help
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "plantmesh",
		Short: "A federated event mesh for groups that manufacture at several sites",
		Long: `plantmesh keeps a site's business events in a local log, replicates what other sites subscribe to, and applies
events in Odoo exactly once. Every site runs one node: plantmesh run.

The first interrupt (Ctrl-C, SIGTERM) ends a command in order, a second one at once.

Exit status: 0 done, 1 it did not work, 2 the command line or the configuration is wrong.`,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return &usageError{err: err, help: cmd.CommandPath()} })
	root.AddCommand(newInit(), newRun(), newPublish(), newTail(), newStatus(), newPeers(), newConfig(), newVerify(), newSubscriptions(), newReplicas(), newConsumers(), newParked(), newOdoo(), newReplay(), newDemo(), newVersion())
	root.InitDefaultCompletionCmd()
	for _, cmd := range root.Commands() {
		wrapArgs(cmd)
	}
	root.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return &usageError{err: fmt.Errorf("unknown command %q", args[0]), help: "plantmesh"}
		}
		return nil
	}
	root.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return root
}

// wrapArgs makes wrong arguments a mistake of usage, and an unknown command of a group one too.
func wrapArgs(cmd *cobra.Command) {
	if cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args, cmd.RunE = cobra.NoArgs, func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	check := cmd.Args
	if check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return &usageError{err: err, help: cmd.CommandPath()}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		wrapArgs(sub)
	}
}
