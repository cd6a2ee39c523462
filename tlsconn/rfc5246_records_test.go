package tlsconn

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// Records, keys and alerts of TLS 1.2: see rfc5246_test.go.

// at12 are the moments at which a Conn of TLS 1.2 may be met: before the puppet's first
// message, in the middle of the handshake, with the puppet's keys in force and its Finished
// due, and connected.
var at12 = map[string]func(*puppet12){
	"at the beginning": func(p *puppet12) {
		if p.role == RoleServer {
			p.hearClientHello()
		}
	},
	"within the handshake": func(p *puppet12) {
		if p.role == RoleClient {
			p.clientHello(nil)
			p.hearServerFlight()
		} else {
			p.hearClientHello()
			p.serverHello(nil)
		}
	},
	"before the Finished": func(p *puppet12) {
		if p.role == RoleClient {
			p.clientHello(nil)
			p.hearServerFlight()
			p.clientFlight()
		} else {
			p.hearClientHello()
			p.serverHello(nil)
			p.serverFlight()
			p.hearClientFlight()
		}
		p.changeCipherSpec()
	},
	"connected": (*puppet12).handshake,
}

// each12 runs a test for both roles and each moment.
func each12(t *testing.T, name string, f func(t *testing.T, p *puppet12, at string)) {
	for at, reach := range at12 {
		for _, role := range []Role{RoleClient, RoleServer} {
			t.Run(fmt.Sprintf("%s, of a %v, %s", name, role, at), func(t *testing.T) {
				p := newPuppet12(t, role, nil)
				reach(p)
				f(t, p, at)
			})
		}
	}
}

func TestRecordsThatNobodyMaySend12(t *testing.T) {
	each12(t, "6.2.1: an empty handshake record", func(t *testing.T, p *puppet12, _ string) {
		p.record(record.Handshake, nil, 0)
		p.wantAlert(AlertUnexpectedMessage, "empty")
	})
	each12(t, "6.2.1: an empty alert record", func(t *testing.T, p *puppet12, _ string) {
		p.record(record.Alert, nil, 0)
		p.wantAlert(AlertUnexpectedMessage, "empty")
	})
	each12(t, "6.2.1: an empty change_cipher_spec", func(t *testing.T, p *puppet12, _ string) {
		p.record(record.ChangeCipherSpec, nil, 0)
		p.wantAlert(AlertUnexpectedMessage, "change_cipher_spec")
	})
	each12(t, "7.1: a change_cipher_spec that is not due", func(t *testing.T, p *puppet12, at string) {
		if at == "at the beginning" && p.role == RoleServer {
			return // the server may yet choose TLS 1.3, where it is dropped (RFC 8446 5)
		}
		p.record(record.ChangeCipherSpec, []byte{1}, 0)
		p.wantAlert(AlertUnexpectedMessage, "change_cipher_spec")
	})
	each12(t, "7.3: application data before the Finished, even none", func(t *testing.T, p *puppet12, at string) {
		p.record(record.ApplicationData, nil, 0)
		if at == "connected" {
			p.wantData("which may well be none (6.2.1)")
			return
		}
		p.wantAlert(AlertUnexpectedMessage, "application data")
	})
	each12(t, "6.2.1: a record of more than 2^14 bytes", func(t *testing.T, p *puppet12, _ string) {
		p.record(record.ApplicationData, make([]byte, record.MaxPlaintext+1), 0)
		p.wantAlert(AlertRecordOverflow)
	})
	each12(t, "7.2: an alert of no level", func(t *testing.T, p *puppet12, _ string) {
		p.alert(3, AlertHandshakeFailure)
		p.wantAlert(AlertIllegalParameter, "level")
	})
	each12(t, "7.2.2: an alert of one byte", func(t *testing.T, p *puppet12, _ string) {
		p.record(record.Alert, []byte{2}, 0)
		p.wantAlert(AlertDecodeError, "alert")
	})
}

// 7.2, 7.2.2: "Alert messages with a level of fatal result in the immediate termination of the
// connection": whatever they describe, secrets are forgotten, nothing is answered, and what
// comes behind is not read.
func TestFatalAlerts12(t *testing.T) {
	for _, alert := range []Alert{AlertUnexpectedMessage, AlertHandshakeFailure, AlertNoRenegotiation, AlertUnrecognizedName, 21, 255} {
		each12(t, fmt.Sprintf("%v", alert), func(t *testing.T, p *puppet12, at string) {
			p.alert(alertLevelFatal, alert)
			p.record(record.ApplicationData, []byte("behind it"), 0)
			if at == "connected" {
				p.puppet.wantPeerAlert(alert)
				if len(p.data) > 0 {
					t.Errorf("read %q", p.data)
				}
				return
			}
			p.drive()
			wantPeerAlert(t, p.conn.role.String(), p.err, alert)
			p.wantEnded(p.err)
		})
	}
}

