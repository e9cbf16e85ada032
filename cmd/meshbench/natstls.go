package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// natsTLS is the identity that all NATS servers and clients of a folder share.
type natsTLS struct {
	cert, key, ca string // files
	client        *tls.Config
}

// natsCredentials makes a certificate that signs itself, unless the folder has it.
func natsCredentials(dir string) (natsTLS, error) {
	t := natsTLS{cert: filepath.Join(dir, "nats.crt"), key: filepath.Join(dir, "nats.key")}
	t.ca = t.cert
	if _, err := os.Stat(t.cert); err != nil {
		if err := writeCertificate(t); err != nil {
			return t, err
		}
	}
	pair, err := tls.LoadX509KeyPair(t.cert, t.key)
	if err != nil {
		return t, err
	}
	text, err := os.ReadFile(t.ca)
	if err != nil {
		return t, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	t.client = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, RootCAs: roots}
	return t, nil
}

func writeCertificate(t natsTLS) error {
	if err := os.MkdirAll(filepath.Dir(t.cert), 0o700); err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "meshbench"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(7 * 24 * time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := os.WriteFile(t.cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		return err
	}
	return os.WriteFile(t.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)
}
