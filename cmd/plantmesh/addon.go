package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh/node/odoo"
)

func newOdooAddon() *cobra.Command {
	var out string
	var major int
	cmd := &cobra.Command{
		Use: "addon", Short: "Write the add-on for companies that allow no code in server actions", Args: cobra.NoArgs,
		Long: `Write the Odoo module plantmesh_connector, which has the code that applies events as files, for companies that do not allow code in server
actions. It is the code of this version of plantmesh: write it again with each upgrade that asks for it. Have it installed in Odoo, then run
plantmesh odoo provision. docs/odoo.md says how, and what differs.`,
		Example: `  plantmesh odoo addon --out /srv/odoo/addons`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			addon, err := odoo.AddonFor(major)
			if err != nil {
				return fmt.Errorf("--odoo-version: %w", err)
			}
			folder := filepath.Join(out, odoo.AddonModule)
			if err := writeAddon(out, addon); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is version %d for Odoo %d: %d files, fingerprint %s\n", folder, addon.Version, major, len(addon.Files), addon.Fingerprint)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "folder to write the module into, such as one of Odoo's addons path")
	cmd.Flags().IntVar(&major, "odoo-version", odoo.NewestVersion, "version of Odoo that it is for")
	if err := cmd.MarkFlagRequired("out"); err != nil {
		panic(err)
	}
	return cmd
}

// writeAddon writes the module into a folder. It takes the place of an earlier one, of which nothing is left, and of nothing else.
func writeAddon(out string, addon *odoo.Addon) error {
	folder := filepath.Join(out, odoo.AddonModule)
	manifest, err := os.ReadFile(filepath.Join(folder, "__manifest__.py"))
	switch {
	case err == nil && !strings.Contains(string(manifest), "'author': 'plantmesh'"):
		return fmt.Errorf("%s is another module: give another folder with --out", folder)
	case err == nil:
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	default:
		if _, err := os.Stat(folder); err == nil {
			return fmt.Errorf("%s is there, and is no module of Odoo: give another folder with --out", folder)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(addon.Files)) {
		path := filepath.Join(out, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(addon.Files[name]), 0o644); err != nil {
			return err
		}
	}
	return nil
}