// edges12 are the lengths of content that a record may have.
var edges12 = []int{1, 2, 255, 256, record.MaxPlaintext - 1, record.MaxPlaintext}

// 6.2.1, 6.2.3: content of 2^14 bytes is legal, with each AEAD, and one byte more is
// record_overflow, which is told from the header before the record has come.
func TestLengthsOfRecords12(t *testing.T) {
	for _, s := range allSuites12 {
		if s.rsa {
			continue
		}
		for _, role := range []Role{RoleClient, RoleServer} {
			t.Run(fmt.Sprintf("%s, of a %v", tls.CipherSuiteName(s.id), role), func(t *testing.T) {
				p := newPuppet12(t, role, nil)
				p.suiteID = s.id
				p.handshake()
				for _, n := range edges12 {
					p.wantData(string(bytes.Repeat([]byte("x"), n)))
				}
				p.record(record.ApplicationData, make([]byte, record.MaxPlaintext+1), 0)
				p.wantAlert(AlertRecordOverflow)

				p = newPuppet12(t, role, nil)
				p.suiteID = s.id
				p.handshake()
				n := record.MaxPlaintext + 8 + tagLen + 1
				p.raw([]byte{byte(record.ApplicationData), 3, 3, byte(n >> 8), byte(n)})
				p.wantAlert(AlertRecordOverflow)
			})
		}
	}
}

// 6.1: "The sequence number MUST be set to zero whenever a connection state is made the
// active state", and "A sequence number is incremented after each record"; 6.2.3.3: "If the
// decryption fails, a fatal bad_record_mac alert MUST be generated." The additional data has
// type, version and length of the record, and nothing of it may be changed.
func TestRecordsThatDoNotVerify12(t *testing.T) {
	const typ, data = record.ApplicationData, "content"
	sealed := func(p *puppet12) []byte { return p.write.sealed12(typ, []byte(data)) }
	flipped := func(at func(rec []byte) int, by byte) func(*puppet12) {
		return func(p *puppet12) {
			rec := sealed(p)
			rec[at(rec)] ^= by
			p.raw(rec)
		}
	}
	for _, s := range allSuites12 {
		if s.rsa {
			continue
		}
		for must, send := range map[string]func(*puppet12){
			"6.1: a record twice": func(p *puppet12) {
				rec := sealed(p)
				p.raw(rec)
				p.raw(rec)
			},
			"6.1: a record left out":               func(p *puppet12) { sealed(p); p.raw(sealed(p)) },
			"6.1: two records the other way round": func(p *puppet12) { first := sealed(p); p.raw(append(sealed(p), first...)) },
			"6.1: the sequence begins again":       func(p *puppet12) { p.write.seq = 0; p.raw(sealed(p)) },
			"6.1: a record of the other direction": func(p *puppet12) {
				k := p.read
				k.seq = p.write.seq
				p.raw(k.sealed12(typ, []byte(data)))
			},
			"6.2.3.3: the first byte of the content": flipped(func(rec []byte) int { return len(rec) - tagLen - len(data) }, 1),
			"6.2.3.3: the last byte of the content":  flipped(func(rec []byte) int { return len(rec) - tagLen - 1 }, 0x80),
			"6.2.3.3: the first byte of the tag":     flipped(func(rec []byte) int { return len(rec) - tagLen }, 1),
			"6.2.3.3: the last byte of the tag":      flipped(func(rec []byte) int { return len(rec) - 1 }, 1),
			"6.2.3.3: the first byte of all":         flipped(func([]byte) int { return record.HeaderLen }, 1),
			"6.2.3.3: the type": func(p *puppet12) {
				rec := sealed(p)
				rec[0] = byte(record.Handshake)
				p.raw(rec)
			},
			"6.2.3.3: a byte less": func(p *puppet12) {
				rec := sealed(p)
				rec[4]--
				p.raw(rec[:len(rec)-1])
			},
			"6.2.3.3: a byte more": func(p *puppet12) {
				rec := sealed(p)
				rec[4]++
				p.raw(append(rec, 0))
			},
			"6.2.3.3: shorter than a tag": func(p *puppet12) { p.raw(append([]byte{byte(typ), 3, 3, 0, tagLen - 1}, make([]byte, tagLen-1)...)) },
			"6.2.3.3: nothing at all":     func(p *puppet12) { p.raw([]byte{byte(typ), 3, 3, 0, 0}) },
			"6.2.3.3: not protected":      func(p *puppet12) { p.plain(typ, []byte("no protection, but as long as a tag")...) },
			"6.2.3.3: sequence number of the additional data that is not the nonce's": func(p *puppet12) {
				p.write.seq += 5
				p.raw(p.write.sealedWith(typ, []byte(data), p.write.seq-5))
			},
		} {
			for _, role := range []Role{RoleClient, RoleServer} {
				t.Run(fmt.Sprintf("%s: %s, of a %v", tls.CipherSuiteName(s.id), must, role), func(t *testing.T) {
					p := newPuppet12(t, role, nil)
					p.suiteID = s.id
					p.handshake()
					p.wantData("in step")
					send(p)
					p.wantAlert(AlertBadRecordMAC)
				})
			}
		}
	}
}

