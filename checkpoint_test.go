package plantmesh_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/plantmesh/plantmesh"
	"github.com/plantmesh/plantmesh/mesh/pki"
	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// signer is a site with a certificate and a signing key on disk.
type signer struct {
	creds *plantmesh.Credentials
	key   *plantmesh.SigningKey
	roots *x509.CertPool
	file  string
}

func newSigner(t testing.TB, authority *pki.Authority, site plantmesh.SiteID, validity time.Duration) signer {
	t.Helper()
	dir := t.TempDir()
	files, err := authority.IssueFiles(dir, plantmesh.Identity{Mesh: "test", Region: "eu", Site: site}, validity)
	if err != nil {
		t.Fatal(err)
	}
	creds, err := plantmesh.LoadCredentials(files)
	if err != nil {
		t.Fatal(err)
	}
	s := signer{creds: creds, roots: x509.NewCertPool(), file: filepath.Join(dir, "log-signing.key")}
	s.roots.AppendCertsFromPEM(authority.CertificatePEM())
	if s.key, err = plantmesh.LoadSigningKey(s.file, creds, time.Now()); err != nil {
		t.Fatal(err)
	}
	return s
}

func newAuthority(t testing.TB) *pki.Authority {
	t.Helper()
	a, err := pki.NewAuthority("test")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

var aCheckpoint = plantmesh.Checkpoint{
	Stream: "plant-a/production", Incarnation: 7, Offset: 42, Chain: plantmesh.Chain{1, 2, 3}, Time: time.Unix(1e9, 5).UTC(),
	Previous: plantmesh.HistoryEnd{Incarnation: 6, Offset: 9, Chain: plantmesh.Chain{4}},
	Export:   []plantmesh.ExportRule{{To: []string{"hq"}}, {To: []string{"*"}, Regions: []string{"eu", "us"}}},
}

func sign(t testing.TB, s signer, c plantmesh.Checkpoint) plantmesh.Checkpoint {
	t.Helper()
	signed, err := s.key.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestCheckpointSaysWhatItsOriginSigned(t *testing.T) {
	a := newSigner(t, newAuthority(t), "plant-a", time.Hour)
	signed := sign(t, a, aCheckpoint)
	v := plantmesh.NewVerifier("test", a.roots)
	if _, err := v.Verify(signed.Signed); !errors.Is(err, plantmesh.ErrInvalidCheckpoint) || !strings.Contains(err.Error(), "no voucher") {
		t.Errorf("without the site's voucher: %v", err)
	}
	key, err := v.Learn(a.key.Voucher())
	if err != nil || key.Site != "plant-a" || key.ID != a.key.ID() {
		t.Fatalf("learnt %+v, %v", key, err)
	}
	got, err := v.Verify(signed.Signed)
	if err != nil {
		t.Fatal(err)
	}
	if again := sign(t, a, got); !bytes.Equal(again.Signed, signed.Signed) || got.Offset != 42 || got.Chain != aCheckpoint.Chain ||
		got.Previous != aCheckpoint.Previous || len(got.Export) != 2 || !got.Time.Equal(aCheckpoint.Time) {
		t.Errorf("read back as %+v", got)
	}
}

func TestCheckpointOfAnotherSiteOrMeshOrContentIsRefused(t *testing.T) {
	authority := newAuthority(t)
	a, b := newSigner(t, authority, "plant-a", time.Hour), newSigner(t, authority, "plant-b", time.Hour)
	v := plantmesh.NewVerifier("test", a.roots)
	for _, s := range []signer{a, b} {
		if _, err := v.Learn(s.key.Voucher()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Verify(sign(t, b, aCheckpoint).Signed); !errors.Is(err, plantmesh.ErrInvalidCheckpoint) {
		t.Errorf("plant-b signs for plant-a: %v", err)
	}
	good := sign(t, a, aCheckpoint).Signed
	for i := range good {
		turned := bytes.Clone(good)
		turned[i] ^= 0x40
		if _, err := v.Verify(turned); !errors.Is(err, plantmesh.ErrInvalidCheckpoint) {
			t.Fatalf("with byte %d changed: %v", i, err)
		}
	}
	other := plantmesh.NewVerifier("other", a.roots)
	if _, err := other.Learn(a.key.Voucher()); !errors.Is(err, plantmesh.ErrInvalidCheckpoint) {
		t.Errorf("another mesh believes the voucher: %v", err)
	}
}

func TestVoucherOutlivesItsCertificateButNotItsRoot(t *testing.T) {
	authority := newAuthority(t)
	a := newSigner(t, authority, "plant-a", time.Hour)
	later, err := plantmesh.NewSigningKey(ed25519.NewKeyFromSeed(make([]byte, 32)), a.creds, time.Now().Add(30*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	v := plantmesh.NewVerifier("test", a.roots)
	if _, err := v.Learn(later.Voucher()); err != nil {
		t.Errorf("made while the certificate is valid: %v", err)
	}
	expired, err := plantmesh.NewSigningKey(ed25519.NewKeyFromSeed(make([]byte, 32)), a.creds, time.Now().Add(2*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Learn(expired.Voucher()); !errors.Is(err, plantmesh.ErrInvalidCheckpoint) {
		t.Errorf("made after the certificate expired: %v", err)
	}
	ahead, err := plantmesh.NewSigningKey(ed25519.NewKeyFromSeed(make([]byte, 32)), a.creds, time.Now().Add(48*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Learn(ahead.Voucher()); !errors.Is(err, plantmesh.ErrInvalidCheckpoint) || !strings.Contains(err.Error(), "clocks") {
		t.Errorf("of a time yet to come: %v", err)
	}
	other := x509.NewCertPool()
	other.AppendCertsFromPEM(newAuthority(t).CertificatePEM())
	if _, err := plantmesh.NewVerifier("test", other).Learn(a.key.Voucher()); !errors.Is(err, plantmesh.ErrInvalidCheckpoint) {
		t.Errorf("against another root: %v", err)
	}
	var whole peerv1.SignedSiteKey
	if err := proto.Unmarshal(a.key.Voucher(), &whole); err != nil {
		t.Fatal(err)
	}
	whole.SiteKey[len(whole.SiteKey)-1] ^= 1
	changed, err := proto.Marshal(&whole)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Learn(changed); !errors.Is(err, plantmesh.ErrInvalidCheckpoint) {
		t.Errorf("changed: %v", err)
	}
}

func TestSigningKeyIsKeptAndPrivate(t *testing.T) {
	a := newSigner(t, newAuthority(t), "plant-a", time.Hour)
	again, err := plantmesh.LoadSigningKey(a.file, a.creds, time.Now())
	if err != nil || again.ID() != a.key.ID() {
		t.Errorf("loaded again: %v", err)
	}
	if info, err := os.Stat(a.file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := os.WriteFile(a.file, []byte("half a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := plantmesh.LoadSigningKey(a.file, a.creds, time.Now()); err == nil || !strings.Contains(err.Error(), "restore it, or remove it") {
		t.Errorf("a damaged file: %v", err)
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	a := newSigner(f, newAuthority(f), "plant-a", time.Hour)
	f.Add(sign(f, a, aCheckpoint).Signed)
	f.Add([]byte{10, 2, 8, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := plantmesh.ParseCheckpoint(b)
		if err != nil && !errors.Is(err, plantmesh.ErrInvalidCheckpoint) {
			t.Errorf("error %v", err)
		}
		if err == nil && (c.Incarnation == 0 || c.Stream == "") {
			t.Errorf("read %+v", c)
		}
	})
}

func FuzzVoucher(f *testing.F) {
	a := newSigner(f, newAuthority(f), "plant-a", time.Hour)
	f.Add(a.key.Voucher())
	f.Add([]byte{10, 2, 8, 1})
	v := plantmesh.NewVerifier("test", a.roots)
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := v.Learn(b); err != nil && !errors.Is(err, plantmesh.ErrInvalidCheckpoint) || err == nil && k.Site != "plant-a" {
			t.Errorf("learnt %+v, %v", k, err)
		}
	})
}

func BenchmarkCheckpoint(b *testing.B) {
	a := newSigner(b, newAuthority(b), "plant-a", time.Hour)
	v := plantmesh.NewVerifier("test", a.roots)
	if _, err := v.Learn(a.key.Voucher()); err != nil {
		b.Fatal(err)
	}
	signed := sign(b, a, aCheckpoint).Signed
	b.Run("sign", func(b *testing.B) {
		for b.Loop() {
			sign(b, a, aCheckpoint)
		}
	})
	b.Run("verify", func(b *testing.B) {
		for b.Loop() {
			if _, err := v.Verify(signed); err != nil {
				b.Fatal(err)
			}
		}
	})
}
