package keysched

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"
)

// handClient is a TLS 1.2 client with nothing but this package's derivations, one curve and one
// suite: enough for crypto/tls to accept, or to refuse, whatever tls12.go computes.
type handClient struct {
	t          *testing.T
	conn       net.Conn
	transcript hash.Hash
	flight     []byte // handshake bytes received and not yet read
}

func (c *handClient) writeRecord(typ byte, fragment []byte) {
	c.t.Helper()
	header := []byte{typ, 3, 3, byte(len(fragment) >> 8), byte(len(fragment))}
	if _, err := c.conn.Write(append(header, fragment...)); err != nil {
		c.t.Fatal(err)
	}
}

// writeMessage sends a handshake message in the clear.
func (c *handClient) writeMessage(typ byte, body []byte) {
	c.t.Helper()
	m := message(typ, body)
	c.transcript.Write(m)
	c.writeRecord(22, m)
}

func message(typ byte, body []byte) []byte {
	return append([]byte{typ, 0, byte(len(body) >> 8), byte(len(body))}, body...)
}

func (c *handClient) readRecord(want byte) []byte {
	c.t.Helper()
	header := make([]byte, 5)
	if _, err := io.ReadFull(c.conn, header); err != nil {
		c.t.Fatal(err)
	}
	fragment := make([]byte, binary.BigEndian.Uint16(header[3:]))
	if _, err := io.ReadFull(c.conn, fragment); err != nil {
		c.t.Fatal(err)
	}
	if header[0] != want {
		c.t.Fatalf("a record of type %d with %x, want %d", header[0], fragment, want)
	}
	return fragment
}

// readMessage returns the body of the next handshake message in the clear.
func (c *handClient) readMessage(want byte) []byte {
	c.t.Helper()
	if len(c.flight) == 0 {
		c.flight = c.readRecord(22)
	}
	n := 4 + int(binary.BigEndian.Uint16(c.flight[2:]))
	m := c.flight[:n]
	c.flight = c.flight[n:]
	c.transcript.Write(m)
	if m[0] != want {
		c.t.Fatalf("a message of type %d, want %d", m[0], want)
	}
	return m[4:]
}

// clientHello offers X25519, one suite and ecdsa_secp256r1_sha256.
func clientHello(random [32]byte, suite uint16, extended bool) []byte {
	b := append([]byte{3, 3}, random[:]...)
	b = append(b, 0, 0, 2, byte(suite>>8), byte(suite), 1, 0)
	extensions := []byte{
		0, 10, 0, 4, 0, 2, 0, 29, // supported_groups
		0, 11, 0, 2, 1, 0, // ec_point_formats
		0, 13, 0, 4, 0, 2, 4, 3, // signature_algorithms
	}
	if extended {
		extensions = append(extensions, 0, 23, 0, 0)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(extensions)))
	return append(b, extensions...)
}

// gcm is the protection of one direction's first record, RFC 5246 6.2.3.3 and RFC 5288 3.
func gcm(t *testing.T, keys *Secret, keyLen int, explicit []byte, plainLen int) (aead cipher.AEAD, nonce, additional []byte) {
	t.Helper()
	block, err := aes.NewCipher(keys[:keyLen])
	if err != nil {
		t.Fatal(err)
	}
	aead, err = cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	nonce = append(append(nonce, keys[keyLen:keyLen+4]...), explicit...)
	additional = append(make([]byte, 8), 22, 3, 3, byte(plainLen>>8), byte(plainLen))
	return aead, nonce, additional
}

// keyExchange runs the handshake up to the ClientKeyExchange, and returns the premaster secret.
func (c *handClient) keyExchange(r *Randoms, suite uint16, extended bool) []byte {
	c.t.Helper()
	_, _ = rand.Read(r.Client[:]) // never fails
	c.writeMessage(1, clientHello(r.Client, suite, extended))
	copy(r.Server[:], c.readMessage(2)[2:])
	c.readMessage(11)
	params := c.readMessage(12) // named_curve, X25519, 32 bytes
	c.readMessage(14)
	public, err := ecdh.X25519().NewPublicKey(params[4:36])
	if err != nil {
		c.t.Fatal(err)
	}
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		c.t.Fatal(err)
	}
	premaster, err := key.ECDH(public)
	if err != nil {
		c.t.Fatal(err)
	}
	c.writeMessage(16, append([]byte{32}, key.PublicKey().Bytes()...))
	return premaster
}

