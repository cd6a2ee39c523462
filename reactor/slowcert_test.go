package reactor

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/acme/autocert"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A verdictOf is what a slow certificate answered; an answered takes it in place
// of a tlsconn.Completion, of which only tlsconn sees that.
type (
	verdictOf struct {
		cert *tls.Certificate
		err  error
	}
	answered struct {
		first     chan verdictOf
		claimed   atomic.Bool
		abandoned atomic.Bool
	}
)

func newAnswered() *answered { return &answered{first: make(chan verdictOf, 1)} }

func (a *answered) Complete(cert *tls.Certificate) bool { return a.answer(verdictOf{cert: cert}) }
func (a *answered) Fail(err error) bool                 { return a.answer(verdictOf{err: err}) }
func (a *answered) Abandoned() bool                     { return a.abandoned.Load() }

func (a *answered) answer(v verdictOf) bool {
	if !a.claimed.CompareAndSwap(false, true) {
		return false
	}
	a.first <- v
	return true
}

// newSlow is a SlowCertificate without tlsconn's part.
func newSlow(ctx context.Context, limits SlowLimits, get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) *slowCertificate {
	return &slowCertificate{ctx: ctx, get: get, time: limits.Time, places: make(chan struct{}, limits.Calls)}
}

var someLimits = SlowLimits{Calls: 2, Time: time.Minute}

// helloRecorder is a connection on which a client says its hello, and gets no answer.
type helloRecorder struct {
	helloConn
	said bytes.Buffer
}

func (r *helloRecorder) Read([]byte) (int, error)    { return 0, io.EOF }
func (r *helloRecorder) Write(p []byte) (int, error) { return r.said.Write(p) }

// pathConn is a connection of a unix socket.
type pathConn struct{ net.Conn }

func (pathConn) LocalAddr() net.Addr  { return &net.UnixAddr{Name: "local", Net: "unix"} }
func (pathConn) RemoteAddr() net.Addr { return &net.UnixAddr{Name: "remote", Net: "unix"} }

// helloOf is the ClientHello of a client of crypto/tls.
func helloOf(t *testing.T, config *tls.Config) *tlsconn.ClientHello {
	t.Helper()
	var r helloRecorder
	if err := tls.Client(&r, config).Handshake(); !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	hello := &tlsconn.ClientHello{ClientHelloInfo: &tls.ClientHelloInfo{ServerName: config.ServerName, Conn: pathConn{}}}
	for said := r.said.Bytes(); len(said) > 5 && said[0] == 22; {
		n := int(said[3])<<8 | int(said[4])
		hello.Raw = append(hello.Raw, said[5:5+n]...)
		said = said[5+n:]
	}
	return hello
}

func exampleHello(t *testing.T) *tlsconn.ClientHello {
	t.Helper()
	return helloOf(t, &tls.Config{ServerName: "example.org", NextProtos: []string{"h2"}})
}

func TestSlowCertificateHasAGenuineClientHelloInfo(t *testing.T) {
	long := &tls.Config{ServerName: "example.org"}
	for i := range 120 {
		long.NextProtos = append(long.NextProtos, fmt.Sprintf("%0250d", i))
	}
	for _, tt := range []struct {
		name   string
		config *tls.Config
	}{
		{"of a usual client", &tls.Config{ServerName: "example.org", NextProtos: []string{"h2"}}},
		{"of a message in several records", long},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hello := helloOf(t, tt.config)
			if several := len(hello.Raw) > maxRecord; several != (tt.config == long) {
				t.Fatalf("the hello has %d bytes", len(hello.Raw))
			}
			hello.HelloRetryRequest = true
			cert := issue(ecdsaKey())
			var during context.Context
			s := newSlow(t.Context(), someLimits, func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
				if during = info.Context(); during == nil || during.Err() != nil {
					t.Errorf("context %v", during)
				}
				if info.ServerName != "example.org" || !slices.Equal(info.SupportedProtos, tt.config.NextProtos) || !info.HelloRetryRequest {
					t.Errorf("info %+v", info)
				}
				if local, remote := info.Conn.LocalAddr().String(), info.Conn.RemoteAddr().String(); local != "local" || remote != "remote" {
					t.Errorf("addresses %s and %s", local, remote)
				}
				if err := info.SupportsCertificate(&cert); err == nil || !strings.Contains(err.Error(), "localhost") {
					t.Errorf("SupportsCertificate of another name: %v", err)
				}
				return &cert, nil
			})
			answer := newAnswered()
			s.ask(hello, answer)
			if v := <-answer.first; v.err != nil || v.cert != &cert {
				t.Errorf("answered %v, %v", v.cert, v.err)
			}
			<-during.Done() // at the latest when get has returned
		})
	}
}

