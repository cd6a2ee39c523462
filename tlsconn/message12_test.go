package tlsconn

import (
	"crypto/tls"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// What comes in the wrong place in TLS 1.2, beside whole messages: change_cipher_spec,
// application data, and attempts to renegotiate.

// eachState12 runs a test in each state of TLS 1.2 that waits for the peer, of each legal
// order; at is the state, and i how many lines of o have been said.
func eachState12(t *testing.T, name string, test func(t *testing.T, o *legalOrder, role Role, i int, at State)) {
	type key struct {
		at      State
		role    Role
		resumed bool
	}
	tried := make(map[key]bool)
	for n := range legalOrders12 {
		o := &legalOrders12[n]
		for _, role := range o.roles {
			for i := range len(o.order) + 1 {
				at := StateConnected
				if i < len(o.order) {
					if at = o.order[i].at; o.order[i].from == role {
						continue
					}
				}
				k := key{at, role, o.how&(withSession|withoutIt) == withSession}
				if tried[k] {
					continue
				}
				tried[k] = true
				t.Run(fmt.Sprintf("%s: %s, a %v in %v", o.mode, name, role, at), func(t *testing.T) { test(t, o, role, i, at) })
			}
		}
	}
	if len(tried) != 17+9 {
		t.Errorf("%s: tried in %d states", name, len(tried))
	}
}

// A change_cipher_spec anywhere but where the handshake is ready for it would have the
// records that follow be read with keys that are not, or not yet, those of this handshake
// (CVE-2014-0224).
func TestChangeCipherSpecOutOfPlaceInTLS12(t *testing.T) {
	for name, content := range map[string][]byte{"change_cipher_spec": {1}, "an empty one": {}, "one of two bytes": {1, 1}, "another": {2}} {
		eachState12(t, name, func(t *testing.T, o *legalOrder, role Role, i int, at State) {
			p := o.play(t, role, i, nil)
			p.plain(record.ChangeCipherSpec, content...)
			switch {
			case at == StateExpectChangeCipherSpec && slices.Equal(content, []byte{1}):
				p.write = p.twelve.nextWrite
				o.order[i+1].say(p) // as it should be
				for _, l := range o.order[i+2:] {
					l.hear(p)
				}
				p.wantConnected()
			case at == StateExpectChangeCipherSpec:
				p.wantAlert(AlertIllegalParameter, "not the single byte 1")
			case at == StateExpectServerHello && slices.Equal(content, []byte{1}):
				// The server may be one of TLS 1.3, whose middleboxes' tale this is (RFC 8446 5): it
				// is dropped, and changes nothing.
				for _, l := range o.order[i:] {
					if l.from == role {
						l.hear(p)
					} else {
						l.say(p)
					}
				}
				p.wantConnected()
				p.wantData("in step")
			default:
				p.wantAlert(AlertUnexpectedMessage, "change_cipher_spec")
			}
		})
	}
}

// The same under keys: a second one, as of a renegotiation.
func TestProtectedChangeCipherSpecInTLS12(t *testing.T) {
	eachState12(t, "a protected change_cipher_spec", func(t *testing.T, o *legalOrder, role Role, i int, at State) {
		p := o.play(t, role, i, nil)
		if !p.write.on {
			return
		}
		p.record(record.ChangeCipherSpec, []byte{1}, 0)
		p.wantAlert(AlertUnexpectedMessage, "change_cipher_spec in state "+at.String())
	})
}

// Other records within a handshake message, in every state that a message can begin in:
// the rest of it would be read as something else (RFC 5246 6.2.1).
func TestRecordsWithinAHandshakeMessageOfTLS12(t *testing.T) {
	for name, send := range map[string]func(*puppet){
		"change_cipher_spec": func(p *puppet) { p.plain(record.ChangeCipherSpec, 1) },
		"application data":   func(p *puppet) { p.record(record.ApplicationData, []byte("x"), 0) },
		"an alert":           func(p *puppet) { p.alert(alertLevelWarning, AlertUserCanceled) },
	} {
		eachState12(t, name+" within a message", func(t *testing.T, o *legalOrder, role Role, i int, at State) {
			p := o.play(t, role, i, nil)
			// Where no message is due, its type is not looked at before its header is whole.
			p.record(record.Handshake, []byte{byte(wire.TypeFinished), 0, 0}, 0)
			send(p)
			p.wantAlert(AlertUnexpectedMessage, "within a handshake message")
		})
	}
}

// Application data before the peer's Finished are nobody's (RFC 5246 7.3).
func TestApplicationDataBeforeFinishedInTLS12(t *testing.T) {
	for _, data := range []string{"early", ""} {
		eachState12(t, fmt.Sprintf("application data %q", data), func(t *testing.T, o *legalOrder, role Role, i int, at State) {
			p := o.play(t, role, i, nil)
			p.record(record.ApplicationData, []byte(data), 0)
			if at == StateConnected {
				p.wantConnected()
				p.wantData("and more")
				return
			}
			p.wantAlert(AlertUnexpectedMessage, "application data in state "+at.String())
		})
	}
}

// order12 is the legal order of a mode of TLS 1.2.
func order12(mode string) *legalOrder {
	return &legalOrders12[slices.IndexFunc(legalOrders12, func(o legalOrder) bool { return o.mode == "TLS 1.2: "+mode })]
}

// play12 is a puppet of a handshake of the mode up to, and without, the line that the
// Conn expects in state at; of all of it for StateConnected.
func play12(t *testing.T, mode string, role Role, at State) *puppet12 {
	t.Helper()
	o := order12(mode)
	i := len(o.order)
	if at != StateConnected {
		i = slices.IndexFunc(o.order, func(l line) bool { return l.at == at && l.from != role })
	}
	p := o.play(t, role, i, nil)
	if p.conn.State() != at {
		t.Fatalf("in state %v: %v", p.conn.State(), p.err)
	}
	return p.twelve
}

// Finished where the change_cipher_spec is missing, or does not count: it is right but for
// its protection, and for what comes with it.
func TestFinishedAndChangeCipherSpecOfTLS12(t *testing.T) {
	for _, mode := range []string{"full handshake", "resumption"} {
		for _, role := range bothRoles {
			for _, c := range []struct {
				name  string
				play  func(*puppet12)
				alert Alert
				text  string
			}{
				{"Finished instead of change_cipher_spec", func(p *puppet12) { p.finished(nil) },
					AlertUnexpectedMessage, "got finished in state expectChangeCipherSpec"},
				{"a protected Finished instead of it", func(p *puppet12) {
					p.write = p.nextWrite
					p.finished(nil)
				}, AlertUnexpectedMessage, ""},
				{"Finished, unprotected, behind it", func(p *puppet12) {
					p.changeCipherSpec()
					p.write = puppetKey{}
					p.finished(nil)
				}, AlertBadRecordMAC, ""},
				{"change_cipher_spec twice", func(p *puppet12) {
					p.changeCipherSpec()
					p.plain(record.ChangeCipherSpec, 1)
				}, AlertUnexpectedMessage, "change_cipher_spec in state"},
				{"change_cipher_spec and Finished in one record", func(p *puppet12) {
					p.plain(record.ChangeCipherSpec, append([]byte{1}, sampleMessage(wire.TypeFinished)...)...)
				}, AlertIllegalParameter, "not the single byte 1"},
				{"a message behind Finished, in its record", func(p *puppet12) {
					p.changeCipherSpec()
					p.tail = new(wire.HelloRequest).Append(nil)
					p.finished(nil)
				}, AlertUnexpectedMessage, "more data behind a message"},
				{"the beginning of a message behind Finished", func(p *puppet12) {
					p.changeCipherSpec()
					p.tail = []byte{byte(wire.TypeFinished)}
					p.finished(nil)
				}, AlertUnexpectedMessage, "more data behind a message"},
			} {
				t.Run(fmt.Sprintf("%s, a %v: %s", mode, role, c.name), func(t *testing.T) {
					p := play12(t, mode, role, StateExpectChangeCipherSpec)
					c.play(p)
					p.wantAlert(c.alert, c.text)
				})
			}
		}
	}
}

// RFC 5246 6.2.1 and CVE-2025-61730: what is left of a flight when the keys change, or
// when it is our turn, would count as what comes after.
func TestMessagesMustNotSpanFlightsOfTLS12(t *testing.T) {
	for _, c := range []struct {
		mode string
		role Role
		at   State
	}{
		{"full handshake", RoleServer, StateExpectClientHello},
		{"resumption", RoleServer, StateExpectClientHello},
		{"full handshake", RoleClient, StateExpectRequestOrDone},
		{"a certificate is requested and shown", RoleClient, StateExpectServerHelloDone},
	} {
		for name, tail := range map[string][]byte{
			"the first byte of a message": {byte(wire.TypeFinished)},
			"a whole message":             new(wire.ServerHelloDone).Append(nil),
		} {
			t.Run(fmt.Sprintf("%s behind the one of %v, %s", name, c.at, c.mode), func(t *testing.T) {
				p := play12(t, c.mode, c.role, c.at)
				p.tail = tail
				o := order12(c.mode)
				o.order[slices.IndexFunc(o.order, func(l line) bool { return l.at == c.at })].say(p.puppet)
				p.wantAlert(AlertUnexpectedMessage, "more data behind a message")
			})
		}
	}
}

// While an operation of TLS 1.2 is pending, what the peer says waits, and is judged in the
// state that follows.
func TestMessagesDuringAPendingSignatureOfTLS12(t *testing.T) {
	ops := new(operations)
	p := newPuppet12(t, RoleClient, func(c *Config) {
		c.Certificates = []tls.Certificate{ops.signLater("sign", c.Certificates[0])}
	})
	p.clientHello(nil)
	p.plain(record.ChangeCipherSpec, 1) // far too early
	if p.drive(); p.err != ErrWantApp || p.conn.State() != StateAwaitSignature {
		t.Fatalf("got %v in state %v", p.err, p.conn.State())
	}
	ops.complete()
	p.hearServerFlight()
	p.wantAlert(AlertUnexpectedMessage, "change_cipher_spec in state expectClientKeyExchange")
}

// An attempt to renegotiate ends the connection (RFC 5246 7.2.2, CVE-2009-3555,
// CVE-2011-1473): the first one, so that there is nothing to count. All that was said
// before it is delivered, and so is what we had to say.
func TestRenegotiationLosesNothing(t *testing.T) {
	attempts := map[Role][]struct {
		name string
		say  func(*puppet12)
	}{
		RoleServer: {
			{"a ClientHello", func(p *puppet12) { p.clientHello(nil) }},
			{"a ClientHello that knows of the connection (RFC 5746 3.5)", func(p *puppet12) {
				mac := p.verifyData(RoleClient)
				p.clientHello(func(m *wire.ClientHello) { m.RenegotiationInfo = mac })
			}},
			{"a ClientHello in many records", func(p *puppet12) {
				p.hello.Offer(wire.ExtSessionTicket)
				for piece := range slices.Chunk(p.hello.Append(nil), 10) {
					p.record(record.Handshake, piece, 0)
				}
			}},
		},
		RoleClient: {
			{"a HelloRequest", func(p *puppet12) { p.say(new(wire.HelloRequest).Append(nil)) }},
			{"a HelloRequest that is not empty", func(p *puppet12) { p.say([]byte{0, 0, 0, 1, 0}) }},
			{"a HelloRequest in four records", func(p *puppet12) {
				for range wire.HeaderLen {
					p.record(record.Handshake, []byte{0}, 0)
				}
			}},
			{"a thousand of them in a record", func(p *puppet12) {
				p.record(record.Handshake, make([]byte, 1000*wire.HeaderLen), 0)
			}},
		},
	}
	for role, all := range attempts {
		for _, mode := range []string{"full handshake", "resumption"} {
			for _, a := range all {
				for _, blocked := range []bool{false, true} {
					t.Run(fmt.Sprintf("%s, %s, our output blocked %t", mode, a.name, blocked), func(t *testing.T) {
						p := play12(t, mode, role, StateConnected)
						if blocked {
							p.tr.quota, p.tr.left = 0, 0
						}
						if n, err := p.conn.Write([]byte("ours")); n != 4 || err != nil {
							t.Fatalf("Write = %d, %v", n, err)
						}
						p.record(record.ApplicationData, []byte("theirs"), 0)
						a.say(p)
						p.record(record.ApplicationData, []byte("what comes after it"), 0)
						p.drive()
						if string(p.data) != "theirs" {
							t.Fatalf("read %q", p.data)
						}
						if p.tr.quota, p.tr.left = -1, 0; p.conn.Flush() != nil {
							t.Fatalf("%v", p.conn.Flush())
						}
						p.wantAlert(AlertNoRenegotiation, "renegotiation is refused")
						if string(p.received) != "ours" {
							t.Fatalf("the peer got %q", p.received)
						}
					})
				}
			}
		}
	}
}

// A peer that only warns, as of a renegotiation that we never asked for, is heard a few
// times (RFC 5246 7.2.2, CVE-2016-8610), in every state from the ServerHello on.
func TestWarningsOfTLS12AreCounted(t *testing.T) {
	eachState12(t, "warnings", func(t *testing.T, o *legalOrder, role Role, i int, at State) {
		if i == 0 || at == StateExpectServerHello {
			return // the version is not settled
		}
		p := o.play(t, role, i, nil)
		for range maxWarningAlerts {
			p.alert(alertLevelWarning, AlertNoRenegotiation)
		}
		if p.drive(); p.err != ErrWantRead || p.conn.State() != at {
			t.Fatalf("got %v in state %v", p.err, p.conn.State())
		}
		p.alert(alertLevelWarning, AlertNoRenegotiation)
		p.wantAlert(AlertUnexpectedMessage, "4 warnings")
	})
}

// An end in any state of TLS 1.2 is told apart: the peer's own, controlled or not.
func TestAlertsInEachStateOfTLS12(t *testing.T) {
	for _, a := range []struct {
		level byte
		alert Alert
	}{{alertLevelFatal, AlertHandshakeFailure}, {alertLevelFatal, AlertNoRenegotiation}, {alertLevelFatal, 200}, {alertLevelWarning, AlertCloseNotify}} {
		eachState12(t, a.alert.String(), func(t *testing.T, o *legalOrder, role Role, i int, at State) {
			p := o.play(t, role, i, nil)
			p.alert(a.level, a.alert)
			if a.alert == AlertCloseNotify && at == StateConnected {
				if p.drive(); p.err != io.EOF {
					t.Fatal(p.err)
				}
				return
			}
			p.wantPeerAlert(a.alert)
		})
	}
}
