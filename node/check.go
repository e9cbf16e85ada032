package node

import (
	"errors"
	"fmt"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/node/adapter"
	"github.com/plantmesh/plantmesh/node/config"
)

// Check holds a configuration against what it refers to: the certificate and the mappings. It opens nothing that a running
// node uses. The error joins all faults.
func Check(cfg config.Config) error {
	_, err := credentials(cfg)
	faults := []error{err}
	for i, a := range cfg.Adapters {
		mapping, err := adapter.LoadMapping(a.Mapping)
		if err == nil {
			_, err = adapter.Compile(mapping, plantmesh.SiteID(cfg.Site))
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("adapters[%d].mapping: %w", i, err))
		}
	}
	return errors.Join(faults...)
}
