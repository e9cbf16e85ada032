package main

import (
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh/node"
)

func newRun() *cobra.Command {
	var path, format string
	var level slog.Level
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run a site's node",
		Long: `Run a site's node until it is interrupted. What it acknowledged is durable, however it ends.

Certificates and keys are read again by themselves when their files change. Everything else in the configuration needs a
restart: SIGHUP reloads nothing, and the log says so.`,
		Example: "  plantmesh run --config plant-a/plantmesh.yaml",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			options := &slog.HandlerOptions{Level: level}
			var handler slog.Handler
			switch format {
			case "text":
				handler = slog.NewTextHandler(cmd.ErrOrStderr(), options)
			case "json":
				handler = slog.NewJSONHandler(cmd.ErrOrStderr(), options)
			default:
				return &usageError{err: fmt.Errorf("--log-format %q: text or json", format), help: cmd.CommandPath()}
			}
			logger := slog.New(handler)
			defer answerHangups(logger)()
			return node.Run(cmd.Context(), cfg, logger)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&path, "config", "c", "", "configuration (default ./plantmesh.yaml)")
	f.TextVar(&level, "log-level", slog.LevelInfo, "debug, info, warn or error")
	f.StringVar(&format, "log-format", "text", "text or json, on standard error")
	return cmd
}