func TestSlowCertificateAnswers(t *testing.T) {
	wrong := errors.New("wrong")
	for _, tt := range []struct {
		name string
		get  func(*tls.ClientHelloInfo) (*tls.Certificate, error)
		want error
	}{
		{"with nothing, so that the Config's own are next", func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }, nil},
		{"with a failure", func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, wrong }, wrong},
		{"for a goroutine that ends itself", func(*tls.ClientHelloInfo) (*tls.Certificate, error) { runtime.Goexit(); return nil, nil }, errNoAnswer},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSlow(t.Context(), someLimits, tt.get)
				answer := newAnswered()
				s.ask(exampleHello(t), answer)
				if v := <-answer.first; v.cert != nil || v.err != tt.want {
					t.Errorf("answered %v, %v", v.cert, v.err)
				}
				synctest.Wait()
				if len(s.places) != 0 {
					t.Error("keeps its place")
				}
			})
		})
	}
}

func TestSlowCertificateWithoutAClientHello(t *testing.T) {
	s := newSlow(t.Context(), someLimits, func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		t.Error("asked")
		return nil, nil
	})
	hello := exampleHello(t)
	for name, raw := range map[string][]byte{"none": nil, "cut off": hello.Raw[:len(hello.Raw)-1], "another message": {20, 0, 0, 1, 0}} {
		hello.Raw = raw
		answer := newAnswered()
		s.ask(hello, answer)
		if v := <-answer.first; v.err == nil || !strings.Contains(v.err.Error(), "does not take the ClientHello") {
			t.Errorf("%s: answered %v, %v", name, v.cert, v.err)
		}
	}
}

// The time is synctest's: it passes when all wait.
func TestSlowCertificateContextEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		end   func(*answered, context.CancelFunc)
		after time.Duration // at most
		want  error
	}{
		{"soon after the connection", func(a *answered, _ context.CancelFunc) { a.abandoned.Store(true) }, abandonedCheck, errAbandoned},
		{"with the caller's", func(_ *answered, cancel context.CancelFunc) { cancel() }, 0, context.Canceled},
		{"when its time is over", func(*answered, context.CancelFunc) {}, someLimits.Time, errSlowTime},
	} {
		for _, patient := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, asked by a callback that ignores it: %v", tt.name, patient), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					ctx, cancel := context.WithCancel(t.Context())
					defer cancel()
					running, release := make(chan context.Context), make(chan struct{})
					s := newSlow(ctx, someLimits, func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
						running <- info.Context()
						<-info.Context().Done()
						if patient {
							<-release
						}
						return nil, info.Context().Err()
					})
					answer := newAnswered()
					s.ask(exampleHello(t), answer)
					inside := <-running
					start := time.Now()
					tt.end(answer, cancel)
					if v := <-answer.first; v.cert != nil || !errors.Is(v.err, tt.want) && !errors.Is(v.err, inside.Err()) {
						t.Errorf("answered %v, %v", v.cert, v.err)
					}
					if passed := time.Since(start); passed > tt.after || inside.Err() == nil || context.Cause(inside) != tt.want {
						t.Errorf("after %v: %v", passed, context.Cause(inside))
					}
					synctest.Wait()
					if patient != (len(s.places) == 1) {
						t.Errorf("%d calls have a place", len(s.places))
					}
					close(release)
				})
			})
		}
	}
}

// As long as the connection waits, the call does.
func TestSlowCertificateMayTakeMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSlow(t.Context(), SlowLimits{Calls: 1, Time: 5 * time.Minute}, func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
			select {
			case <-info.Context().Done():
				return nil, info.Context().Err()
			case <-time.After(4 * time.Minute):
				return &tls.Certificate{}, nil
			}
		})
		answer := newAnswered()
		s.ask(exampleHello(t), answer)
		if v := <-answer.first; v.err != nil || v.cert == nil {
			t.Errorf("answered %v, %v", v.cert, v.err)
		}
	})
}

func TestSlowCertificateDoesNotBeginForNobody(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	get := func(*tls.ClientHelloInfo) (*tls.Certificate, error) { t.Error("asked"); return nil, nil }
	answer := newAnswered()
	newSlow(ended, someLimits, get).ask(exampleHello(t), answer)
	if v := <-answer.first; v.err != context.Canceled {
		t.Errorf("answered %v, %v", v.cert, v.err)
	}
	answer = newAnswered()
	answer.abandoned.Store(true)
	newSlow(t.Context(), someLimits, get).ask(exampleHello(t), answer)
	<-answer.first
}

func TestSlowCertificateBoundsItsCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hello, release := exampleHello(t), make(chan struct{})
		var calls atomic.Int32
		s := newSlow(t.Context(), someLimits, func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
			calls.Add(1)
			<-release
			return nil, nil
		})
		for range someLimits.Calls {
			s.ask(hello, newAnswered())
		}
		synctest.Wait()
		answer := newAnswered()
		s.ask(hello, answer)
		select {
		case v := <-answer.first:
			if v.err == nil || !strings.Contains(v.err.Error(), "2 certificates are being got") {
				t.Errorf("answered %v, %v", v.cert, v.err)
			}
		default:
			t.Error("a call too many is not refused at once")
		}
		close(release)
		synctest.Wait()
		answer = newAnswered()
		s.ask(hello, answer)
		if v := <-answer.first; v.err != nil || calls.Load() != 3 {
			t.Errorf("afterwards: %v, %d calls", v.err, calls.Load())
		}
	})
}

