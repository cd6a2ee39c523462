package tlsconn

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// The fuzz targets drive a Conn with any bytes at all and with a puppet that
// changes its messages before it protects them, so that the fuzzer gets past the
// AEAD and the Finished. The first bytes of the input choose the configuration,
// how the transport cuts the stream, and the play; the rest is a program of
// records and calls. After each call the promises of doc.go are checked.

// FuzzServer fuzzes a server.
func FuzzServer(f *testing.F) { fuzz(f, RoleServer) }

// FuzzClient fuzzes a client.
func FuzzClient(f *testing.F) { fuzz(f, RoleClient) }

func fuzz(f *testing.F, role Role) {
	for _, seed := range fuzzSeeds(f, role) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cryptotest.SetGlobalRandom(t, 1)
		fz := newFuzzed(t, role, &knobs{data})
		fz.act()
		fz.finale()
	})
}

// knobs hands out the fuzzer's bytes; zeros when there are none left.
type knobs struct{ b []byte }

func (k *knobs) byte() byte {
	if len(k.b) == 0 {
		return 0
	}
	b := k.b[0]
	k.b = k.b[1:]
	return b
}

// below returns a number in [0, n), of two bytes.
func (k *knobs) below(n int) int { return (int(k.byte())<<8 | int(k.byte())) % n }

// bytes returns up to n bytes.
func (k *knobs) bytes(n int) []byte {
	n = min(n, len(k.b))
	b := k.b[:n:n]
	k.b = k.b[n:]
	return b
}

// The plays, by the upper bits of the first byte.
const (
	playRaw     = iota << 6 // bytes of the fuzzer's from the start
	playAltered             // a handshake with messages altered, and what the fuzzer likes behind it
	playAfter               // a handshake, and then what the fuzzer likes
	playOther               // as playAltered, in another order, with something ahead of the altered message
)

// fuzzed is a Conn under fuzz, with what is known about it.
type fuzzed struct {
	t     *testing.T
	k     *knobs
	p     *puppet
	ws    *Workspace
	play  int
	order *legalOrder
	store *MemoryStore // of a server of TLS 1.2 that gives ids; nil without

	ops   operations // that are not answered
	fails bool       // and how they will be
	ended error      // the first failure, which has to stick
	eof   bool       // Read has said io.EOF
	sent  int        // bytes of output, pending or not, before the call
	calls int        // of the transport, before the call
	moved int
}

// quit ends a puppet's part: what the Conn says is not what its script expects.
type quit struct{}

// quitter makes a puppet that fails quit instead.
type quitter struct{ testing.TB }

func (quitter) Helper()               {}
func (quitter) Fatal(...any)          { panic(quit{}) }
func (quitter) Fatalf(string, ...any) { panic(quit{}) }

// quits ends a puppet's part where it is deferred.
func quits() {
	if r := recover(); r != nil {
		if _, ok := r.(quit); !ok {
			panic(r)
		}
	}
}

// act plays what the input says.
func (fz *fuzzed) act() {
	fz.mark()
	if fz.play != playRaw {
		fz.scripted()
	}
	for len(fz.k.b) > 0 && !fz.p.conn.closed {
		fz.improvise()
	}
}

// scripted plays the lines of a legal order, with at most one altered unless the
// handshake is to succeed, until the Conn no longer plays along.
func (fz *fuzzed) scripted() {
	defer quits()
	fz.p.settle = fz.settle
	defer func() { fz.p.settle = nil }()
	altered := -1
	if fz.play != playAfter {
		altered = fz.k.below(len(fz.order.order))
	}
	for i, l := range fz.order.order {
		if l.from == fz.p.conn.role {
			l.hear(fz.p)
			continue
		}
		if i == altered {
			if fz.play == playOther {
				fz.improvise()
			}
			if l.typ == changeOfKeys {
				fz.alterChange()
				fz.p.drive()
				continue
			}
			fz.p.edit = fz.alter
			if fz.k.byte()&1 != 0 {
				fz.p.tail = fz.k.bytes(int(fz.k.byte()))
			}
		}
		l.say(fz.p)
		fz.p.drive()
	}
}

