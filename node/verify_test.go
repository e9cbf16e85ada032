package node_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/plantmesh/plantmesh/mesh/pki"
	"github.com/plantmesh/plantmesh/node"
	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// offline verifies a node that has ended.
func offline(t *testing.T, cfg config.Config, req *adminv1.VerifyRequest) []*adminv1.VerifyResponse {
	t.Helper()
	var all []*adminv1.VerifyResponse
	if err := node.Verify(t.Context(), cfg, req, slog.New(slog.DiscardHandler), func(r *adminv1.VerifyResponse) error {
		all = append(all, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestReplicaIsProvenOfflineByItsOriginsSignatures(t *testing.T) {
	c := newCluster(t)
	plantConfig, hqConfig := c.config("plant-a"), c.config("hq")
	plant := c.start(plantConfig)
	hqConfig.Peers, hqConfig.Subscriptions = []string{plant.address}, []config.Subscription{{From: "*", Streams: []string{"*"}}}
	hq := c.start(hqConfig)
	for i := range 5 {
		plant.publishReleases(t, string(rune('a'+i)), 10)
	}
	hq.holdsWhole(t, "plant-a/production", 50)
	hq.end()
	plant.end()

	const verified = adminv1.VerifyResult_VERIFY_RESULT_VERIFIED
	whole := offline(t, hqConfig, &adminv1.VerifyRequest{})
	if len(whole) != 1 || whole[0].GetResult() != verified || whole[0].GetSignedOffset() != 50 || whole[0].GetEvents() != 50 || len(whole[0].GetKeyId()) != 16 {
		t.Errorf("the replica: %v", whole)
	}
	one := offline(t, hqConfig, &adminv1.VerifyRequest{Streams: []string{"plant-a/production"}, FirstOffset: 17})
	if len(one) != 1 || one[0].GetResult() != verified || one[0].GetFirstOffset() > 17 || one[0].GetHeadOffset() < 17 || one[0].GetSignedOffset() < 17 {
		t.Errorf("one event: %v", one)
	}

	// To somebody who trusts another root, the same folder proves nothing.
	other, err := pki.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	hqConfig.TLS.CA = filepath.Join(t.TempDir(), "other.crt")
	if err := os.WriteFile(hqConfig.TLS.CA, other.CertificatePEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	forged := offline(t, hqConfig, &adminv1.VerifyRequest{})
	if len(forged) != 1 || forged[0].GetResult() == verified || !strings.Contains(forged[0].GetDetail(), "no voucher of plant-a") {
		t.Errorf("against another root: %v", forged)
	}
}
