package main

import (
	"fmt"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh/node"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Look at a configuration"}
	cmd.AddCommand(newConfigCheck())
	return cmd
}

func newConfigCheck() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check a configuration and what it refers to, and print it in full",
		Long: `Check a configuration, the certificate and the mappings that it names, and print it with every default filled in and
secrets hidden. All faults are listed, each with its path and value.`,
		Example: "  plantmesh config check plant-a/plantmesh.yaml",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				path = args[0]
			}
			cfg, err := loadConfig(path)
			if err != nil {
				return err
			}
			if err := node.Check(cfg); err != nil {
				return &usageError{err: err}
			}
			text, err := cfg.Redacted().Marshal()
			if err != nil {
				return err
			}
			if asJSON {
				if text, err = yaml.YAMLToJSON(text); err != nil {
					return err
				}
			}
			for _, line := range cfg.Openings(time.Now()) {
				if !asJSON {
					text = append(text, "# "+line+"\n"...)
				}
			}
			_, err = fmt.Fprint(cmd.OutOrStdout(), string(text))
			return err
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "", "configuration (default ./plantmesh.yaml)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	return cmd
}