// alter changes a message before it is protected.
func (fz *fuzzed) alter(raw []byte) []byte {
	raw = slices.Clone(raw)
	for i := range 1 + fz.k.byte()%4 {
		at := fz.k.below(len(raw))
		switch fz.k.byte() % 6 {
		case 0:
			raw[at] ^= 1 << (fz.k.byte() % 8)
		case 1:
			raw[at] = fz.k.byte()
		case 2: // a piece more, with the message's length corrected
			raw = setLength(slices.Insert(raw, max(at, wire.HeaderLen), fz.k.bytes(int(fz.k.byte()))...))
		case 3: // a piece less
			at = max(at, wire.HeaderLen)
			raw = setLength(slices.Delete(raw, at, min(at+1+int(fz.k.byte()), len(raw))))
		case 4: // another body
			raw = setLength(append(raw[:wire.HeaderLen:wire.HeaderLen], fz.k.bytes(fz.k.below(2000))...))
		case 5: // one more extension
			if i > 0 {
				continue // what was altered may have no place for one
			}
			switch wire.MessageType(raw[0]) {
			case wire.TypeClientHello, wire.TypeServerHello, wire.TypeEncryptedExtensions:
				raw = addExtension(raw, wire.ExtensionType(fz.k.below(1<<16)), fz.k.bytes(int(fz.k.byte())))
			default:
			}
		}
	}
	return raw
}

// alterChange changes a change_cipher_spec of TLS 1.2, or the point where the keys change.
func (fz *fuzzed) alterChange() {
	p := fz.p
	switch fz.k.byte() % 6 {
	case 0: // the keys change, and nobody is told
		p.write = p.twelve.nextWrite
	case 1: // the keys do not change
		p.plain(record.ChangeCipherSpec, 1)
	case 2:
		p.plain(record.ChangeCipherSpec, 1)
		p.twelve.changeCipherSpec()
	case 3: // another content
		p.plain(record.ChangeCipherSpec, fz.k.bytes(int(fz.k.byte()))...)
		p.write = p.twelve.nextWrite
	case 4: // it is left out: Finished is early
	case 5: // under the keys
		p.write = p.twelve.nextWrite
		p.record(record.ChangeCipherSpec, []byte{1}, 0)
	}
}

// sayOutOfTurn says any line of the order, once the puppet knows with what suite.
func (fz *fuzzed) sayOutOfTurn() {
	defer quits()
	l := fz.order.order[fz.k.below(len(fz.order.order))]
	if l.from == fz.p.role && fz.p.d != nil {
		l.say(fz.p)
	}
}

// errFuzzed is what operations fail with.
var errFuzzed = errors.New("failed by the fuzzer")

// settle answers what is pending, and tells whether there was any.
func (fz *fuzzed) settle() bool {
	parked := fz.ops.take()
	for _, op := range parked {
		if fz.fails && op.fail != nil {
			op.fail(errFuzzed)
		}
		op.complete()
	}
	return len(parked) > 0
}

// improvise does one thing: sends something, calls something, or changes the transport.
func (fz *fuzzed) improvise() {
	p, c, k := fz.p, fz.p.conn, fz.k
	fz.mark()
	ops := byte(25)
	if p.twelve != nil {
		ops = 29
	}
	switch k.byte() % ops {
	case 0:
		p.raw(k.bytes(k.below(3000)))
	case 1:
		p.plain(record.Type(20+k.byte()%4), k.bytes(int(k.byte()))...)
	case 2:
		p.record(record.Handshake, k.bytes(k.below(600)), int(k.byte()))
	case 3:
		p.record(record.ApplicationData, make([]byte, k.below(record.MaxPlaintext)), 0)
	case 4:
		p.record(record.Type(k.byte()), k.bytes(int(k.byte())), int(k.byte()))
	case 5:
		p.alert(k.byte(), Alert(k.byte()))
	case 6:
		if request := k.byte()&1 != 0; p.twelve != nil { // which knows no such thing
			p.say((&wire.KeyUpdate{RequestUpdate: request}).Append(nil))
		} else if p.write.on {
			p.keyUpdate(request)
		}
	case 7:
		for range k.byte() % 50 {
			p.record(record.ApplicationData, nil, 0)
		}
	case 8:
		p.record(record.Handshake, sampleMessage(wire.MessageType(k.byte())), 0)
	case 9:
		p.record(record.Handshake, fz.alter(sampleMessage(wire.MessageType(k.byte()))), 0)
	case 10:
		p.alert(1, AlertCloseNotify)
	case 11:
		p.tr.in.closed = true
	case 12:
		p.tr.readMax = int(k.byte())
	case 13:
		p.tr.quota = int(int8(k.byte()))
		p.tr.left = max(p.tr.quota, 0)
		p.tr.quota = max(p.tr.quota, -1)
	case 14:
		fz.settle()
	case 15:
		p.tr.writeErr = io.ErrClosedPipe
	case 16:
		n, err := c.Read(make([]byte, k.below(20000)+1))
		fz.check("Read", n, err)
	case 17:
		given := k.below(70000)
		n, err := c.Write(make([]byte, given))
		fz.check("Write", n, err)
		if n < given && err == nil || n == given && given > 0 && isWant(err) {
			fz.fail("Write = %d of %d, %v", n, given, err)
		}
	case 18:
		n, err := c.ReadFrom(&repeatedSource{n: k.below(record.MaxPlaintext)})
		fz.check("ReadFrom", int(n), err)
	case 19:
		fz.check("KeyUpdate", 0, c.KeyUpdate(k.byte()&1 != 0))
	case 20:
		fz.check("CloseWrite", 0, c.CloseWrite())
	case 21:
		fz.check("Flush", 0, c.Flush())
	case 22:
		fz.check("Handshake", 0, c.Handshake())
	case 23:
		p.drive()
	case 24:
		fz.check("Abort", 0, c.Abort(Alert(k.byte()), nil))
	case 25:
		fz.sayOutOfTurn()
	case 26:
		fz.alterChange()
	case 27: // Finished as it would be now, under the keys of now
		if p.d != nil {
			p.twelve.finished(nil)
		}
	case 28: // renegotiation
		typ := wire.TypeClientHello
		if p.role == RoleServer {
			typ = wire.TypeHelloRequest
		}
		for range k.byte() % 8 {
			p.record(record.Handshake, sampleMessage(typ), 0)
		}
	}
}

