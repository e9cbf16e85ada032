package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh/node/odoo"
)

func newOdoo() *cobra.Command {
	group := &cobra.Command{
		Use:   "odoo",
		Short: "Set Odoo up for a node, check it, and compare the two",
		Long: `Set Odoo up for a node that faces it, check that all is there, and take it back: for these the node itself need not run. Compare what the mesh
says with what Odoo has. docs/odoo.md says what is made in Odoo, and what it is for.`,
	}
	group.AddCommand(newOdooProvision(), newOdooCheck(), newOdooAddon(), newOdooTotals(), newOdooReconcile(), newOdooApprove())
	return group
}

// provisioning is what the flags of odoo provision say.
type provisioning struct {
	config, keyFile, keyEnv, adminLogin, login, writeKey, confirm string
	dry, yes, remove, newKey, asJSON                              bool
}

func newOdooProvision() *cobra.Command {
	var f provisioning
	cmd := &cobra.Command{
		Use: "provision", Short: "Make what the node needs in Odoo, and the user that it works as", Args: cobra.NoArgs,
		Long: `Make what the node needs in Odoo: models, fields, indexes, server actions (none where the add-on applies events: odoo.code), a group
with the rights that applying events needs and no others, and a user in it, with an API key. It takes the key of an administrator (a user with the right Settings), which it does not keep. It shows what it
will do, and asks first. It can be run again: it does what is missing, and brings an older version up to date. --remove takes all of it back;
orders, moves, products and postings stay.`,
		Example: `  plantmesh odoo provision --admin-key-env ODOO_ADMIN_KEY --write-key odoo.key
  plantmesh odoo provision --admin-key-file admin.key --dry-run
  plantmesh odoo provision --admin-key-file admin.key --remove --confirm production`,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&f.config, "config", "c", "", "configuration of the node that faces Odoo (default ./plantmesh.yaml)")
	flags.StringVar(&f.keyFile, "admin-key-file", "", "file with the administrator's API key in its first line")
	flags.StringVar(&f.keyEnv, "admin-key-env", "", "environment variable with the administrator's API key")
	flags.StringVar(&f.adminLogin, "admin-login", "admin", "the administrator's login, which JSON-RPC asks for (odoo.api)")
	flags.StringVar(&f.login, "user", odoo.ConnectorLogin, "login of the user that the node works as")
	flags.StringVar(&f.writeKey, "write-key", "", "file to write a new API key of that user to, for odoo.api_key_file; without it the key is printed")
	flags.BoolVar(&f.newKey, "new-key", false, "make a new API key, though the user is there")
	flags.BoolVar(&f.dry, "dry-run", false, "only say what would be done")
	flags.BoolVarP(&f.yes, "yes", "y", false, "do not ask")
	flags.BoolVar(&f.remove, "remove", false, "remove what was made, with the journal of applied events")
	flags.StringVar(&f.confirm, "confirm", "", "with --remove: the database's name, where its journal holds events")
	flags.BoolVar(&f.asJSON, "json", false, "write what was done as JSON; with --yes or --dry-run")
	cmd.MarkFlagsOneRequired("admin-key-file", "admin-key-env")
	cmd.MarkFlagsMutuallyExclusive("admin-key-file", "admin-key-env")
	cmd.MarkFlagsMutuallyExclusive("remove", "new-key")
	return cmd
}

func (f *provisioning) run(cmd *cobra.Command) error {
	cfg, err := odooConfig(f.config)
	if err != nil {
		return err
	}
	key, err := f.adminKey()
	if err != nil {
		return err
	}
	cfg.Login = f.adminLogin
	admin, err := odoo.NewAdministrator(cfg, key, f.login, slog.New(slog.DiscardHandler))
	if err != nil {
		return err
	}
	defer admin.Close()
	plan, err := f.plan(cmd, admin, cfg.Database)
	if err != nil {
		return explainAdministrator(err)
	}
	if f.remove {
		if remains, err := admin.Remains(cmd.Context()); err != nil {
			return explainAdministrator(err)
		} else if remains != "" {
			fmt.Fprintln(cmd.ErrOrStderr(), remains)
		}
	}
	if f.dry || len(plan) == 0 {
		return f.report(cmd.OutOrStdout(), "would ", plan, "")
	}
	if !f.yes && f.asJSON {
		return &usageError{err: errors.New("--json asks nobody: give --yes as well, or --dry-run to see what would be done"), help: cmd.CommandPath()}
	}
	if !f.yes {
		fmt.Fprintf(cmd.OutOrStdout(), "in database %s at %s, plantmesh will\n", cfg.Database, cfg.URL)
		for _, s := range plan {
			fmt.Fprintf(cmd.OutOrStdout(), "  %s\n", s)
		}
		if !confirmed(cmd.InOrStdin(), cmd.OutOrStdout()) {
			return errors.New("nothing was done: answer y, or give --yes")
		}
	}
	var done []odoo.Step
	made := ""
	if f.remove {
		done, err = admin.Remove(cmd.Context())
	} else {
		done, made, err = admin.Provision(cmd.Context(), f.newKey)
	}
	if made != "" && f.writeKey != "" {
		if failed := writeSecret(f.writeKey, made); failed != nil {
			err = errors.Join(err, failed)
		} else {
			fmt.Fprintf(cmd.ErrOrStderr(), "the API key is in %s\n", f.writeKey)
			made = ""
		}
	}
	return errors.Join(f.report(cmd.OutOrStdout(), "did ", done, made), explainAdministrator(err))
}

