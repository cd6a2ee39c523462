package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
)

// probing is what `tlsreactor probe --json` told, read back.
type probing struct {
	status        int
	output        string
	states, wants []string
	facts         struct {
		Address, Version, Suite, Group, ALPN string
		SignatureScheme                      string `json:"signature_scheme"`
		ServerName                           string `json:"server_name"`
		HelloRetryRequest                    bool   `json:"hello_retry_request"`
		ClientCertificate                    bool   `json:"client_certificate_requested"`
	}
	certificates []probedCertificate
	times        map[string]any
	result       struct {
		Outcome, Message string
		Status           int
		Wrong            []string
	}
}

type probedCertificate struct {
	Subject, Key string
	Names, Wrong []string
}

// probeJSON probes and reads what comes. Times only grow, and the last line agrees with the exit status.
func probeJSON(t *testing.T, args ...string) *probing {
	t.Helper()
	t.Setenv("GORACE", "atexit_sleep_ms=0") // or else each exit takes a second under the race detector
	var p probing
	p.output, p.status = runProgram(t, append([]string{"probe", "--json", "--timeout", patience.String()}, args...)...)
	at := 0.0
	for line := range strings.Lines(p.output) {
		var l struct {
			Event, State, Want string
			MS                 float64
		}
		read := func(into any) {
			if err := json.Unmarshal([]byte(line), into); err != nil {
				t.Fatalf("%v: %q", err, line)
			}
		}
		read(&l)
		if l.MS < at {
			t.Errorf("a line is of %v ms, after one of %v", l.MS, at)
		}
		at = l.MS
		switch l.Event {
		case "state":
			p.states = append(p.states, l.State)
		case "want":
			p.wants = append(p.wants, l.Want)
		case "facts":
			read(&p.facts)
		case "certificate":
			p.certificates = append(p.certificates, probedCertificate{})
			read(&p.certificates[len(p.certificates)-1])
		case "times":
			read(&p.times)
		case "result":
			read(&p.result)
		}
	}
	if p.result.Status != p.status {
		t.Errorf("exit status %d, output\n%s", p.status, p.output)
	}
	return &p
}

// want checks the outcome.
func (p *probing) want(t *testing.T, status int, outcome, message string) {
	t.Helper()
	if p.status != status || p.result.Outcome != outcome || !strings.Contains(p.result.Message, message) {
		t.Errorf("exit status %d, want %d (%s, %q); output\n%s", p.status, status, outcome, message, p.output)
	}
}

// loopback opens a listener on loopback that ends with the test.
func loopback(t *testing.T) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

// serveEach answers each connection, and returns the address.
func serveEach(t *testing.T, answer func(net.Conn)) string {
	t.Helper()
	ln := loopback(t)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				answer(conn)
			}()
		}
	}()
	return ln.Addr().String()
}

// serveTLS is a server of crypto/tls that says nothing.
func serveTLS(t *testing.T, config *tls.Config) string {
	t.Helper()
	return serveEach(t, func(conn net.Conn) {
		io.Copy(io.Discard, tls.Server(conn, config))
	})
}

// keyPair loads the certificate of certificateFiles for crypto/tls.
func keyPair(t *testing.T, certFile, keyFile string) tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// localhost is the same address by name.
func localhost(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return "localhost:" + port
}

var handshakeStates = []string{"sendClientHello", "expectServerHello", "expectEncryptedExtensions", "expectCertificateOrRequest",
	"awaitVerification", "expectCertificateVerify", "expectServerFinished", "sendClientFinished", "awaitFlush", "connected"}

