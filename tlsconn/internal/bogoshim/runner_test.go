package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// What BoGo's runner does with the shim, with crypto/tls in the place of the runner's own
// TLS: the shim dials, says which one it is, and plays its part over a connection or two.

// patience turns a hang into a failure; nothing is measured by it.
const patience = time.Minute

const testShimID = 77

// identityFiles are a certificate and its key, as the flags want them.
type identityFiles struct {
	cert      tls.Certificate
	certFile  string
	keyFile   string
	encodedSC string // an SCT list, in base64
}

func newIdentityFiles(t *testing.T) identityFiles {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	id := identityFiles{
		cert:     tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key},
		certFile: filepath.Join(dir, "cert.pem"), keyFile: filepath.Join(dir, "key.pem"),
		encodedSC: base64.StdEncoding.EncodeToString([]byte{0, 5, 0, 3, 's', 'c', 't'}),
	}
	for file, block := range map[string]*pem.Block{id.certFile: {Type: "CERTIFICATE", Bytes: der}, id.keyFile: {Type: "PRIVATE KEY", Bytes: encoded}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

// asked is what the shim is to do.
type asked struct {
	name  string
	flags string // CERT, KEY and SCTS stand for those of the identity
	play  func(*tls.Conn) error
	peer  func(*tls.Config) // of the runner
	conns int               // how many connections, 0 for one
	fails string            // part of the shim's error, empty for none
}

// echoes says something and wants it inverted, and ends the connection.
func echoes(c *tls.Conn) error {
	if _, err := c.Write([]byte("hello")); err != nil {
		return err
	}
	got := make([]byte, 5)
	if _, err := io.ReadFull(c, got); err != nil {
		return err
	}
	for i := range got {
		got[i] ^= 0xff
	}
	if string(got) != "hello" {
		return errors.New("the echo is not inverted")
	}
	return ends(c)
}

// ends says close_notify and reads what is left.
func ends(c *tls.Conn) error {
	if err := c.CloseWrite(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, c)
	return err
}

// firstHears reads what the shim says unasked before it echoes.
func firstHears(n int) func(*tls.Conn) error {
	return func(c *tls.Conn) error {
		if _, err := io.CopyN(io.Discard, c, int64(n)); err != nil {
			return err
		}
		return echoes(c)
	}
}

// serve accepts the shim's connections, in turn, and returns the first failure.
func (a asked) serve(listener net.Listener, id identityFiles) error {
	isServer := strings.Contains(a.flags, "-server")
	config := &tls.Config{
		Certificates: []tls.Certificate{id.cert}, InsecureSkipVerify: true, ServerName: "test", MaxVersion: tls.VersionTLS13,
		NextProtos: []string{"foo", "bar"}, ClientSessionCache: tls.NewLRUClientSessionCache(1),
	}
	if a.peer != nil {
		a.peer(config)
	}
	for range max(a.conns, 1) {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		err = a.meet(conn, config, isServer)
		conn.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (a asked) meet(conn net.Conn, config *tls.Config, isServer bool) error {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	shimID := make([]byte, 8)
	if _, err := io.ReadFull(conn, shimID); err != nil {
		return err
	}
	if binary.LittleEndian.Uint64(shimID) != testShimID {
		return errors.New("not our shim")
	}
	peer := tls.Server(conn, config)
	if isServer {
		peer = tls.Client(conn, config)
	}
	if a.play != nil {
		return a.play(peer)
	}
	return echoes(peer)
}

// run runs the shim beside its runner, and returns the errors of both.
func (a asked) run(t *testing.T, id identityFiles) (shim, runner error) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- a.serve(listener, id) }()
	port := listener.Addr().(*net.TCPAddr).Port
	args := []string{"-port", strconv.Itoa(port), "-shim-id", strconv.Itoa(testShimID)}
	flags := strings.NewReplacer("CERT", id.certFile, "KEY", id.keyFile, "SCTS", id.encodedSC).Replace(a.flags)
	shim = run(append(args, strings.Fields(flags)...))
	listener.Close() // or the runner would wait for a connection that will never be
	return shim, <-served
}

const serverFlags = "-server -cert-file CERT -key-file KEY "

func only(version uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MinVersion, c.MaxVersion = version, version }
}

func wantsCertificate(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }

func TestTheShimPlaysItsPart(t *testing.T) {
	id := newIdentityFiles(t)
	for _, a := range []asked{
		{name: "a server of TLS 1.3", flags: serverFlags + "-expect-version 772 -expect-server-name test -expect-no-hrr -check-close-notify"},
		{name: "a server of TLS 1.2", flags: serverFlags + "-expect-version 771 -expect-extended-master-secret -expect-secure-renegotiation", peer: only(tls.VersionTLS12)},
		{name: "a server, a byte and an operation at a time", flags: serverFlags + "-async -check-close-notify"},
		{name: "the same of TLS 1.2", flags: serverFlags + "-async -max-version 771"},
		{name: "a server that inspects", flags: serverFlags + "-use-early-callback -async"},
		{name: "a server that selects a protocol", flags: serverFlags + "-select-alpn bar -expect-advertised-alpn \x03foo\x03bar"},
		{name: "a server that declines protocols", flags: serverFlags + "-decline-alpn"},
		{name: "a server that asks for a certificate", flags: serverFlags + "-require-any-client-certificate -verify-peer -expect-peer-cert-file CERT -expect-peer-signature-algorithm 1027"},
		{name: "a server that verifies one", flags: serverFlags + "-require-any-client-certificate -verify-peer -use-custom-verify-callback -async"},
		{name: "a server that is resumed", flags: serverFlags + "-resume-count 1 -async -expect-version 772", conns: 2},
		{name: "a server of TLS 1.2 that is resumed", flags: serverFlags + "-resume-count 1 -max-version 771 -on-resume-expect-version 771", conns: 2},
		{name: "a server that staples", flags: serverFlags + "-ocsp-response b2NzcA== -signed-cert-timestamps SCTS", play: func(c *tls.Conn) error {
			if err := c.Handshake(); err != nil {
				return err
			}
			if s := c.ConnectionState(); string(s.OCSPResponse) != "ocsp" || len(s.SignedCertificateTimestamps) != 1 || string(s.SignedCertificateTimestamps[0]) != "sct" {
				return errors.New("nothing is stapled")
			}
			return echoes(c)
		}},
		{name: "a server that retries", flags: serverFlags + "-curves 24 -expect-hrr -expect-curve-id 24"},
		{name: "a client of TLS 1.3", flags: "-host-name test -advertise-alpn \x03foo -expect-alpn foo -expect-version 772 -check-close-notify"},
		{name: "a client of TLS 1.2", flags: "-max-version 771 -expect-version 771 -expect-extended-master-secret -expect-secure-renegotiation"},
		{name: "a client, a byte and an operation at a time", flags: "-async -cert-file CERT -key-file KEY", peer: wantsCertificate},
		{name: "the same of TLS 1.2", flags: "-async -max-version 771 -cert-file CERT -key-file KEY", peer: wantsCertificate},
		{name: "a client with a certificate", flags: "-cert-file CERT -key-file KEY", peer: wantsCertificate},
		{name: "a client that verifies", flags: "-verify-peer -trust-cert CERT -host-name test -use-custom-verify-callback -async"},
		{name: "a client that resumes", flags: "-resume-count 1", conns: 2},
		{name: "a client that resumes in TLS 1.2", flags: "-resume-count 1 -max-version 771 -async", conns: 2},
		{name: "a client that asks for staples", flags: "-enable-ocsp-stapling -enable-signed-cert-timestamps -expect-ocsp-response b2NzcA== -expect-signed-cert-timestamps SCTS",
			peer: func(c *tls.Config) {
				c.Certificates[0].OCSPStaple, c.Certificates[0].SignedCertificateTimestamps = []byte("ocsp"), [][]byte{[]byte("sct")}
			}},
		{name: "keys that change", flags: serverFlags + "-key-update", play: func(c *tls.Conn) error {
			for range 2 { // the second time with the shim's next key
				if _, err := c.Write([]byte("a")); err != nil {
					return err
				}
				if _, err := io.CopyN(io.Discard, c, 1); err != nil {
					return err
				}
			}
			return ends(c)
		}},
		{name: "keys that change before a read", flags: serverFlags + "-key-update-before-read -peek-then-read"},
		{name: "a look before the read", flags: serverFlags + "-peek-then-read -read-size 3"},
		{name: "material is exported", flags: serverFlags + "-export-keying-material 33 -export-label label -export-context context -use-export-context", play: func(c *tls.Conn) error {
			got := make([]byte, 33)
			if _, err := io.ReadFull(c, got); err != nil {
				return err
			}
			state := c.ConnectionState()
			want, err := state.ExportKeyingMaterial("label", []byte("context"), 33)
			if err != nil || !bytes.Equal(got, want) {
				return errors.New("other material is exported")
			}
			return echoes(c)
		}},
		{name: "traffic secrets are exported", flags: serverFlags + "-export-traffic-secrets", play: firstHears(2 + 2*32)},
		{name: "the first word", flags: serverFlags + "-shim-writes-first -shim-initial-write hi -repeat-shim-initial-write 2", play: firstHears(4)},
		{name: "the first word before the handshake is asked for", flags: "-implicit-handshake -shim-writes-first", play: firstHears(5)},
		{name: "a handshake that is asked for again", flags: "-handshake-twice -no-op-extra-handshake -use-exporter-between-reads"},
		{name: "writes of all sizes", flags: serverFlags + "-write-different-record-sizes", play: firstHearsAndEnds},
		{name: "the last word", flags: serverFlags + "-shim-shuts-down -check-close-notify", play: func(c *tls.Conn) error {
			if _, err := c.Read(make([]byte, 1)); err != io.EOF {
				return err
			}
			return ends(c)
		}},
		{name: "an unfinished write", flags: serverFlags + "-async -read-with-unfinished-write -shim-initial-write hi", play: func(c *tls.Conn) error {
			if _, err := c.Write([]byte("x")); err != nil {
				return err
			}
			_, err := io.CopyN(io.Discard, c, 3)
			return errors.Join(err, ends(c))
		}},
		{name: "an alert of the shim's choice", flags: serverFlags + "-send-alert", play: wantsAlert},
	} {
		t.Run(a.name, func(t *testing.T) {
			if shim, runner := a.run(t, id); shim != nil || runner != nil {
				t.Errorf("the shim: %v; the runner: %v", shim, runner)
			}
		})
	}
}