func (f *provisioning) adminKey() (string, error) {
	if f.keyEnv != "" {
		if key := strings.TrimSpace(os.Getenv(f.keyEnv)); key != "" {
			return key, nil
		}
		return "", fmt.Errorf("--admin-key-env: the environment variable %s is not set", f.keyEnv)
	}
	b, err := os.ReadFile(f.keyFile)
	if err != nil {
		return "", fmt.Errorf("--admin-key-file: %w", err)
	}
	line, _, _ := strings.Cut(string(b), "\n")
	if line = strings.TrimSpace(line); line == "" {
		return "", fmt.Errorf("--admin-key-file %s: its first line is empty", f.keyFile)
	}
	return line, nil
}

// plan says what is to be done. Removing a journal with events in it needs the database's name: without it, an event that comes again is
// applied again.
func (f *provisioning) plan(cmd *cobra.Command, admin *odoo.Administrator, database string) ([]odoo.Step, error) {
	if !f.remove {
		return admin.Plan(cmd.Context(), f.newKey)
	}
	n, err := admin.Journal(cmd.Context())
	if err != nil {
		return nil, err
	}
	if n > 0 && !f.dry && f.confirm != database {
		return nil, fmt.Errorf("database %s remembers %d events as applied: without that, they are applied again if they come again. Give --confirm %s to remove it all the same",
			database, n, database)
	}
	return admin.Removal(cmd.Context())
}

func (f *provisioning) report(w io.Writer, verb string, steps []odoo.Step, key string) error {
	if f.asJSON {
		return writeJSON(w, map[string]any{"steps": append([]odoo.Step{}, steps...), "dry_run": f.dry, "api_key": key})
	}
	for _, s := range steps {
		fmt.Fprintf(w, "%s%s\n", verb, s)
	}
	if len(steps) == 0 {
		fmt.Fprintln(w, "nothing to do")
	}
	if key != "" {
		fmt.Fprintf(w, "API key of %s: %s\nput it into the file that odoo.api_key_file names; it is not shown again\n", f.login, key)
	}
	return nil
}

// writeSecret writes a file that its owner alone may read, whatever it was before.
func writeSecret(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	err = file.Chmod(0o600)
	if err == nil {
		err = file.Truncate(0)
	}
	if err == nil {
		_, err = file.WriteString(text + "\n")
	}
	return errors.Join(err, file.Close())
}

func confirmed(in io.Reader, out io.Writer) bool {
	fmt.Fprint(out, "go on? [y/N] ")
	answer, _ := bufio.NewReader(in).ReadString('\n') // no answer is no
	return strings.EqualFold(strings.TrimSpace(answer), "y")
}

// explainAdministrator says which key a refusal is about.
func explainAdministrator(err error) error {
	var failed *odoo.Error
	if errors.As(err, &failed) && failed.Class == odoo.Configuration {
		return fmt.Errorf("%w: the administrator's key has to be of a user with the right Settings in this database", err)
	}
	return err
}

func newOdooCheck() *cobra.Command {
	var path string
	var asJSON bool
	cmd := &cobra.Command{
		Use: "check", Short: "Check server, clock, key, rights, apps, setup and mapping, and say all that is wrong at once", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := odooConfig(path)
			if err != nil {
				return err
			}
			findings, err := odoo.Check(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			wrong := 0
			for _, f := range findings {
				mark := "ok   "
				if !f.OK {
					wrong++
					mark = "WRONG"
				}
				if !asJSON {
					fmt.Fprintf(cmd.OutOrStdout(), "%s  %-10s %s\n", mark, f.About, f.Text)
				}
			}
			if asJSON {
				err = writeJSON(cmd.OutOrStdout(), map[string]any{"ok": wrong == 0, "findings": findings})
			}
			if wrong > 0 {
				return errors.Join(err, fmt.Errorf("%d of %d findings are wrong", wrong, len(findings)))
			}
			return err
		},
	}
	cmd.Flags().StringVarP(&path, "config", "c", "", "configuration of the node that faces Odoo (default ./plantmesh.yaml)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the findings as JSON")
	return cmd
}
