package tlsconn

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"net"
	"strings"
	"testing"
)

// Raw public keys (RFC 7250) with GnuTLS, which is the one program of another stack here
// that has them, in both roles.

// gnutlsRawKeys is of a priority of GnuTLS's: raw public keys of clients, certificates of servers.
const gnutlsRawKeys = ":-CTYPE-ALL:+CTYPE-SRV-X509:+CTYPE-CLI-RAWPK"

// keyFiles writes a key, and its public half as GnuTLS wants it.
func keyFiles(t *testing.T, kind keyKind) (private, public string) {
	t.Helper()
	key := testKeys()[kind]
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		writeFile(t, "public.pem", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: spki(t, key.Public())}))
}

func TestGnuTLSShowsUsRawPublicKeys(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	eachVersion(t, func(t *testing.T, version uint16) {
		for _, kind := range signingKinds {
			t.Run(testKinds[kind], func(t *testing.T) {
				private, public := keyFiles(t, kind)
				s := serve(t, always(&Config{
					Certificates: []tls.Certificate{ca.certify(t, keyECDSA, "example.org")}, MinVersion: version, MaxVersion: version,
					ClientCertificateTypes: []CertificateType{CertificateRawPublicKey}, VerifyRawPublicKey: knows(kind),
					ClientAuth: tls.RequireAndVerifyClientCert,
				}), echoing)
				v := newVisit(t, s, ca)
				v.version, v.times, v.priority = version, 2, gnutlsRawKeys
				output, err := gnutlsVisits(t, v, "--rawpkkeyfile", private, "--rawpkfile", public)
				if err != nil || !strings.Contains(output, "This is a resumed session") {
					t.Fatalf("%v:\n%s", err, output)
				}
				for _, resumed := range []bool{false, true} {
					state := s.want(resumed)
					if !bytes.Equal(spki(t, state.PeerRawPublicKey), spki(t, testKeys()[kind].Public())) || state.Version != version {
						t.Errorf("resumed %t: %+v", resumed, state)
					}
				}
			})
		}
	})
}

func TestWeRefuseGnuTLSByItsRawPublicKey(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	eachVersion(t, func(t *testing.T, version uint16) {
		private, public := keyFiles(t, keyEd25519)
		s := serve(t, always(&Config{
			Certificates: []tls.Certificate{ca.certify(t, keyECDSA, "example.org")}, MinVersion: version, MaxVersion: version,
			ClientCertificateTypes: []CertificateType{CertificateRawPublicKey}, VerifyRawPublicKey: knows(keyECDSA),
			ClientAuth: tls.RequireAndVerifyClientCert,
		}), echoing)
		v := newVisit(t, s, ca)
		v.version, v.priority = version, gnutlsRawKeys
		output, err := gnutlsVisits(t, v, "--rawpkkeyfile", private, "--rawpkfile", public)
		if err == nil || !strings.Contains(output, "Certificate is bad") {
			t.Errorf("%v:\n%s", err, output)
		}
		wantAlert(t, "server", s.next().err, AlertBadCertificate)
	})
}

func TestWeShowGnuTLSRawPublicKeys(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	_, certFile, keyFile := pemFiles(t, ca, ca.certify(t, keyECDSA, "example.org"))
	eachVersion(t, func(t *testing.T, version uint16) {
		port := freePort(t)
		p := launch(t, "gnutls-serv", "--echo", "--port", port, "--x509certfile", certFile, "--x509keyfile", keyFile,
			"--require-client-cert", "--priority", "NORMAL:-VERS-ALL:+VERS-TLS"+dotted(version)+gnutlsRawKeys)
		p.match(`listening on IPv4 \S+ port \d+\.\.\.done`)
		for _, kind := range signingKinds {
			t.Run(testKinds[kind], func(t *testing.T) {
				config := &Config{
					RootCAs: ca.pool, ServerName: "example.org", MinVersion: version, MaxVersion: version, Sessions: NewSessionCache(0),
					ClientCertificateTypes: []CertificateType{CertificateX509, CertificateRawPublicKey},
					RawPublicKeys:          []tls.Certificate{{PrivateKey: testKeys()[kind]}},
				}
				for _, resumed := range []bool{false, true} {
					conn := dial(t, net.JoinHostPort("127.0.0.1", port), config)
					wantWrite(t, conn, "a line\n")
					wantRead(t, conn, "a line\n")
					if state := conn.ConnectionState(); state.DidResume != resumed || (state.ClientSignatureScheme == 0) != resumed {
						t.Errorf("resumed %t, the key signed with %v; want resumed %t", state.DidResume, state.ClientSignatureScheme, resumed)
					}
					bye(t, conn)
				}
				// What the server says that it got is our key.
				encoded := base64.StdEncoding.EncodeToString(spki(t, testKeys()[kind].Public()))
				p.expect(encoded[:min(64, len(encoded))])
			})
		}
	})
}