// mark notes how things stand before a call.
func (fz *fuzzed) mark() {
	fz.sent = len(fz.p.tr.out.bytes) + fz.p.conn.out.pending()
	fz.calls = fz.p.call.reads + fz.p.call.writes
	fz.moved = fz.p.tr.moved
}

func (fz *fuzzed) fail(format string, args ...any) {
	fz.t.Helper()
	c := fz.p.conn
	fz.t.Fatalf("%s; state %v, wants %v, pending %d, sticky %v", fmt.Sprintf(format, args...), c.State(), c.Wants(), c.out.pending(), c.err)
}

// check holds one answer against the promises.
func (fz *fuzzed) check(verb string, n int, err error) {
	fz.t.Helper()
	defer fz.mark()
	if verb == "Read" && (n > 0) == (err != nil) {
		fz.fail("Read = %d, %v", n, err)
	}
	// No busy loop: each call of the transport moves a byte, but for a few.
	calls, moved := fz.p.call.reads+fz.p.call.writes-fz.calls, fz.p.tr.moved-fz.moved
	if calls > moved+12 {
		fz.fail("%s: %d calls of the transport for %d bytes", verb, calls, moved)
	}
	fz.checkSticky(verb, err)
	fz.checkWants(verb, err)
	fz.checkLimits()
}

// checkSticky: the first failure is the only one, and it alone decides about an alert.
func (fz *fuzzed) checkSticky(verb string, err error) {
	fz.t.Helper()
	c := fz.p.conn
	if fz.ended != nil && c.err != fz.ended {
		fz.fail("%s: the failure was %v", verb, fz.ended)
	}
	if fz.ended != nil && verb != "Flush" && verb != "Abort" && err != fz.ended {
		fz.fail("%s: %v after the failure %v", verb, err, fz.ended)
	}
	if fz.eof && verb == "Read" && fz.ended == nil && err != io.EOF {
		fz.fail("Read: %v after io.EOF", err)
	}
	fz.eof = fz.eof || verb == "Read" && err == io.EOF && c.err == nil
	if c.err == nil || fz.ended != nil {
		return
	}
	fz.ended = c.err
	var local *LocalAlertError
	switch grown := len(fz.p.tr.out.bytes)+c.out.pending() > fz.sent; {
	case errors.As(c.err, &local):
		if !grown && !c.out.closed && c.out.err == nil {
			fz.fail("%s: no alert is queued", verb)
		}
		if local.Alert == AlertInternalError && verb != "Abort" && fz.p.conn.in.seq == 0 && !errors.Is(local.Err, io.ErrClosedPipe) && !expectedInternal(local.Err.Error()) {
			fz.fail("%s: an internal error", verb)
		}
	case c.state != StateFailed:
		fz.fail("%s: failed in state %v", verb, c.state)
	}
	fz.checkForgotten(verb)
	if c.in.secret != (keysched.Secret{}) || c.out.secret != (keysched.Secret{}) || c.hs != nil || c.in.messages != nil {
		fz.fail("%s: something is left after the failure", verb)
	}
}

