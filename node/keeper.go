package node

import (
	"log/slog"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/node/api"
	"github.com/plantmesh/plantmesh/node/config"
	"github.com/plantmesh/plantmesh/node/retention"
	"github.com/plantmesh/plantmesh/storage"
)

// newKeeper trims streams as the configuration says, behind the sites that follow them and the consumers here.
func newKeeper(cfg config.Config, log *storage.Log, m *mesh.Mesh, consumers func() []retention.Reader, logger *slog.Logger) (*retention.Keeper, error) {
	return retention.New(retention.Parts{
		Log:       log,
		Rule:      func(s plantmesh.StreamName) retention.Rule { return cfg.StreamOf(s).RetentionRule() },
		Followers: func() []retention.Reader { return followers(m.Status()) },
		Consumers: consumers,
	}, logger)
}

func followers(s mesh.Status) []retention.Reader {
	var all []retention.Reader
	for _, f := range s.Followers {
		if f.Incarnation != 0 { // else it was refused before it said what it holds
			all = append(all, retention.Reader{Name: api.SiteReader(f.Site), Stream: f.Stream, Incarnation: f.Incarnation, Offset: f.DurableOffset})
		}
	}
	return all
}