// 6.1: "Sequence numbers do not wrap."
func TestSequenceNumbersDoNotWrap12(t *testing.T) {
	for _, role := range []Role{RoleClient, RoleServer} {
		p := newPuppet12(t, role, nil)
		p.handshake()
		p.conn.in.seq, p.write.seq = ^uint64(0)-1, ^uint64(0)-1
		p.wantData("the last but one")
		p.record(record.ApplicationData, []byte("the last"), 0)
		p.wantAlert(AlertInternalError, "wraps")
	}
}

// 7.1: what follows a ChangeCipherSpec is protected, and what comes before it is not.
func TestKeysChangeWithChangeCipherSpec(t *testing.T) {
	for _, role := range []Role{RoleClient, RoleServer} {
		for must, send := range map[string]func(*puppet12){
			"a Finished that is not protected": func(p *puppet12) {
				p.changeCipherSpec()
				p.write = puppetKey{}
				p.finished(nil)
			},
			"a Finished with the second sequence number": func(p *puppet12) {
				p.changeCipherSpec()
				p.write.seq = 1
				p.finished(nil)
			},
			"a Finished under the key of the other side": func(p *puppet12) {
				p.changeCipherSpec()
				p.write, p.write.seq = p.read, 0
				if p.role == RoleClient {
					p.write = p.nextRead
				}
				p.finished(nil)
			},
		} {
			t.Run(fmt.Sprintf("%s, of a %v", must, role), func(t *testing.T) {
				p := newPuppet12(t, role, nil)
				if role == RoleClient {
					p.clientHello(nil)
					p.hearServerFlight()
					p.clientFlight()
				} else {
					p.hearClientHello()
					p.serverHello(nil)
					p.serverFlight()
					p.hearClientFlight()
				}
				send(p)
				p.wantAlert(AlertBadRecordMAC)
			})
		}
	}
}

// RFC 5288 3: nonce_explicit is the sender's choice: whatever a peer takes, we open; and
// "each value of the nonce_explicit MUST be distinct for each distinct invocation of the GCM
// encrypt function for any fixed key": ours counts, and is not reset within a connection.
func TestExplicitNonces(t *testing.T) {
	for _, role := range []Role{RoleClient, RoleServer} {
		p := newPuppet12(t, role, nil)
		p.handshake()
		for i, number := range []uint64{1 << 63, 0, 0, 12345, ^uint64(0)} {
			p.raw(p.write.sealedWith(record.ApplicationData, []byte{byte('0' + i)}, number))
		}
		if p.drive(); string(p.data) != "01234" {
			t.Errorf("%v: read %q: %v", p.conn.role, p.data, p.err)
		}
		start := len(p.tr.out.bytes)
		for range 300 {
			if _, err := p.conn.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		var seen [][]byte
		for b := p.tr.out.bytes[start:]; len(b) > 0; {
			h := record.ParseHeader(b)
			nonce := b[record.HeaderLen : record.HeaderLen+8]
			if slices.ContainsFunc(seen, func(s []byte) bool { return bytes.Equal(s, nonce) }) || bytes.Equal(nonce, make([]byte, 8)) {
				t.Fatalf("%v: nonce_explicit % x is not new", p.conn.role, nonce)
			}
			seen = append(seen, nonce)
			b = b[record.HeaderLen+h.Length:]
		}
		if p.hearAll(); len(seen) != 300 || len(p.received) != 300 {
			t.Errorf("%v: %d records, %d bytes", p.conn.role, len(seen), len(p.received))
		}
	}
}