// checkForgotten: no session can be had by the id of one whose connection has failed (RFC
// 5246 7.2.2).
func (fz *fuzzed) checkForgotten(verb string) {
	fz.t.Helper()
	var ours *LocalAlertError
	var theirs *PeerAlertError
	kept := fz.p.conn.kept12
	if fz.store == nil || kept == nil || kept.id == nil || !errors.As(fz.ended, &ours) && !errors.As(fz.ended, &theirs) {
		return
	}
	if _, ok := fz.store.lru.get(string(kept.id[:])); ok {
		fz.fail("%s: the session of a failed connection is kept", verb)
	}
}

// expectedInternal lists the internal errors that an input can cause by intent.
func expectedInternal(reason string) bool {
	return reason == "sign: too many slow operations are waiting" || reason == "verify: too many slow operations are waiting" ||
		strings.Contains(reason, errFuzzed.Error())
}

// checkWants: an answer and Wants say the same.
func (fz *fuzzed) checkWants(verb string, err error) {
	fz.t.Helper()
	c := fz.p.conn
	w := c.Wants()
	switch {
	case err == ErrWantRead && w&WantRead == 0, err == ErrWantWrite && w&WantWrite == 0, err == ErrWantApp && w&WantApp == 0:
		fz.fail("%s: answered %v", verb, err)
	case c.err != nil && w&^WantWrite != 0, w&WantWrite != 0 && c.out.pending() == 0 && c.state == StateConnected:
		fz.fail("%s: wants what it cannot use", verb)
	case c.out.pending() > 0 && w&WantWrite == 0:
		fz.fail("%s: output waits and nobody is told", verb)
	case c.state == StateConnected && c.err == nil && !c.in.eof && w&WantRead == 0:
		fz.fail("%s: does not want to read", verb)
	}
}

// checkLimits: no buffer is larger than it may be, or held for nothing.
func (fz *fuzzed) checkLimits() {
	fz.t.Helper()
	c := fz.p.conn
	if b := c.in.buf; b != nil && (len(b.data) > bufferClasses[largest] || c.in.w > len(b.data) || c.in.r > c.in.w || c.in.plain > c.in.plainEnd) {
		fz.fail("read buffer: %d bytes, r %d, w %d", len(b.data), c.in.r, c.in.w)
	}
	if b := c.out.buf; b != nil && (len(b.data) > outputHighWater+outputReserve || c.out.pending() == 0) {
		fz.fail("write buffer: %d bytes", len(b.data))
	}
	if m := c.in.messages; m != nil && (m.Buffered() > maxCertificateMessage+wire.HeaderLen+record.MaxPlaintext || m.Empty()) {
		fz.fail("%d bytes of messages held", m.Buffered())
	}
	if n := fz.ws.suspended; n > 1 || n == 1 && (c.err != nil || c.state == StateConnected) {
		fz.fail("%d operations count as pending", n)
	}
	if c.Buffered() > bufferClasses[largest] {
		fz.fail("Buffered() = %d", c.Buffered())
	}
}

// finale ends the connection, and checks that nothing is left of it.
func (fz *fuzzed) finale() {
	c := fz.p.conn
	fz.mark()
	fz.p.tr.readMax, fz.p.tr.quota = 0, -1
	fz.p.tr.in.closed = true
	fz.settle()
	for range 2 * maxKeyUpdates { // all that is there is read, and then the transport ends
		if fz.p.drive(); !isWant(fz.p.err) {
			break
		}
		fz.settle()
	}
	if isWant(fz.p.err) {
		fz.fail("the transport has ended, and still %v", fz.p.err)
	}
	if err := c.Flush(); err != nil && c.out.err == nil {
		fz.fail("Flush: %v", err)
	}
	if err := c.Close(); err != nil {
		fz.fail("Close: %v", err)
	}
	checkCleared(fz.t, c)
	if c.in.buf != nil || c.out.buf != nil || c.in.messages != nil || fz.ws.buffers.input != 0 || fz.ws.buffers.output != 0 || fz.ws.suspended != 0 {
		fz.fail("Close: a buffer is held, or %d and %d bytes are charged, or %d operations", fz.ws.buffers.input, fz.ws.buffers.output, fz.ws.suspended)
	}
	for _, e := range fz.ws.keys.entries {
		if e.owner != nil {
			fz.fail("Close: a key is cached")
		}
	}
	if _, err := c.Read(make([]byte, 1)); err != ErrClosed || c.Wants() != 0 {
		fz.fail("Read after Close: %v", err)
	}
}
