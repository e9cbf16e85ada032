package mesh_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh"
	"github.com/plantmesh/plantmesh/mesh/meshtest"
	"github.com/plantmesh/plantmesh/mesh/pki"
	adminv1 "github.com/plantmesh/plantmesh/proto/plantmesh/admin/v1"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// reverseCall opens a reverse connection by hand and returns what the node answers; empty if it is taken.
func (w *world) reverseCall(as *plantmesh.Credentials, from plantmesh.SiteID, address string) (*tls.Conn, string, error) {
	raw, err := w.fabric.Dialer(from)(context.Background(), address)
	if err != nil {
		return nil, "", err
	}
	config := as.ClientConfig(nil)
	config.NextProtos = []string{"plantmesh-reverse/1"}
	conn := tls.Client(raw, config)
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return conn, "", err
	}
	answer := make([]byte, binary.BigEndian.Uint16(size[:]))
	_, err = io.ReadFull(conn, answer)
	return conn, string(answer), err
}

func TestOnlySitesOfTheMeshOpenReverseConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{}).start()
		other, err := pki.NewAuthority(meshName)
		if err != nil {
			t.Fatal(err)
		}
		foreign, err := other.IssueFiles(t.TempDir(), siteID("plant-b"), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		foreign.CA = w.caFile()
		stranger, err := plantmesh.LoadCredentials(foreign)
		if err != nil {
			t.Fatal(err)
		}
		for name, tc := range map[string]struct {
			as   *plantmesh.Credentials
			want string
		}{
			"client":      {w.credentials(w.ca, plantmesh.Identity{Mesh: meshName, Client: "mes"}), "bad certificate"},
			"other CA":    {stranger, "bad certificate"},
			"node itself": {hq.creds, "a site cannot be its own peer"},
		} {
			conn, answer, err := w.reverseCall(tc.as, "plant-b", hq.address)
			if text := answer + errorText(err); !strings.Contains(text, tc.want) {
				t.Errorf("%s: %q", name, text)
			}
			_ = conn.Close()
		}
		if l := hq.running.mesh.Status().Links; len(l) != 0 {
			t.Errorf("links %+v", l)
		}
	})
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestRefusedReverseConnectionSaysWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{}).start()
		plant := w.add("plant-b", mesh.Config{Peers: []string{hq.address}, Outbound: true})
		other, err := pki.NewAuthority(meshName)
		if err != nil {
			t.Fatal(err)
		}
		files, err := other.IssueFiles(t.TempDir(), siteID("plant-b"), time.Hour*24)
		if err != nil {
			t.Fatal(err)
		}
		files.CA = w.caFile()
		good := plant.creds
		if plant.creds, err = plantmesh.LoadCredentials(files); err != nil {
			t.Fatal(err)
		}
		plant.start().is(reverseServed, refused, hq.address, "the peer refuses this node's certificate")
		plant.stop()
		plant.creds = good
		plant.start().is(reverseServed, up)

		self := w.add("plant-c", mesh.Config{Peers: []string{meshtest.Address("plant-c")}, Outbound: true}).start()
		self.is(reverseServed, refused, "leads back to this node")
	})
}

// A node of an older version knows only the ordinary connection.
func TestPeerWithoutReverseConnectionsIsNamedAndTheRestWorks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{})
		hq.transport = credentials.NewTLS(hq.creds.ServerConfig())
		hq.start().publish(50)
		plant := w.add("plant-b", mesh.Config{Peers: []string{hq.address}, Outbound: true, Subscriptions: everything}).start()
		plant.holds(hq, hq.stream())
		plant.is(reverseServed, refused, "does not take reverse connections", "upgrade it")
		hq.stop()
		hq.transport = nil
		hq.start()
		plant.is(reverseServed, up)
	})
}

// A site has one reverse connection, however many it opens, and the one that works stays.
func TestThousandReverseConnectionsOfASiteCostOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		plant, hq := outboundPair(t, meshtest.Hang)
		plant.publish(10)
		hq.publish(10)
		bothHold(plant, hq)
		since := hq.is(reverseAccepted, up).Since
		pass(time.Minute)
		before := runtime.NumGoroutine()
		answers := make(chan string)
		for range 20 {
			go func() {
				for range 50 {
					conn, answer, err := plant.reverseCall(plant.creds, "plant-b", hq.address)
					answers <- answer + errorText(err)
					_ = conn.Close()
				}
			}()
		}
		for range 1000 {
			if a := <-answers; !strings.Contains(a, "the site is linked already") {
				t.Errorf("answer %q", a)
			}
		}
		pass(time.Minute)
		if after := runtime.NumGoroutine(); after > before+5 {
			t.Errorf("%d goroutines, %d before", after, before)
		}
		l := hq.running.mesh.Status().Links
		if len(l) != 1 || l[0].State != up || l[0].Since != since {
			t.Errorf("links %+v", l)
		}
		plant.publish(10)
		hq.holds(plant, plant.stream())
	})
}

