package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/setup"
)

func newInit() *cobra.Command {
	var dir, client string
	var site setup.Site
	var asJSON bool
	var days int
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Make a mesh's CA, a site's certificate and its configuration",
		Long: `Make what a site needs to run, in one step: the mesh's CA, unless the folder has it already, the site's certificate and
its configuration. With --client, make a client's certificate instead. Nothing is overwritten.`,
		Example: `  plantmesh init --mesh acme-prod --site plant-a
  plantmesh init --site hq --listen 0.0.0.0:7443 --peer plant-a.example:7443
  plantmesh init --site plant-b --reach outbound --peer hq.example:7443
  plantmesh init --client reporting`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if (site.Name == "") == (client == "") {
				return &usageError{err: errors.New("name either a site (--site) or a client (--client)"), help: cmd.CommandPath()}
			}
			if days < 1 {
				return &usageError{err: fmt.Errorf("--days %d: give at least 1", days), help: cmd.CommandPath()}
			}
			if err := checkReach(site); err != nil {
				return &usageError{err: err, help: cmd.CommandPath()}
			}
			site.Validity = time.Duration(days) * 24 * time.Hour
			var result setup.Result
			var err error
			if client != "" {
				result, err = setup.CreateClient(dir, client, site.Validity)
			} else {
				result, err = setup.CreateSite(dir, site)
			}
			if err != nil {
				return err
			}
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), result)
			}
			return describe(cmd.OutOrStdout(), result, site)
		},
	}
	f := cmd.Flags()
	f.StringVar(&dir, "dir", ".", "folder of the mesh: the CA, and a folder for each site")
	f.StringVar(&site.Mesh, "mesh", "", "name of the mesh, with its environment, such as acme-prod; needed for the first site")
	f.StringVar(&site.Name, "site", "", "name of the site, such as plant-a")
	f.StringVar(&client, "client", "", "name of a client, such as reporting")
	f.StringVar(&site.Region, "region", "eu", "region of the site")
	f.StringVar(&site.Listen, "listen", "127.0.0.1:7443", "host:port on which the node serves clients and peers")
	f.StringVar(&site.Reach, "reach", config.ReachDirect, "direct, or outbound if nobody can dial the site: it then opens the connections for both ways")
	f.StringArrayVar(&site.Peers, "peer", nil, "host:port of a node to link to; repeatable")
	f.StringArrayVar(&site.Hosts, "host", nil, "further host name of the site's machine, for clients that check host names; repeatable")
	f.IntVar(&days, "days", int(setup.DefaultValidity/(24*time.Hour)), "how long the certificate is valid")
	f.BoolVar(&asJSON, "json", false, "write what was made as JSON")
	return cmd
}

// checkReach finds what the configuration would be refused for, before anything is made.
func checkReach(site setup.Site) error {
	switch {
	case site.Reach != config.ReachDirect && site.Reach != config.ReachOutbound:
		return fmt.Errorf("--reach %s: give %s or %s", site.Reach, config.ReachDirect, config.ReachOutbound)
	case site.Reach == config.ReachOutbound && len(site.Peers) == 0:
		return errors.New("--reach outbound: name a node that the site can dial (--peer), for nobody can dial it")
	}
	return nil
}

// describe says what was made and what comes next.
func describe(w io.Writer, r setup.Result, s setup.Site) error {
	if r.NewCA {
		fmt.Fprintf(w, "made      the CA of mesh %s in %s\n          keep ca.key off the sites: whoever has it can speak as any of them\n", r.Mesh, r.CA)
	}
	fmt.Fprintf(w, "made      %s\n          %s, %s\n", r.Identity, r.Cert, r.Key)
	if r.Config == "" {
		_, err := fmt.Fprintf(w, "next      plantmesh tail --address HOST:PORT --cert %s --key %s --ca %s\n", r.Cert, r.Key, r.Root)
		return err
	}
	fmt.Fprintf(w, "made      %s\n", r.Config)
	fmt.Fprintf(w, "next      say in it which sites to link to (peers) and what to replicate (subscriptions)\n")
	_, err := fmt.Fprintf(w, "          plantmesh run --config %s\n          plantmesh status --config %s\n          on another machine: copy the folder %s there\n",
		r.Config, r.Config, filepath.Dir(r.Config))
	return err
}
