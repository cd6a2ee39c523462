package record

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
)

// recordedConn keeps what is written.
type recordedConn struct {
	net.Conn
	written *bytes.Buffer
}

func (c recordedConn) Write(p []byte) (int, error) {
	c.written.Write(p)
	return c.Conn.Write(p)
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

// converse runs a TLS 1.2 connection of crypto/tls on which the server gets request and the client
// response. It returns what each side sent, and the master secret.
func converse(t *testing.T, suite uint16, request, response []byte) (fromClient, fromServer []byte, master keysched.Secret) {
	t.Helper()
	var clientSent, serverSent, keyLog bytes.Buffer
	clientEnd, serverEnd := net.Pipe()
	defer clientEnd.Close() // ends the server too, should this end early
	done := make(chan error, 1)
	go func() {
		server := tls.Server(recordedConn{serverEnd, &serverSent}, &tls.Config{Certificates: []tls.Certificate{testCertificate(t)}})
		_, err := io.ReadFull(server, make([]byte, len(request)))
		if err == nil {
			_, err = server.Write(response)
		}
		done <- err
	}()
	client := tls.Client(recordedConn{clientEnd, &clientSent}, &tls.Config{InsecureSkipVerify: true,
		MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{suite}, KeyLogWriter: &keyLog})
	if _, err := client.Write(request); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, len(response))); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(keyLog.String()) // CLIENT_RANDOM, the random, the master secret
	if len(words) != 3 || len(words[2]) != 2*len(master) {
		t.Fatalf("key log %q", &keyLog)
	}
	if _, err := hex.Decode(master[:], []byte(words[2])); err != nil {
		t.Fatal(err)
	}
	return clientSent.Bytes(), serverSent.Bytes(), master
}

// split cuts a side's stream into its random and its records under protection.
func split(t *testing.T, stream []byte) (random [32]byte, protected [][]byte) {
	t.Helper()
	copy(random[:], stream[HeaderLen+4+2:]) // behind the hello's header and version
	for clear := true; len(stream) > 0; {
		h := ParseHeader(stream)
		n := HeaderLen + h.Length
		if !clear {
			protected = append(protected, stream[:n:n])
		}
		clear = clear && h.Type != ChangeCipherSpec
		stream = stream[n:]
	}
	return random, protected
}

func TestEveryRecordOfACryptoTLSConnection(t *testing.T) {
	// More than a record can hold, so that full ones are among them.
	request, response := sequence(20000), sequence(50000)
	for _, test := range []struct {
		name  string
		suite uint16
		hash  crypto.Hash
		AEAD
	}{
		{"AES-128-GCM", tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, crypto.SHA256, AES128GCM},
		{"AES-256-GCM", tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, crypto.SHA384, AES256GCM},
		{"ChaCha20-Poly1305", tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, crypto.SHA256, ChaCha20Poly1305},
	} {
		t.Run(test.name, func(t *testing.T) {
			clientStream, serverStream, master := converse(t, test.suite, request, response)
			clientRandom, fromClient := split(t, clientStream)
			serverRandom, fromServer := split(t, serverStream)
			randoms := keysched.Randoms{Client: clientRandom, Server: serverRandom}
			var client, server keysched.Secret
			keyLen, ivLen := test.KeyLen(), test.IVLen12()
			keysched.New(test.hash).WriteKeys(&client, &server, &master, &randoms, keyLen, ivLen)

			for _, side := range []struct {
				name    string
				keys    keysched.Secret
				records [][]byte
				data    []byte
			}{
				{"client", client, fromClient, request},
				{"server", server, fromServer, response},
			} {
				k := new(Key12)
				if err := k.Init(test.AEAD, side.keys[:keyLen], side.keys[keyLen:keyLen+ivLen]); err != nil {
					t.Fatal(err)
				}
				checkRecords(t, side.name, test.AEAD, k, side.records, side.data)
			}
		})
	}
}

// checkRecords opens a side's records: a Finished message, then data. Sealed again, each is the same, as
// crypto/tls too makes the explicit nonce of the sequence number.
func checkRecords(t *testing.T, side string, a AEAD, k *Key12, records [][]byte, data []byte) {
	t.Helper()
	var got []byte
	for seq, rec := range records {
		content, typ, err := k.Open(nil, bytes.Clone(rec), uint64(seq))
		if err != nil {
			t.Fatalf("record %d of the %s: %v", seq, side, err)
		}
		if sealed := seal12(a, k, content, typ, uint64(seq)); !bytes.Equal(sealed, rec) {
			t.Errorf("record %d of the %s, sealed again, is another", seq, side)
		}
		switch {
		case seq > 0 && typ == ApplicationData:
			got = append(got, content...)
		case seq > 0 || typ != Handshake || len(content) != 16 || content[0] != 20:
			t.Errorf("record %d of the %s is %v %x", seq, side, typ, content)
		}
	}
	if !bytes.Equal(got, data) {
		t.Errorf("the %s's records hold %d bytes, it sent %d", side, len(got), len(data))
	}
}