func TestProbeOfOurselves(t *testing.T) {
	certFile, keyFile := certificateFiles(t, nil)
	server := start(t, "--cert", certFile, "--key", keyFile)
	p := probeJSON(t, "--ca", certFile, "--4", "--alpn", "h2,http/1.1", localhost(t, server.addr))
	p.want(t, 0, "ok", "certificate trusted for localhost")
	f := p.facts
	if f.Address != server.addr || f.Version != "TLS 1.3" || f.Group != "X25519MLKEM768" || f.SignatureScheme != "ecdsa_secp256r1_sha256" ||
		f.ALPN != "http/1.1" || f.ServerName != "localhost" || f.HelloRetryRequest || f.ClientCertificate {
		t.Errorf("facts %+v", f)
	}
	if !slices.Equal(p.states, handshakeStates) {
		t.Errorf("states %q, want %q", p.states, handshakeStates)
	}
	// A fast server's flight may be there before it is wanted, and the verification end as fast.
	if len(p.wants) == 0 || p.wants[0] != "write" {
		t.Errorf("wants %q", p.wants)
	}
	for _, phase := range []string{"resolve_ms", "connect_ms", "handshake_ms", "server_hello_ms", "verify_ms", "total_ms"} {
		if took, ok := p.times[phase].(float64); !ok || took <= 0 {
			t.Errorf("%s is %v", phase, p.times[phase])
		}
	}
	if len(p.certificates) != 1 || p.certificates[0].Key != "ECDSA P-256" || !slices.Equal(p.certificates[0].Names, []string{"localhost", "127.0.0.1"}) {
		t.Errorf("certificates %+v", p.certificates)
	}

	output, status := runProgram(t, "probe", "--ca", certFile, localhost(t, server.addr))
	for _, line := range []string{" ms  state      connected\n", " ms  want       write\n", "\nHelloRetryRequest   no\n", "\n  key                 ECDSA P-256\n", "\nok: TLS 1.3 with "} {
		if status != 0 || !strings.Contains(output, line) {
			t.Errorf("exit status %d, no %q in\n%s", status, line, output)
		}
	}
}

func TestProbeOfIPv6(t *testing.T) {
	certFile, keyFile := certificateFiles(t, nil)
	server := launch(t, "serve", "--listen", "[::1]:0", "--cert", certFile, "--key", keyFile)
	addr := server.await(`msg=serving .*listen=(\S+)`)[1]
	p := probeJSON(t, "--ca", certFile, "--servername", "localhost", addr)
	p.want(t, 0, "ok", "[::1]:")
	p = probeJSON(t, "--ca", certFile, addr)
	p.want(t, 8, "untrusted", "wrong name: it is for localhost, 127.0.0.1, not for ::1")
	if p.facts.ServerName != "" {
		t.Errorf("an address was sent as server_name: %+v", p.facts)
	}
}

// opensslServer starts `openssl s_server` with a certificate for localhost, and returns its address and the
// file of the certificate.
func opensslServer(t *testing.T, key crypto.Signer, args ...string) (addr, certFile string) {
	t.Helper()
	certFile, keyFile := certificateFiles(t, key)
	cmd := exec.Command("openssl", append([]string{"s_server", "-accept", "127.0.0.1:0", "-cert", certFile, "-key", keyFile}, args...)...)
	if _, err := cmd.StdinPipe(); err != nil { // kept open: at its end s_server ends too
		t.Fatal(err)
	}
	p := launchCommand(t, cmd)
	return p.await(`ACCEPT (\S+)\n`)[1], certFile
}