// finish exchanges the Finished messages, each protected by its side's first key.
func (c *handClient) finish(d *Deriver, master, client, server *Secret, keyLen int) {
	c.t.Helper()
	c.writeRecord(20, []byte{1})
	finished := message(20, d.VerifyData(nil, master, LabelClientFinished, c.transcript.Sum(nil)))
	c.transcript.Write(finished)
	explicit := make([]byte, 8)
	aead, nonce, additional := gcm(c.t, client, keyLen, explicit, len(finished))
	c.writeRecord(22, aead.Seal(explicit, nonce, finished, additional))

	c.readRecord(20)
	sealed := c.readRecord(22)
	aead, nonce, additional = gcm(c.t, server, keyLen, sealed[:8], len(finished))
	got, err := aead.Open(nil, nonce, sealed[8:], additional)
	if err != nil {
		c.t.Fatal("the server's Finished does not open under the server's write key")
	}
	if want := message(20, d.VerifyData(nil, master, LabelServerFinished, c.transcript.Sum(nil))); !bytes.Equal(got, want) {
		c.t.Errorf("the server's Finished is %x, want %x", got, want)
	}
}

func testCertificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestCryptoTLSAgreesOnEveryDerivation(t *testing.T) {
	for _, test := range []struct {
		name     string
		suite    uint16
		hash     crypto.Hash
		keyLen   int
		extended bool
	}{
		{"SHA-256 with the extended master secret", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, crypto.SHA256, 16, true},
		{"SHA-256 without it", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, crypto.SHA256, 16, false},
		{"SHA-384 with the extended master secret", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, crypto.SHA384, 32, true},
		{"SHA-384 without it", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, crypto.SHA384, 32, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			clientEnd, serverEnd := net.Pipe()
			var keyLog bytes.Buffer
			server := tls.Server(serverEnd, &tls.Config{Certificates: []tls.Certificate{testCertificate(t)}, KeyLogWriter: &keyLog})
			done := make(chan error, 1)
			go func() { done <- server.Handshake() }()
			t.Cleanup(func() { clientEnd.Close() })

			c := &handClient{t: t, conn: clientEnd, transcript: test.hash.New()}
			d := New(test.hash)
			var r Randoms
			premaster := c.keyExchange(&r, test.suite, test.extended)
			var master, clientKeys, serverKeys Secret
			if test.extended {
				d.ExtendedMasterSecret(&master, premaster, c.transcript.Sum(nil))
			} else {
				d.MasterSecret(&master, premaster, &r)
			}
			d.WriteKeys(&clientKeys, &serverKeys, &master, &r, test.keyLen, 4)
			c.finish(d, &master, &clientKeys, &serverKeys, test.keyLen)
			if err := <-done; err != nil {
				t.Fatalf("crypto/tls: %v", err)
			}

			if want := fmt.Sprintf("CLIENT_RANDOM %x %x", r.Client, master); strings.TrimSpace(keyLog.String()) != want {
				t.Errorf("crypto/tls logged %s, want %s", &keyLog, want)
			}
			if test.extended { // without it, crypto/tls exports nothing
				checkExporters(t, d, server, &master, &r)
			}
		})
	}
}

// checkExporters compares with what crypto/tls exports: it tells a nil context from an empty one too.
func checkExporters(t *testing.T, d *Deriver, server *tls.Conn, master *Secret, r *Randoms) {
	t.Helper()
	state := server.ConnectionState()
	for _, context := range [][]byte{nil, {}, []byte("context"), sequence(1, 1000)} {
		for _, n := range []int{1, 32, 100} {
			want, err := state.ExportKeyingMaterial("EXPORTER-test", context, n)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]byte, n)
			if d.Export12(got, master, r, "EXPORTER-test", context); !bytes.Equal(got, want) {
				t.Errorf("%d bytes, context of %d: %s, want %s", n, len(context), hex.EncodeToString(got), hex.EncodeToString(want))
			}
		}
	}
}
