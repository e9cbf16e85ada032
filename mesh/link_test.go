package mesh_test

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	"github.com/plantmesh/plantmesh/mesh/pki"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
)

// down waits until the first link is in a state for a reason that holds every one of some words.
func (n *node) down(state adminv1.LinkState, words ...string) mesh.Link {
	n.Helper()
	l := n.eventually(state.String(), func(s mesh.Status) bool { return s.Links[0].State == state }).Links[0]
	for _, word := range words {
		if !strings.Contains(l.Reason, word) {
			n.Errorf("reason %q does not say %q", l.Reason, word)
		}
	}
	if !l.RetryTime.After(l.Since) {
		n.Errorf("no next attempt: %+v", l)
	}
	return l
}

const (
	refused = adminv1.LinkState_LINK_STATE_REFUSED
	backoff = adminv1.LinkState_LINK_STATE_BACKOFF
)

func TestLinkSaysWhyItIsDownAndWhatToDo(t *testing.T) {
	cases := []struct {
		name  string
		peer  func(w *world, hq, plant *node)
		state adminv1.LinkState
		words []string
	}{
		{"nothing listens", func(_ *world, _, plant *node) { plant.stop() }, backoff, []string{"connection refused", "check that the peer runs"}},
		{"certificate of another root", func(w *world, _, plant *node) {
			plant.stop()
			ca, err := pki.NewAuthority(meshName)
			if err != nil {
				w.Fatal(err)
			}
			plant.creds = w.credentials(ca, siteID("plant-a"))
			plant.start()
		}, refused, []string{"plant-a", "issued by the CA", "correct peers or tls.ca"}},
		{"certificate of another mesh", func(w *world, _, plant *node) {
			plant.stop()
			ca, err := pki.NewAuthority("acme-test")
			if err != nil {
				w.Fatal(err)
			}
			plant.creds = w.credentials(ca, plantmesh.Identity{Mesh: "acme-test", Region: "eu", Site: "plant-a"})
			plant.start()
		}, refused, []string{`"acme-test"`, `"acme"`, "correct peers"}},
		{"no route", func(w *world, _, _ *node) { w.fabric.Cut("hq", "plant-a", meshtest.Break) }, backoff, []string{"network is unreachable", "check the line"}},
		{"no answer", func(w *world, _, _ *node) { w.fabric.Cut("hq", "plant-a", meshtest.Hang) }, backoff, []string{"no answer within 10s", "firewalls"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, meshtest.NewFabric())
				plant := w.add("plant-a", mesh.Config{}).start()
				hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything})
				c.peer(w, hq, plant)
				hq.start().down(c.state, c.words...)
			})
		})
	}
}

func TestPeerThatRefusesOurCertificateIsNamedAsTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{}).start()
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}})
		other, err := pki.NewAuthority(meshName)
		if err != nil {
			t.Fatal(err)
		}
		// hq trusts the mesh's CA, but its own certificate is not of it.
		files, err := other.IssueFiles(t.TempDir(), siteID("hq"), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		files.CA = w.caFile()
		if hq.creds, err = plantmesh.LoadCredentials(files); err != nil {
			t.Fatal(err)
		}
		hq.start().down(refused, "bad certificate", "the peer refuses this node's certificate", "tls.ca")
	})
}

func TestWrongPortIsToldApartFromAWrongCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{Peers: []string{"plant-a:80"}})
		listener, err := w.fabric.ListenAt("plant-a", "plant-a:80")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				_ = conn.Close()
			}
		}()
		hq.start().down(refused, "does not look like a TLS handshake", "check the port")
	})
}

func TestSelfLinkIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		w.add("hq", mesh.Config{Peers: []string{meshtest.Address("hq")}}).start().down(refused, "leads back to this node", "remove it")
	})
}

func TestSecondAddressOfASiteStandsBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{}).start()
		plant.publish(50)
		detour := relay(t, w, "detour", "detour:7443", plant.address)
		w.fabric.Cut("hq", "plant-a", meshtest.Break)
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address, "detour:7443"}, Subscriptions: everything}).start()
		hq.holds(plant, plant.stream())
		w.fabric.Heal("hq", "plant-a")
		hq.down(refused, "detour:7443", "keep one of the two", "takes over")
		if f := plant.running.mesh.Status().Followers; len(f) != 1 {
			t.Errorf("followers %+v", f)
		}
		// When the one in use fails, the other takes over.
		detour()
		plant.publish(50)
		hq.holds(plant, plant.stream())
		if s := hq.running.mesh.Status(); s.Replicas[0].Link != plant.address {
			t.Errorf("status %+v", s)
		}
	})
}

