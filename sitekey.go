package plantmesh

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	peerv1 "github.com/plantmesh/plantmesh/proto/plantmesh/peer/v1"
)

// SiteKey is the public half of a site's signing key.
type SiteKey struct {
	Site   SiteID
	Region string // of the site, as the certificate says
	Public ed25519.PublicKey
	ID     KeyID
	Time   time.Time // when the certificate vouched for it
}

// SignedMemberCard tells whether the site signed a serialized peerv1.MemberCard with this key.
func (k SiteKey) SignedMemberCard(card, signature []byte) bool {
	return len(k.Public) == ed25519.PublicKeySize && ed25519.Verify(k.Public, append([]byte(memberCardContext), card...), signature)
}

// maxVoucherSkew is how far ahead a voucher's clock may be.
const maxVoucherSkew = 24 * time.Hour

// LoadSigningKey reads the key with which the site of creds signs its streams from a PEM file, making it if there is none,
// and has the certificate vouch for it.
func LoadSigningKey(file string, creds *Credentials, now time.Time) (*SigningKey, error) {
	private, err := readSigningKey(file)
	if errors.Is(err, fs.ErrNotExist) {
		private, err = makeSigningKey(file)
	}
	if err != nil {
		return nil, fmt.Errorf("signing key %s: %w", file, err)
	}
	return NewSigningKey(private, creds, now)
}

// NewSigningKey has the certificate of creds vouch for a key.
func NewSigningKey(private ed25519.PrivateKey, creds *Credentials, now time.Time) (*SigningKey, error) {
	id := creds.Identity()
	if !id.IsSite() {
		return nil, fmt.Errorf("%w: %s", ErrNotASite, id)
	}
	public := private.Public().(ed25519.PublicKey) //nolint:errcheck,forcetypeassert // documented so
	k := &SigningKey{mesh: id.Mesh, site: id.Site, private: private, id: KeyID{}.of(public)}
	var err error
	k.voucher, err = creds.vouch(&peerv1.SiteKey{Mesh: id.Mesh, Site: string(id.Site), PublicKey: public, Time: timestamppb.New(now)})
	return k, err
}

func readSigningKey(file string) (ed25519.PrivateKey, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, errors.New("not a PEM file: restore it, or remove it to have a new one made")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: restore it, or remove it to have a new one made", err)
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("it holds a %T, not an Ed25519 key: restore it, or remove it to have a new one made", key)
	}
	return private, nil
}

// makeSigningKey writes the file whole or not at all: half a key would keep the node from starting.
func makeSigningKey(file string) (ed25519.PrivateKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, err
	}
	fresh := file + ".new"
	if err := os.WriteFile(fresh, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	return private, os.Rename(fresh, file)
}

// vouch signs a site's key with the key of its certificate.
func (c *Credentials) vouch(k *peerv1.SiteKey) ([]byte, error) {
	l, err := c.load()
	if err != nil {
		return nil, err
	}
	body, err := proto.Marshal(k)
	if err != nil {
		return nil, err
	}
	signer, ok := l.certificate.PrivateKey.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("key %s: a %T cannot sign", c.files.Key, l.certificate.PrivateKey)
	}
	message := append([]byte(siteKeyContext), body...)
	options := crypto.SignerOpts(crypto.Hash(0))
	if _, pure := signer.Public().(ed25519.PublicKey); !pure {
		sum := sha256.Sum256(message)
		message, options = sum[:], crypto.SHA256
	}
	signature, err := signer.Sign(rand.Reader, message, options)
	if err != nil {
		return nil, fmt.Errorf("key %s: %w", c.files.Key, err)
	}
	return proto.Marshal(&peerv1.SignedSiteKey{SiteKey: body, Signature: signature, Certificates: l.certificate.Certificate})
}

