package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/plantmesh/plantmesh/node"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

func newVerify() *cobra.Command {
	var c connection
	var offline, asJSON bool
	var req adminv1.VerifyRequest
	cmd := &cobra.Command{
		Use:   "verify [STREAM…]",
		Short: "Verify a node's streams block by block, and its replicas against their origins",
		Long: `Have a node read every block of its streams again, check checksum, chain, offsets and the signatures of their origins, and
compare the chain of its replicas with their origins. With --offline, do the same for a node that does not run, without asking the
origins: what they have signed is proven all the same.

With --offset, prove single events: the block that holds them, the chain from there to the next checkpoint, and its signature.

Exit status 1 if a stream is damaged or not its origin's, or if an origin has not signed all of it and did not answer.`,
		Example: `  plantmesh verify --config hq/plantmesh.yaml
  plantmesh verify --offline --config hq/plantmesh.yaml
  plantmesh verify plant-a/production --offset 4711 --offline --config hq/plantmesh.yaml`,
		RunE: func(cmd *cobra.Command, args []string) error {
			v := verification{out: cmd.OutOrStdout(), asJSON: asJSON, alone: offline}
			req.Streams = args
			if req.GetFirstOffset() > 0 && len(args) != 1 || req.GetFirstOffset() == 0 && req.GetLastOffset()+req.GetIncarnation() > 0 {
				return &usageError{err: errors.New("--offset, with --to and --incarnation, proves events of one stream: name it"), help: cmd.CommandPath()}
			}
			if offline {
				if err := v.offline(cmd, c.config, &req); err != nil {
					return err
				}
			} else if err := v.online(cmd, &c, &req); err != nil {
				return err
			}
			return v.finish()
		},
	}
	c.flags(cmd)
	cmd.Flags().BoolVar(&offline, "offline", false, "read the data folder of a node that does not run")
	cmd.Flags().Uint64Var(&req.FirstOffset, "offset", 0, "prove the event at this offset of the stream named")
	cmd.Flags().Uint64Var(&req.LastOffset, "to", 0, "and those behind it, up to this offset")
	cmd.Flags().Uint64Var(&req.Incarnation, "incarnation", 0, "of this incarnation of the stream; 0: the current one")
	cmd.Flags().BoolVar(&asJSON, "json", false, "write the results as JSON, one a line")
	return cmd
}

// verification collects results.
type verification struct {
	out     io.Writer
	asJSON  bool
	alone   bool // the origins were not to be asked
	results []*adminv1.VerifyResponse
}

func (v *verification) online(cmd *cobra.Command, c *connection, req *adminv1.VerifyRequest) error {
	client, err := c.dial(cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	call, err := client.Admin().Verify(cmd.Context(), req)
	if err != nil {
		return c.explain(err)
	}
	for {
		result, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return c.explain(err)
		}
		v.results = append(v.results, result)
	}
}

func (v *verification) offline(cmd *cobra.Command, path string, req *adminv1.VerifyRequest) error {
	cfg, err := loadConfig(path)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	return node.Verify(cmd.Context(), cfg, req, logger, func(result *adminv1.VerifyResponse) error {
		v.results = append(v.results, result)
		return nil
	})
}

// finish prints the results and decides the exit status.
func (v *verification) finish() error {
	bad := 0
	t := newTable(v.out, "STREAMS", "STREAM", "RESULT", "HEAD", "SIGNED", "BLOCKS", "EVENTS", "CHAIN", "DETAIL")
	for _, r := range v.results {
		notAsked := v.alone && r.GetResult() == adminv1.VerifyResult_VERIFY_RESULT_ORIGIN_UNREACHABLE
		if r.GetResult() != adminv1.VerifyResult_VERIFY_RESULT_VERIFIED && !notAsked {
			bad++
		}
		if v.asJSON {
			if err := writeMessageLine(v.out, r); err != nil {
				return err
			}
			continue
		}
		t.row(r.GetStream(), enumName(r.GetResult(), "VERIFY_RESULT_"), r.GetHeadOffset(), r.GetSignedOffset(), r.GetBlocks(), r.GetEvents(), fmt.Sprintf("%.8x", r.GetChain()), r.GetDetail())
	}
	if err := t.flush(); err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d of %d streams are not verified", bad, len(v.results))
	}
	return nil
}