// relay forwards one address to another, byte by byte, until stopped.
func relay(t *testing.T, w *world, site plantmesh.SiteID, address, to string) (stop func()) {
	t.Helper()
	listener, err := w.fabric.ListenAt(site, address)
	if err != nil {
		t.Fatal(err)
	}
	conns := make(chan net.Conn, 100)
	dial := w.fabric.Dialer(site)
	go func() {
		defer close(conns)
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			out, err := dial(t.Context(), to)
			if err != nil {
				_ = in.Close()
				continue
			}
			conns <- in
			conns <- out
			go splice(in, out)
			go splice(out, in)
		}
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = listener.Close()
		for c := range conns {
			_ = c.Close()
		}
	}
	t.Cleanup(stop)
	return stop
}

func splice(to, from net.Conn) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				break
			}
		}
		if err != nil {
			break
		}
	}
	_ = to.Close()
	_ = from.Close()
}

func TestBackoffGrowsToItsLimitAndIsJittered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		var dials []time.Time
		hq := w.add("hq", mesh.Config{Peers: []string{"nobody:7443"}})
		dial := hq.config.Dial
		hq.config.Dial = func(ctx context.Context, address string) (net.Conn, error) {
			dials = append(dials, time.Now())
			return dial(ctx, address)
		}
		hq.start()
		pass(10 * time.Minute)
		hq.stop()
		equal := true
		for i := 1; i < len(dials); i++ {
			most := min(mesh.DefaultMinBackoff<<min(i-1, 20), mesh.DefaultMaxBackoff)
			if wait := dials[i].Sub(dials[i-1]); wait < most/2 || wait > most+time.Millisecond {
				t.Errorf("attempt %d came after %s, want %s to %s", i, wait, most/2, most)
			} else if i > 8 && wait != dials[i-1].Sub(dials[i-2]) {
				equal = false
			}
		}
		if len(dials) < 60 || len(dials) > 130 {
			t.Errorf("%d attempts in 10 minutes", len(dials))
		}
		if equal {
			t.Error("waits are not jittered")
		}
	})
}

func TestRefusedLinkConnectsOnceThePeerIsMended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		plant := w.add("plant-a", mesh.Config{})
		good := plant.creds
		other, err := pki.NewAuthority(meshName)
		if err != nil {
			t.Fatal(err)
		}
		plant.creds = w.credentials(other, siteID("plant-a"))
		plant.start()
		hq := w.add("hq", mesh.Config{Peers: []string{plant.address}, Subscriptions: everything}).start()
		hq.down(refused)
		plant.stop()
		plant.creds = good
		plant.start().publish(10)
		hq.holds(plant, plant.stream())
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	w := newWorld(t, nil)
	site := w.credentials(w.ca, siteID("hq"))
	client := w.credentials(w.ca, plantmesh.Identity{Mesh: meshName, Client: "mes"})
	for name, c := range map[string]struct {
		creds *plantmesh.Credentials
		cfg   mesh.Config
		words []string
	}{
		"client":    {client, mesh.Config{}, []string{"client's certificate", "give the node a site's"}},
		"address":   {site, mesh.Config{Peers: []string{"hq.example"}}, []string{`peers[0] "hq.example"`, "host:port"}},
		"twice":     {site, mesh.Config{Peers: []string{"a:1", "b:1", "a:1"}}, []string{"peers[2]", "peers[0]"}},
		"region":    {site, mesh.Config{Region: "us"}, []string{`region "us"`, `"eu"`}},
		"pattern":   {site, mesh.Config{Subscriptions: []mesh.Subscription{{From: "Plant[a]", Streams: []string{"*"}}}}, []string{"subscriptions[0].from"}},
		"no stream": {site, mesh.Config{Subscriptions: []mesh.Subscription{{From: "*"}}}, []string{"subscriptions[0].streams: empty"}},
		"all faults": {site, mesh.Config{Peers: []string{""}, Export: []mesh.ExportRule{{To: []string{"A"}, Regions: []string{"?"}}}},
			[]string{"peers[0]", "export[0].streams", "export[0].to", "export[0].regions"}},
	} {
		_, err := mesh.New(c.cfg, c.creds, nil, nil, slog.New(slog.DiscardHandler))
		if err == nil {
			t.Errorf("%s: accepted", name)
			continue
		}
		for _, word := range c.words {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%s: %q does not say %q", name, err, word)
			}
		}
	}
}
