package node_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/plantmesh/plantmesh/node/config"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	eventv1 "github.com/plantmesh/plantmesh/proto/plantmesh/event/v1"
)

// previous is the last commit that spoke the first version of the protocol between sites, frozen: nodes of this version have
// to work beside it, and on its data folders.
const previous = "81c13d8a36d162c41a36ee0470b2d95cec6e4916"

// previousBinary builds the command as it was then, out of the repository's history.
var previousBinary = sync.OnceValues(func() (string, error) {
	archive, err := exec.Command("git", "archive", previous).Output()
	if err != nil {
		return "", fmt.Errorf("%w: commit %s is not in this checkout's history, or there is no git", errNoPrevious, previous)
	}
	dir, err := os.MkdirTemp("", "plantmesh-previous-")
	if err != nil {
		return "", err
	}
	if err := extract(archive, dir); err != nil {
		return "", err
	}
	binary := filepath.Join(dir, "plantmesh-previous")
	build := exec.Command("go", "build", "-o", binary, "./cmd/plantmesh")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", previous, err, out)
	}
	return binary, nil
})

var errNoPrevious = errors.New("no previous version")

func extract(archive []byte, dir string) error {
	for files := tar.NewReader(bytes.NewReader(archive)); ; {
		h, err := files.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		name := filepath.Join(dir, filepath.Clean("/"+h.Name))
		switch h.Typeflag {
		case tar.TypeDir:
			err = os.MkdirAll(name, 0o750)
		case tar.TypeReg:
			var content []byte
			if content, err = io.ReadAll(files); err == nil {
				err = os.WriteFile(name, content, os.FileMode(h.Mode).Perm()|0o200)
			}
		}
		if err != nil {
			return err
		}
	}
}

// startPrevious runs a site of the previous version as a process, until the test or end ends it. It listens when this returns.
func (c *cluster) startPrevious(cfg config.Config) (end func()) {
	c.t.Helper()
	if testing.Short() {
		c.t.Skip("builds the previous version; run without -short")
	}
	repository, err := filepath.Abs("..")
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Chdir(repository)
	binary, err := previousBinary()
	if errors.Is(err, errNoPrevious) {
		c.t.Skip(err)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	text := fmt.Sprintf("mesh: %s\nsite: %s\nregion: %s\ndata_dir: %s\nlisten: %s\ntls: {cert: %s, key: %s, ca: %s}\nadmins: [ops]\npeers: [%s]\nsubscriptions: [{from: \"*\", streams: [\"*\"]}]\n",
		cfg.Mesh, cfg.Site, cfg.Region, cfg.DataDir, cfg.Listen, cfg.TLS.Cert, cfg.TLS.Key, cfg.TLS.CA, cfg.Peers[0])
	file := filepath.Join(c.t.TempDir(), "previous.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	command := exec.Command(binary, "run", "--config", file)
	var output bytes.Buffer
	command.Stderr = &output
	if err := command.Start(); err != nil {
		c.t.Fatal(err)
	}
	end = sync.OnceFunc(func() {
		_ = command.Process.Signal(os.Interrupt)
		if err := command.Wait(); err != nil {
			c.t.Errorf("the previous version ended with %v\n%s", err, output.String())
		}
	})
	c.t.Cleanup(end)
	until(c.t, "the previous version listens", func() bool {
		conn, err := net.Dial("tcp", cfg.Listen)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	return end
}

// holdsWhole waits until a node holds a stream up to an offset, and has it verified.
func (r *running) holdsWhole(t *testing.T, stream string, offset uint64) {
	t.Helper()
	until(t, fmt.Sprintf("%s@%d arrives", stream, offset), func() bool {
		list, err := r.events().ListStreams(t.Context(), &eventv1.ListStreamsRequest{})
		for _, s := range list.GetStreams() {
			if s.GetStream() == stream && s.GetHeadOffset() == offset {
				return err == nil
			}
		}
		return false
	})
	call, err := r.admin().Verify(t.Context(), &adminv1.VerifyRequest{Streams: []string{stream}})
	for err == nil {
		var result *adminv1.VerifyResponse
		if result, err = call.Recv(); err == nil && result.GetResult() != adminv1.VerifyResult_VERIFY_RESULT_VERIFIED {
			t.Errorf("%s at %s: %v", stream, r.address, result)
		}
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("verify: %v", err)
	}
}

func (r *running) publishReleases(t *testing.T, prefix string, count int) (events []*eventv1.Event) {
	t.Helper()
	for i := range count {
		events = append(events, released(t, fmt.Sprintf("%s-%d", prefix, i)))
	}
	if _, err := r.events().Publish(t.Context(), &eventv1.PublishRequest{Events: events}); err != nil {
		t.Fatal(err)
	}
	return events
}

// A plant of the previous version and a headquarters of this one replicate from each other. Then the plant is upgraded on
// its data folder, and goes on where it was.
func TestThisVersionAndThePreviousOneWorkTogetherAndUpgradeInPlace(t *testing.T) {
	c := newCluster(t)
	hqConfig, oldConfig := c.config("hq"), c.config("plant-a")
	oldConfig.Listen = freePort(t)
	hqConfig.Listen = freePort(t)
	everything := []config.Subscription{{From: "*", Streams: []string{"*"}}}
	hqConfig.Peers, hqConfig.Subscriptions = []string{oldConfig.Listen}, everything
	oldConfig.Peers, oldConfig.Subscriptions = []string{hqConfig.Listen}, everything
	end := c.startPrevious(oldConfig)
	hq := c.start(hqConfig)
	old := c.reach(oldConfig.Listen)
	labConfig := c.config("lab")
	labConfig.Peers, labConfig.Subscriptions = []string{hqConfig.Listen}, everything
	lab := c.start(labConfig)

	before := old.publishReleases(t, "old", 50)
	hq.publishReleases(t, "hq", 60)
	hq.holdsWhole(t, "plant-a/production", 50)
	old.holdsWhole(t, "hq/production", 60)
	lab.holdsWhole(t, "hq/production", 60)
	if links := hq.status().GetLinks(); len(links) != 1 || links[0].GetProtocol() != 1 {
		t.Errorf("links %v", links)
	}
	if s := lab.status().GetReplicas(); len(s) != 1 {
		t.Errorf("what nobody signed was passed on: %v", s)
	}

	end()
	upgraded := c.start(oldConfig)
	upgraded.publishReleases(t, "new", 10)
	hq.publishReleases(t, "hq again", 5)
	for _, n := range []*running{upgraded, hq, lab} { // signed now, and so passed on from its beginning
		n.holdsWhole(t, "plant-a/production", 60)
		n.holdsWhole(t, "hq/production", 65)
	}
	recorded, err := upgraded.events().Publish(t.Context(), &eventv1.PublishRequest{Events: before[7:8]})
	if err != nil || recorded.GetReceipts()[0].GetOffset() != 8 || !recorded.GetReceipts()[0].GetDuplicate() {
		t.Errorf("an event of before is answered with %v, %v", recorded, err)
	}
	until(t, "the new version is agreed on", func() bool {
		links := hq.status().GetLinks()
		return len(links) == 1 && links[0].GetProtocol() == 2
	})
}

// freePort is a loopback address that was free a moment ago.
func freePort(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// reach is a node that runs elsewhere.
func (c *cluster) reach(address string) *running { return &running{cluster: c, address: address} }