// Verifier checks the checkpoints of all sites of the mesh, against the roots of the credentials as they are at the time.
func (c *Credentials) Verifier() *Verifier {
	mesh := c.Identity().Mesh
	return &Verifier{
		mesh: mesh, now: time.Now, keys: map[SiteID]map[KeyID]ed25519.PublicKey{},
		check: func(voucher []byte, now time.Time) (SiteKey, error) {
			l, err := c.load()
			if err != nil {
				return SiteKey{}, err
			}
			return checkVoucher(voucher, mesh, l.roots, now)
		},
	}
}

// NewVerifier checks checkpoints against the roots of a mesh, without credentials of its own: for tools and auditors.
func NewVerifier(mesh string, roots *x509.CertPool) *Verifier {
	return &Verifier{
		mesh: mesh, now: time.Now, keys: map[SiteID]map[KeyID]ed25519.PublicKey{},
		check: func(voucher []byte, now time.Time) (SiteKey, error) { return checkVoucher(voucher, mesh, roots, now) },
	}
}

// checkVoucher checks that a site's certificate, valid at the time, vouched for a key. Certificates may have expired since:
// what they vouched for has not.
func checkVoucher(voucher []byte, mesh string, roots *x509.CertPool, now time.Time) (SiteKey, error) {
	var s peerv1.SignedSiteKey
	var m peerv1.SiteKey
	if err := errors.Join(proto.Unmarshal(voucher, &s), proto.Unmarshal(s.GetSiteKey(), &m)); err != nil {
		return SiteKey{}, fmt.Errorf("%w: voucher: %w", ErrInvalidCheckpoint, err)
	}
	wrong := func(format string, args ...any) (SiteKey, error) {
		return SiteKey{}, fmt.Errorf("%w: voucher of %q for its signing key: %w", ErrInvalidCheckpoint, m.GetSite(), fmt.Errorf(format, args...))
	}
	if len(m.GetPublicKey()) != ed25519.PublicKeySize || len(s.GetCertificates()) == 0 || m.GetTime().CheckValid() != nil {
		return wrong("it is incomplete")
	}
	at := m.GetTime().AsTime()
	if at.After(now.Add(maxVoucherSkew)) {
		return wrong("it is of %s, which is yet to come: see the clocks of both sites", at.Format(time.RFC3339))
	}
	leaf, err := x509.ParseCertificate(s.GetCertificates()[0])
	if err != nil {
		return wrong("%w", err)
	}
	intermediates := x509.NewCertPool()
	for _, der := range s.GetCertificates()[1:] {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return wrong("%w", err)
		}
		intermediates.AddCert(cert)
	}
	id, err := IdentityOf(leaf)
	if err != nil {
		return wrong("%w", err)
	}
	if !id.IsSite() || id.Mesh != mesh || m.GetMesh() != mesh || m.GetSite() != string(id.Site) {
		return wrong("it is for mesh %q, its certificate of %s, and this is mesh %q", m.GetMesh(), id, mesh)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: intermediates, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}, CurrentTime: at,
	}); err != nil {
		return wrong("%w", err)
	}
	if err := checkSignature(leaf, append([]byte(siteKeyContext), s.GetSiteKey()...), s.GetSignature()); err != nil {
		return wrong("%w", err)
	}
	public := ed25519.PublicKey(m.GetPublicKey())
	return SiteKey{Site: id.Site, Region: id.Region, Public: public, ID: KeyID{}.of(public), Time: at}, nil
}

func checkSignature(leaf *x509.Certificate, message, signature []byte) error {
	switch leaf.PublicKey.(type) {
	case ed25519.PublicKey:
		return leaf.CheckSignature(x509.PureEd25519, message, signature)
	case *ecdsa.PublicKey:
		return leaf.CheckSignature(x509.ECDSAWithSHA256, message, signature)
	case *rsa.PublicKey:
		return leaf.CheckSignature(x509.SHA256WithRSA, message, signature)
	default:
		return fmt.Errorf("a certificate with a %T cannot vouch", leaf.PublicKey)
	}
}