func TestProbeOfOpenSSL(t *testing.T) {
	signer := func(key crypto.Signer, err error) crypto.Signer {
		if err != nil {
			t.Fatal(err)
		}
		return key
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	rsaSigner := signer(rsaKey, err)
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	p384Signer := signer(p384, err)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	edSigner := signer(ed, err)
	for _, tt := range []struct {
		name                 string
		key                  crypto.Signer
		server, probe        []string
		suite, group, scheme string
		alpn                 string
		retried              bool
	}{
		{name: "its defaults"},
		{name: "TLS 1.2", server: []string{"-tls1_2"}, suite: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", group: "X25519", scheme: "ecdsa_secp256r1_sha256"},
		{name: "TLS 1.2 and an RSA key", key: rsaSigner, server: []string{"-tls1_2", "-sigalgs", "RSA+SHA384"}, suite: "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", scheme: "rsa_pkcs1_sha384"},
		{name: "TLS 1.2, which is asked for, and a suite", probe: []string{"--tls-max", "1.2", "--suites", "ECDHE-ECDSA-CHACHA20-POLY1305"}, suite: "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"},
		{name: "a suite of TLS 1.2", probe: []string{"--suites", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"}, suite: "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"},
		{name: "an RSA key", key: rsaSigner, scheme: "rsa_pss_rsae_sha256"},
		{name: "an ECDSA P-384 key", key: p384Signer, scheme: "ecdsa_secp384r1_sha384"},
		{name: "an Ed25519 key", key: edSigner, scheme: "ed25519"},
		{name: "AES-128 alone", server: []string{"-ciphersuites", "TLS_AES_128_GCM_SHA256"}, suite: "TLS_AES_128_GCM_SHA256"},
		{name: "ChaCha20 alone", server: []string{"-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"}, suite: "TLS_CHACHA20_POLY1305_SHA256"},
		{name: "the suite that is asked for", probe: []string{"--suites", "TLS_AES_128_GCM_SHA256"}, suite: "TLS_AES_128_GCM_SHA256"},
		{name: "X25519 alone", server: []string{"-groups", "X25519"}, group: "X25519"},
		{name: "P-256 alone: another hello", server: []string{"-groups", "P-256"}, group: "P-256", retried: true},
		{name: "P-384 alone: another hello", server: []string{"-groups", "P-384"}, group: "P-384", retried: true},
		{name: "P-521 alone: another hello", server: []string{"-groups", "P-521"}, group: "P-521", retried: true},
		{name: "the group that is asked for", server: []string{"-groups", "X25519:P-384"}, probe: []string{"--groups", "secp384r1"}, group: "P-384"},
		{name: "a protocol", server: []string{"-alpn", "h2"}, probe: []string{"--alpn", "h3,h2"}, alpn: "h2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr, certFile := opensslServer(t, tt.key, tt.server...)
			p := probeJSON(t, append(tt.probe, "--ca", certFile, localhost(t, addr))...)
			p.want(t, 0, "ok", "certificate trusted")
			f := p.facts
			if tt.suite != "" && f.Suite != tt.suite || tt.group != "" && f.Group != tt.group || tt.scheme != "" && f.SignatureScheme != tt.scheme ||
				f.ALPN != tt.alpn || f.HelloRetryRequest != tt.retried {
				t.Errorf("facts %+v", f)
			}
			if slices.Contains(p.states, "expectSecondServerHello") != tt.retried {
				t.Errorf("states %q", p.states)
			}
		})
	}
}

func TestProbeOfServersWithoutTheVersionsOffered(t *testing.T) {
	const message = "the server does not speak TLS 1.3"
	t.Run("openssl", func(t *testing.T) {
		addr, _ := opensslServer(t, nil, "-tls1_2")
		probeJSON(t, "--tls-min", "1.3", addr).want(t, 10, "no_common_version", message)
	})
	t.Run("crypto/tls", func(t *testing.T) {
		certFile, keyFile := certificateFiles(t, nil)
		addr := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{keyPair(t, certFile, keyFile)}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11})
		probeJSON(t, addr).want(t, 10, "no_common_version", "the server does not speak TLS 1.2 or TLS 1.3")
	})
	t.Run("one that does not look at the versions offered", func(t *testing.T) {
		// A ServerHello of TLS 1.2: version, random, no session, ECDHE-RSA-AES128-GCM, no compression.
		hello := slices.Concat([]byte{2, 0, 0, 38, 3, 3}, make([]byte, 32), []byte{0, 0xc0, 0x2f, 0})
		addr := serveEach(t, afterHello(t, slices.Concat([]byte{22, 3, 3, 0, byte(len(hello))}, hello), true))
		probeJSON(t, "--suites", "TLS_AES_128_GCM_SHA256", addr).want(t, 10, "no_common_version", message)
	})
}

// afterHello answers what comes first, and then waits for the end or ends it.
func afterHello(t *testing.T, answer []byte, wait bool) func(net.Conn) {
	return func(conn net.Conn) {
		header := make([]byte, 5)
		if _, err := io.ReadFull(conn, header); err != nil {
			t.Errorf("reading the ClientHello: %v", err)
			return
		}
		if _, err := io.CopyN(io.Discard, conn, int64(header[3])<<8|int64(header[4])); err != nil {
			t.Errorf("reading the ClientHello: %v", err)
			return
		}
		if _, err := conn.Write(answer); err != nil {
			t.Error(err)
		}
		if wait {
			io.Copy(io.Discard, conn)
		}
	}
}

func TestProbeOfServersThatDoNotFinishTheHandshake(t *testing.T) {
	alert := func(number byte) []byte { return []byte{21, 3, 3, 0, 2, 2, number} }
	for _, tt := range []struct {
		name    string
		answer  func(net.Conn)
		status  int
		outcome string
		message string
	}{
		{"an alert", afterHello(t, alert(112), true), 6, "refused", "alert unrecognized_name: it has nothing for this server_name"},
		{"nothing in common", afterHello(t, alert(40), true), 6, "refused", "alert handshake_failure: it shares no suite"},
		{"an alert that no RFC names", afterHello(t, alert(200), true), 6, "refused", "alert(200)"},
		{"an end in order, too early", afterHello(t, alert(0), true), 6, "refused", "alert close_notify"},
		{"a hello that is broken", afterHello(t, []byte{22, 3, 3, 0, 5, 2, 0, 0, 1, 3}, true), 7, "handshake_failed", "decode_error"},
		{"a message out of order", afterHello(t, []byte{22, 3, 3, 0, 4, 20, 0, 0, 0}, true), 7, "handshake_failed", "unexpected_message"},
		{"the end", afterHello(t, nil, false), 9, "connection_lost", "the server closed the connection in state expectServerHello"},
		{"half a record", afterHello(t, []byte{22, 3, 3, 1, 0, 2}, false), 9, "connection_lost", "closed the connection"},
		{"a reset", func(conn net.Conn) { // with the ClientHello unread
			conn.Read(make([]byte, 1))
			conn.(*net.TCPConn).SetLinger(0)
		}, 9, "connection_lost", "reset the connection"},
		{"SSH", func(conn net.Conn) {
			io.WriteString(conn, "SSH-2.0-OpenSSH_9.9\r\n")
			io.Copy(io.Discard, conn)
		}, 11, "not_tls", `this is SSH and began with "SSH-2.0-OpenSSH_9.9"`},
		{"SMTP", func(conn net.Conn) {
			io.WriteString(conn, "220 mail.example ESMTP\r\n")
			io.Copy(io.Discard, conn)
		}, 11, "not_tls", "SMTP or FTP"},
		{"something that a terminal would obey", func(conn net.Conn) {
			io.WriteString(conn, "\x1b[2J\u009b31m\u202e")
			io.Copy(io.Discard, conn)
		}, 11, "not_tls", `what came began with "\x1b[2J\u009b31m\u202e"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := probeJSON(t, serveEach(t, tt.answer))
			p.want(t, tt.status, tt.outcome, tt.message)
			if i := strings.IndexFunc(p.output, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
				t.Errorf("not printable: %q", p.output[i:])
			}
		})
	}
	t.Run("HTTP", func(t *testing.T) {
		server := &http.Server{}
		ln := loopback(t)
		go server.Serve(ln)
		t.Cleanup(func() { server.Close() })
		probeJSON(t, ln.Addr().String()).want(t, 11, "not_tls", `this is plain HTTP and began with "HTTP/1.1 400 Bad Request"`)
	})
	t.Run("a protocol that is not shared", func(t *testing.T) {
		certFile, keyFile := certificateFiles(t, nil)
		addr := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{keyPair(t, certFile, keyFile)}, NextProtos: []string{"h2"}})
		probeJSON(t, "--alpn", "imap", addr).want(t, 6, "refused", "alert no_application_protocol")
	})
	t.Run("a suite that is not shared", func(t *testing.T) {
		addr, _ := opensslServer(t, nil, "-ciphersuites", "TLS_AES_256_GCM_SHA384")
		probeJSON(t, "--suites", "TLS_AES_128_GCM_SHA256", addr).want(t, 6, "refused", "alert handshake_failure")
	})
}

func TestProbeOfServersThatWantAClientCertificate(t *testing.T) {
	certFile, keyFile := certificateFiles(t, nil)
	for _, tt := range []struct {
		name    string
		policy  tls.ClientAuthType
		status  int
		outcome string
		message string
	}{
		{"asked for", tls.RequestClientCert, 0, "ok", "certificate trusted"},
		{"demanded", tls.RequireAnyClientCert, 6, "refused", "alert certificate_required: it wants a client certificate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{keyPair(t, certFile, keyFile)}, ClientAuth: tt.policy})
			p := probeJSON(t, "--ca", certFile, addr)
			p.want(t, tt.status, tt.outcome, tt.message)
			if !p.facts.ClientCertificate || !slices.Contains(p.states, "expectCertificate") {
				t.Errorf("facts %+v, states %q", p.facts, p.states)
			}
		})
	}
	t.Run("demanded by openssl", func(t *testing.T) {
		addr, certFile := opensslServer(t, nil, "-Verify", "1")
		probeJSON(t, "--ca", certFile, addr).want(t, 6, "refused", "alert certificate_required")
	})
}

func TestProbeOfCertificatesThatAreNotToBeTrusted(t *testing.T) {
	template := func(names []string, from, to time.Duration) *x509.Certificate {
		return &x509.Certificate{DNSNames: names, NotBefore: time.Now().Add(from), NotAfter: time.Now().Add(to)}
	}
	hour := time.Hour
	for _, tt := range []struct {
		name     string
		template *x509.Certificate
		trusted  bool
		want     []string
	}{
		{"nothing", template([]string{"localhost"}, -hour, hour), true, nil},
		{"expired", template([]string{"localhost"}, -50*hour, -25*hour), true, []string{"expired"}},
		{"not valid yet", template([]string{"localhost"}, hour, 2*hour), true, []string{"not valid before"}},
		{"another's", template([]string{"other.example"}, -hour, hour), true, []string{"wrong name: it is for other.example, not for localhost"}},
		{"self-signed", template([]string{"localhost"}, -hour, hour), false, []string{"self-signed"}},
		{"all of this", template([]string{"other.example\x1b[2J"}, -50*hour, -25*hour), false, []string{"wrong name", "expired", "self-signed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			der, err := x509.CreateCertificate(rand.Reader, tt.template, tt.template, key.Public(), key)
			if err != nil {
				t.Fatal(err)
			}
			addr := serveTLS(t, &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
			file := writePEM(t, "ca.pem", "CERTIFICATE", der)
			if !tt.trusted {
				file, _ = certificateFiles(t, nil)
			}
			p := probeJSON(t, "--ca", file, localhost(t, addr))
			if len(tt.want) == 0 {
				p.want(t, 0, "ok", "")
			} else {
				p.want(t, 8, "untrusted", "but the certificate is not to be trusted")
			}
			if len(p.certificates) != 1 || len(p.certificates[0].Wrong) != len(tt.want) || len(p.result.Wrong) != len(tt.want) {
				t.Fatalf("output\n%s", p.output)
			}
			for i, wrong := range tt.want {
				if !strings.HasPrefix(p.certificates[0].Wrong[i], wrong) || !strings.Contains(p.result.Wrong[i], wrong) {
					t.Errorf("wrong is %q, want %q", p.certificates[0].Wrong[i], wrong)
				}
			}
			if !slices.Equal(p.states, handshakeStates) || p.facts.Version != "TLS 1.3" {
				t.Errorf("the handshake did not go on to its end: %q, %+v", p.states, p.facts)
			}
			output, status := runProgram(t, "probe", "--ca", file, localhost(t, addr))
			if status != p.status || strings.Contains(output, "\x1b") {
				t.Errorf("exit status %d, output %q", status, output)
			}
		})
	}
}

func TestProbeOfNobody(t *testing.T) {
	closed, silent := refusing(t), loopback(t)
	probeJSON(t, closed).want(t, 4, "connect_failed", closed+": connection refused")
	probeJSON(t, "--timeout", "2s", silent.Addr().String()).want(t, 5, "timeout", "in state expectServerHello of the handshake")
	tooLong := strings.Repeat("a", 64) + ".invalid" // a label has at most 63 bytes (RFC 1035 2.3.4), so nobody is asked
	probeJSON(t, tooLong+":443").want(t, 3, "resolve_failed", tooLong+" has no address")
}

func TestProbeThatIsNotUnderstood(t *testing.T) {
	for _, tt := range []struct {
		name, args string
		status     int
		want       string
	}{
		{"help", "probe --help", 0, "Usage: tlsreactor probe [flags] HOST:PORT"},
		{"nothing to probe", "probe", 2, "tlsreactor probe: HOST:PORT is missing"},
		{"no port", "probe localhost", 2, "tlsreactor probe: localhost: missing port in address"},
		{"an unknown flag", "probe --request / localhost:1", 2, "tlsreactor probe: unknown flag --request"},
		{"a file that is missing", "probe --ca absent.pem localhost:1", 2, "--ca: no such file or directory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			output, status := runProgram(t, strings.Fields(tt.args)...)
			if status != tt.status || !strings.Contains(output, tt.want) {
				t.Errorf("exit status %d, output %q; want %d, %q", status, output, tt.status, tt.want)
			}
		})
	}
}