// firstHearsAndEnds reads all that the shim writes by itself.
func firstHearsAndEnds(c *tls.Conn) error {
	if _, err := io.CopyN(io.Discard, c, 1+255+256+257+16383+16384+16385+32767+32768+32769); err != nil {
		return err
	}
	return ends(c)
}

// wantsAlert reads to an end that is an alert.
func wantsAlert(c *tls.Conn) error {
	var alert *net.OpError
	if _, err := c.Read(make([]byte, 1)); !errors.As(err, &alert) || alert.Op != "remote error" {
		return errors.New("no alert")
	}
	return nil
}

// The runner tells failures by what the shim says of them.
func TestTheShimFailsWhereItHasTo(t *testing.T) {
	id := newIdentityFiles(t)
	for _, a := range []asked{
		{name: "another version than expected", flags: serverFlags + "-expect-version 771", fails: "version"},
		{name: "another group", flags: serverFlags + "-expect-curve-id 25", fails: "expected group"},
		{name: "another name", flags: serverFlags + "-expect-server-name other", fails: "name"},
		{name: "another protocol", flags: "-advertise-alpn \x03foo -expect-alpn bar", fails: "expected protocol"},
		{name: "a retry that is not", flags: serverFlags + "-expect-hrr", fails: "HelloRetryRequest"},
		{name: "no session to miss", flags: serverFlags + "-resume-count 1 -on-resume-expect-session-miss", conns: 2, fails: "resum"},
		{name: "an inspection that fails", flags: serverFlags + "-use-early-callback -fail-early-callback", fails: "inspect"},
		{name: "a choice of a certificate that fails", flags: serverFlags + "-fail-cert-callback", fails: "callback"},
		{name: "a verification that fails", flags: "-verify-peer -verify-fail -use-custom-verify-callback", fails: "wants it to fail"},
		{name: "no protocol in common", flags: serverFlags + "-reject-alpn", fails: "NO_APPLICATION_PROTOCOL"},
		{name: "no certificate of the client", flags: serverFlags + "-require-any-client-certificate", peer: func(c *tls.Config) { c.Certificates = nil }, fails: "the client sent none"},
		{name: "a runner that hangs up", flags: serverFlags, play: func(*tls.Conn) error { return nil }, fails: "EOF"},
		{name: "a flag that is not known", flags: "-no-such-flag", fails: "unimplemented"},
		{name: "a certificate that is not there", flags: "-server -cert-file /nonexistent -key-file KEY", fails: "no such file"},
		{name: "an unfinished write without -async", flags: serverFlags + "-read-with-unfinished-write", fails: "needs -async"},
	} {
		t.Run(a.name, func(t *testing.T) {
			shim, _ := a.run(t, id) // what the runner makes of it is not asked
			if shim == nil || !strings.Contains(strings.ToLower(shim.Error()), strings.ToLower(a.fails)) {
				t.Errorf("the shim: %v, want %q in it", shim, a.fails)
			}
		})
	}
}
