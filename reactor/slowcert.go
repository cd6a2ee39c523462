package reactor

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// Limits of slow certificates; the first two are the defaults of SlowLimits.
const (
	// defaultSlowCalls bounds the goroutines that anybody can start with ClientHellos
	// for names whose certificates take long.
	defaultSlowCalls = 256
	// defaultSlowTime is what an ACME client gives an issuance.
	defaultSlowTime = 5 * time.Minute
	// abandonedCheck is how often a call is asked whether its connection is still there.
	abandonedCheck = time.Second
	// maxRecord is the most that a TLS record carries (RFC 8446 5.1).
	maxRecord = 1 << 14
)

// SlowLimits bounds the calls of a SlowCertificate.
type SlowLimits struct {
	// Calls is the number of calls that run at a time; a handshake that would need one
	// more fails with internal_error. Zero means 256.
	Calls int
	// Time is how long a handshake waits for its call. Zero means five minutes. The
	// reactor's HandshakeTimeout and OperationTimeout end it too, by default after seconds,
	// and have to be set with this in mind.
	Time time.Duration
}

// SlowCertificate makes a Config.ChooseCertificate of a callback that may block for
// minutes, such as the GetCertificate of autocert or certmagic: each call has a goroutine
// of its own, off the loops.
//
// get is called with a ClientHelloInfo of crypto/tls's making, from the same message, that
// has a context: it ends when get returns, when ctx ends, after limits.Time, or within a
// second of the end of the connection. The handshake fails then, whether get returns or not; a
// call keeps its goroutine, and its place among limits.Calls, until it returns. What has to go on
// without the client that began it, as an issuance should, detaches from that context
// (context.WithoutCancel), as autocert does. The info's Conn only has addresses. If get
// returns nil without an error the Config's own certificates are next, as in crypto/tls.
//
// A panic in get ends the program, as in any goroutine: get may have left locks held, and who
// waits for those would wait for ever. SlowCertificate panics if a limit is negative.
func SlowCertificate(ctx context.Context, get func(*tls.ClientHelloInfo) (*tls.Certificate, error), limits SlowLimits) func(*tlsconn.ClientHello, *tlsconn.Completion[*tls.Certificate]) {
	if limits.Calls < 0 || limits.Time < 0 {
		panic("reactor: SlowLimits is out of range")
	}
	setDefault(&limits.Calls, defaultSlowCalls)
	setDefault(&limits.Time, defaultSlowTime)
	s := &slowCertificate{ctx: ctx, get: get, time: limits.Time, places: make(chan struct{}, limits.Calls)}
	return func(hello *tlsconn.ClientHello, answer *tlsconn.Completion[*tls.Certificate]) { s.ask(hello, answer) }
}

// slowCertificate calls get for any number of loops.
type slowCertificate struct {
	ctx    context.Context
	get    func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	time   time.Duration
	places chan struct{} // one element for each call that runs
}

// slowAnswer is a tlsconn.Completion, of which only tlsconn sees what was answered.
type slowAnswer interface {
	Complete(*tls.Certificate) bool
	Fail(error) bool
	Abandoned() bool
}

// Why a call's context ends before the call.
var (
	errSlowTime  = errors.New("reactor: the certificate took too long")
	errAbandoned = errors.New("reactor: the connection that the certificate is for has ended")
	errNoAnswer  = errors.New("reactor: the goroutine of the certificate has ended without an answer")
)

// ask starts a call, or fails at once. It does not block.
func (s *slowCertificate) ask(hello *tlsconn.ClientHello, answer slowAnswer) {
	select {
	case s.places <- struct{}{}:
		go s.call(hello, answer)
	default:
		answer.Fail(fmt.Errorf("reactor: %d certificates are being got already", cap(s.places)))
	}
}

// call is the goroutine of a call.
func (s *slowCertificate) call(hello *tlsconn.ClientHello, answer slowAnswer) {
	defer func() { <-s.places }()
	defer answer.Fail(errNoAnswer) // counts if get calls runtime.Goexit
	ctx, cancel := context.WithCancelCause(s.ctx)
	defer cancel(nil)
	ctx, stop := context.WithTimeoutCause(ctx, s.time, errSlowTime)
	defer stop()
	if ctx.Err() != nil || answer.Abandoned() {
		answer.Fail(context.Cause(ctx))
		return
	}
	unwatch := watchAbandoned(ctx, answer, cancel)
	defer unwatch()
	defer context.AfterFunc(ctx, func() { answer.Fail(context.Cause(ctx)) })()
	cert, err := withContext(ctx, hello, s.get)
	if err != nil {
		answer.Fail(err)
		return
	}
	answer.Complete(cert)
}

// watchAbandoned cancels ctx soon after nobody waits for the answer any more.
func watchAbandoned(ctx context.Context, answer slowAnswer, cancel context.CancelCauseFunc) (stop func() bool) {
	var timer *time.Timer
	timer = time.AfterFunc(defaultSlowTime, func() {
		switch {
		case answer.Abandoned():
			cancel(errAbandoned)
		case ctx.Err() == nil: // else stop came too late
			timer.Reset(abandonedCheck)
		}
	})
	timer.Reset(abandonedCheck) // only now: the function uses timer
	return timer.Stop
}

// errAsked ends the handshakes of withContext.
var errAsked = errors.New("reactor: that is all we want to know")

// withContext calls get with a ClientHelloInfo that has a context, which nobody but
// crypto/tls can make: a server of crypto/tls is given the ClientHello, asks for
// its configuration, and gets no further.
func withContext(ctx context.Context, hello *tlsconn.ClientHello, get func(*tls.ClientHelloInfo) (*tls.Certificate, error)) (cert *tls.Certificate, err error) {
	asked := false
	server := tls.Server(&helloConn{addresses: hello.Conn, records: bytes.NewReader(inRecords(hello.Raw))}, &tls.Config{
		GetConfigForClient: func(info *tls.ClientHelloInfo) (*tls.Config, error) {
			asked = true
			info.HelloRetryRequest = hello.HelloRetryRequest // it has not seen the first one
			cert, err = get(info)
			return nil, errAsked
		},
	})
	if refusal := server.HandshakeContext(ctx); !asked {
		return nil, fmt.Errorf("reactor: crypto/tls does not take the ClientHello: %w", refusal)
	}
	return cert, err
}

// inRecords puts a handshake message into records (RFC 8446 5.1).
func inRecords(message []byte) (records []byte) {
	const typeHandshake, legacyVersion = 22, 0x0301
	for len(message) > 0 {
		n := min(len(message), maxRecord)
		records = append(records, typeHandshake)
		records = binary.BigEndian.AppendUint16(records, legacyVersion)
		records = binary.BigEndian.AppendUint16(records, uint16(n))
		records = append(records, message[:n]...)
		message = message[n:]
	}
	return records
}

// helloConn is the connection of a server of withContext: it has the client's
// addresses, and the ClientHello to be read; what is written to it is lost.
type helloConn struct {
	addresses
	records *bytes.Reader
}

// addresses are those of the connection that the ClientHello came on.
type addresses interface {
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
}

func (c *helloConn) Read(p []byte) (int, error)       { return c.records.Read(p) }
func (c *helloConn) Write(p []byte) (int, error)      { return len(p), nil }
func (c *helloConn) Close() error                     { return nil }
func (c *helloConn) SetDeadline(time.Time) error      { return nil }
func (c *helloConn) SetReadDeadline(time.Time) error  { return nil }
func (c *helloConn) SetWriteDeadline(time.Time) error { return nil }