// The site came back, and the node does not know yet that the connection before is dead.
func TestNewReverseConnectionReplacesOneThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{Subscriptions: everything}).start()
		plant := w.add("plant-b", mesh.Config{Peers: []string{hq.address}, Outbound: true})
		ghost, answer, err := w.reverseCall(plant.creds, "plant-b", hq.address)
		if err != nil || answer != "" {
			t.Fatalf("%q, %v", answer, err)
		}
		defer func() { _ = ghost.Close() }()
		began := time.Now()
		plant.start().publish(10)
		hq.holds(plant, plant.stream())
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}

func TestDialedConnectionIsPreferredAndTheLineDoesNotFlap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{Peers: []string{meshtest.Address("plant-b")}, Subscriptions: everything}).start()
		plant := w.add("plant-b", mesh.Config{Peers: []string{hq.address}, Outbound: true, Subscriptions: everything}).start()
		plant.publish(10)
		hq.publish(10)
		bothHold(plant, hq)
		hq.is(dialed, up)
		plant.is(reverseServed, refused, "linked already", "plant-b:7443", "nothing is missing")
		hq.is(reverseAccepted, adminv1.LinkState_LINK_STATE_WAITING, "linked already")
		since := way(hq.running.mesh.Status(), dialed).Since
		pass(time.Hour)
		if l := hq.is(dialed, up); l.Since != since {
			t.Errorf("made anew: %+v", l)
		}

		// The dialed connection goes and cannot come back: the reverse one serves. Both are lost with the line.
		w.fabric.Firewall("plant-b", meshtest.Break)
		w.fabric.Cut("plant-b", "hq", meshtest.Break)
		w.fabric.Heal("plant-b", "hq")
		hq.is(reverseAccepted, up)
		plant.publish(10)
		bothHold(plant, hq)

		// The way is open again, but it was lost a moment ago: it has to wait, and then it takes over, once.
		w.fabric.Open("plant-b")
		pass(2 * time.Minute)
		hq.is(dialed, refused, "reverse from plant-b")
		hq.is(reverseAccepted, up)
		pass(4 * time.Minute)
		since = hq.is(dialed, up).Since
		hq.is(reverseAccepted, adminv1.LinkState_LINK_STATE_WAITING)
		plant.publish(10)
		bothHold(plant, hq)
		pass(time.Hour)
		if l := hq.is(dialed, up); l.Since != since {
			t.Errorf("made anew: %+v", l)
		}
	})
}

// shakenServer are credentials for a server on a connection that has shaken hands.
type shakenServer struct {
	credentials.TransportCredentials
}

func (shakenServer) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return conn, credentials.TLSInfo{CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity}}, nil
}

// oneConn is a listener of one connection.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l oneConn) Close() error { close(l.closed); return nil }

func (oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// A site whose greetings are answered, and whose streams are not told of any more, is no use.
func TestSiteThatFallsSilentOnItsReverseConnectionIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, meshtest.NewFabric())
		hq := w.add("hq", mesh.Config{Subscriptions: everything}).start()
		conn, answer, err := w.reverseCall(w.credentials(w.ca, siteID("plant-a")), "plant-a", hq.address)
		if err != nil || answer != "" {
			t.Fatalf("%q, %v", answer, err)
		}
		l := &liar{mute: make(chan struct{})}
		server := grpc.NewServer(append(mesh.ServerOptions(), grpc.Creds(shakenServer{insecure.NewCredentials()}))...)
		peerv1.RegisterPeerServiceServer(server, l)
		listener := oneConn{make(chan net.Conn, 1), make(chan struct{})}
		listener.conn <- conn
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = server.Serve(listener)
		}()
		defer func() {
			server.Stop()
			<-done
		}()
		since := hq.is(reverseAccepted, up).Since
		pass(10 * time.Minute)
		if now := hq.is(reverseAccepted, up); now.Since != since {
			t.Errorf("made anew: %+v", now)
		}
		close(l.mute)
		began := time.Now()
		hq.is(reverseAccepted, adminv1.LinkState_LINK_STATE_WAITING, "connection silent")
		if took := time.Since(began); took > 25*time.Second {
			t.Errorf("it took %s", took)
		}
	})
}