func TestSlowCertificateRefusesNegativeLimits(t *testing.T) {
	for _, limits := range []SlowLimits{{Calls: -1}, {Time: -1}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v is accepted", limits)
				}
			}()
			SlowCertificate(t.Context(), nil, limits)
		}()
	}
}

func TestSlowCertificatePanicEndsTheProgram(t *testing.T) {
	const inner = "REACTOR_TEST_SLOW_PANIC"
	if os.Getenv(inner) != "" {
		s := newSlow(t.Context(), someLimits, func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("of the callback") })
		s.ask(exampleHello(t), newAnswered())
		select {}
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSlowCertificatePanicEndsTheProgram$")
	cmd.Env = append(os.Environ(), inner+"=1")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "panic: of the callback") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A Manager that has the certificate in its cache gets it without the network, and one whose
// policy refuses the name asks nobody.
func TestSlowCertificateOfAutocert(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "example.org"), cachedCertificate(t, "example.org"), 0o600))
	manager := &autocert.Manager{
		Prompt: autocert.AcceptTOS,
		Cache:  autocert.DirCache(dir),
		HostPolicy: func(_ context.Context, host string) error {
			if host != "example.org" {
				return fmt.Errorf("%s is not ours", host)
			}
			return nil
		},
	}
	s := newSlow(t.Context(), someLimits, manager.GetCertificate)
	answer := newAnswered()
	s.ask(exampleHello(t), answer)
	if v := <-answer.first; v.err != nil || v.cert.Leaf.VerifyHostname("example.org") != nil {
		t.Errorf("the cached certificate: %v, %v", v.cert, v.err)
	}
	answer = newAnswered()
	s.ask(helloOf(t, &tls.Config{ServerName: "other.example"}), answer)
	if v := <-answer.first; v.err == nil || v.err.Error() != "other.example is not ours" {
		t.Errorf("another name: %v, %v", v.cert, v.err)
	}
}

// While a client waits for its certificate, the loop serves the others.
func TestSlowCertificateOfAConnection(t *testing.T) {
	r := newReactor(t, Config{})
	cert := issue(ecdsaKey())
	asked, release := make(chan *tls.ClientHelloInfo, 1), make(chan struct{})
	config := &tlsconn.Config{ChooseCertificate: SlowCertificate(t.Context(), func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if info.ServerName == "slow.example" {
			asked <- info
			<-release
		}
		return &cert, info.Context().Err()
	}, SlowLimits{})}
	addr := serveEach(t, r, config, func(*Conn) Handler { return &echoes{} })
	conn := dialTCP(t, addr)
	slow := tls.Client(conn, &tls.Config{ServerName: "slow.example", InsecureSkipVerify: true})
	result := make(chan error, 1)
	go func() { result <- slow.Handshake() }()
	info := <-asked
	if info.Conn.RemoteAddr().String() != conn.LocalAddr().String() || info.Conn.LocalAddr().String() != addr {
		t.Errorf("addresses %v and %v", info.Conn.LocalAddr(), info.Conn.RemoteAddr())
	}
	must(t, ping(dialTLS(t, addr)))
	close(release)
	must(t, <-result)
	must(t, ping(slow))
}

func TestSlowCertificateOfAClientThatLeaves(t *testing.T) {
	r := newReactor(t, Config{})
	asked, ended := make(chan struct{}), make(chan error, 1)
	config := &tlsconn.Config{ChooseCertificate: SlowCertificate(t.Context(), func(info *tls.ClientHelloInfo) (*tls.Certificate, error) {
		close(asked)
		<-info.Context().Done()
		ended <- context.Cause(info.Context())
		return nil, info.Context().Err()
	}, SlowLimits{})}
	h := newProbe()
	conn := dialTCP(t, serve(t, r, config, h))
	go tls.Client(conn, stdClientConfig).Handshake() // fails when the test closes conn
	<-asked
	sendReset(t, conn)
	if err := <-ended; err != errAbandoned {
		t.Errorf("the context has ended with %v", err)
	}
	<-h.closed
}

// cachedCertificate is what autocert keeps: the key and the chain, in PEM. It is
// valid for so long that nothing renews it.
func cachedCertificate(t *testing.T, name string) []byte {
	t.Helper()
	key := ecdsaKey().(*ecdsa.PrivateKey)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		DNSNames:     []string{name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().AddDate(1, 0, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	must(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	must(t, err)
	return append(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}),
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
}
