package tlsconn

import (
	"crypto/tls"
	"fmt"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// A MUST of RFC 5746 (renegotiation_info) for each entry. Numbers are its sections.
//
//	3.4  here; what our ClientHello has, in rfc5246_own_test.go
//	3.6  here; BoGo Renegotiate-Server-NoExt*; unknown extensions and versions: rfc5246_test.go
//	4.1  here
//	4.2  here: no renegotiation; the alert is fatal, as BoGo's Renegotiate-Client-Forbidden-1 has
//	     it: who asks once asks again, and RFC 5246 7.2.2 leaves the end to us
//	4.3  3.6 is what it asks for
//	3.5, 3.7, 4.4 cannot apply: nobody renegotiates; BoGo Renegotiate-*-Forbidden
//	4.5  cannot apply: no SSL 3.0

// 3.4: "The client MUST then verify that the length of the "renegotiated_connection" field is
// zero, and if it is not, MUST abort the handshake (by sending a fatal handshake_failure alert)";
// 4.1: one that needs the extension "MUST generate a fatal "handshake_failure" alert".
func TestClientChecksRenegotiationInfo(t *testing.T) {
	for _, resumed := range []bool{false, true} {
		for _, tt := range []struct {
			must  string
			allow bool // Config.AllowMissingRenegotiationInfo
			edit  func([]byte) []byte
			alert Alert
		}{
			{"3.4: an empty one", false, nil, 0},
			{"3.4: not empty", false, replaced(wire.ExtRenegotiationInfo, 1, 0), AlertHandshakeFailure},
			{"3.4: not empty, where it may be missing", true, replaced(wire.ExtRenegotiationInfo, 1, 0), AlertHandshakeFailure},
			{"3.4: as long as that of a renegotiation", false, replaced(wire.ExtRenegotiationInfo, slices.Concat([]byte{24}, make([]byte, 24))...), AlertHandshakeFailure},
			{"3.2: a length that is not the body's", false, replaced(wire.ExtRenegotiationInfo, 1), AlertDecodeError},
			{"3.2: without its length", false, replaced(wire.ExtRenegotiationInfo), AlertDecodeError},
			{"4.1: none", false, without(wire.ExtRenegotiationInfo), AlertHandshakeFailure},
			{"4.1: none, where it may be missing", true, without(wire.ExtRenegotiationInfo), 0},
		} {
			t.Run(fmt.Sprintf("%s, resumed %t", tt.must, resumed), func(t *testing.T) {
				first, _ := resuming12(t, nil)
				p := first.again(func(c *Config) { c.AllowMissingRenegotiationInfo = tt.allow })
				p.hearClientHello()
				p.edit = tt.edit
				p.serverHello(func(m *wire.ServerHello) {
					if resumed {
						m.SessionID = p.hello.SessionID
					}
				})
				switch {
				case tt.alert != 0:
					p.wantAlert(tt.alert, "renegotiation_info")
				case resumed:
					p.finishResumption()
				default:
					p.finishHandshake()
				}
			})
		}
	}
}

// 3.6: the extension in the ServerHello, empty, for who has sent it or the SCSV, and for nobody
// else (RFC 5246 7.4.1.4); a handshake_failure for who does not begin.
func TestServerAnswersRenegotiationInfo(t *testing.T) {
	none := without(wire.ExtRenegotiationInfo)
	scsv := func(m *wire.ClientHello) { m.CipherSuites = append(m.CipherSuites, wire.EmptyRenegotiationInfoSCSV) }
	scsvFirst := func(m *wire.ClientHello) {
		m.CipherSuites = slices.Insert(m.CipherSuites, 0, wire.EmptyRenegotiationInfoSCSV)
	}
	for _, resumed := range []bool{false, true} {
		for _, tt := range []struct {
			must    string
			change  func(*wire.ClientHello)
			edit    func([]byte) []byte
			answers bool
			alert   Alert
		}{
			{"the extension", nil, nil, true, 0},
			{"the SCSV", scsv, none, true, 0},
			{"the SCSV before all suites", scsvFirst, none, true, 0},
			{"both", scsv, nil, true, 0},
			{"neither", nil, none, false, 0},
			{"one that is not empty", nil, replaced(wire.ExtRenegotiationInfo, 1, 0), false, AlertHandshakeFailure},
			{"one that is not empty, and the SCSV", scsv, replaced(wire.ExtRenegotiationInfo, slices.Concat([]byte{12}, make([]byte, 12))...), false, AlertHandshakeFailure},
			{"a length that is not the body's", nil, replaced(wire.ExtRenegotiationInfo, 1), false, AlertDecodeError},
			{"without its length", nil, replaced(wire.ExtRenegotiationInfo), false, AlertDecodeError},
		} {
			t.Run(fmt.Sprintf("3.6: %s, resumed %t", tt.must, resumed), func(t *testing.T) {
				p := newPuppet12(t, RoleClient, nil)
				if resumed {
					p = issued12(t, nil).again(nil)
				}
				p.edit = tt.edit
				if resumed {
					p.resumeServer(tt.change)
				} else {
					p.clientHello(tt.change)
				}
				if tt.alert != 0 {
					p.wantAlert(tt.alert, "renegotiation_info")
					return
				}
				sh := p.hearServerHello()
				if sh.Has(wire.ExtRenegotiationInfo) != tt.answers || len(sh.RenegotiationInfo) > 0 {
					t.Errorf("renegotiation_info: %t % x", sh.Has(wire.ExtRenegotiationInfo), sh.RenegotiationInfo)
				}
			})
		}
	}
}

// 4.2: clients that refuse a renegotiation "MUST respond to such requests with a
// "no_renegotiation" alert"; a server is not asked twice either (CVE-2009-3555).
func TestRenegotiationIsRefused(t *testing.T) {
	for _, split := range []bool{false, true} {
		for role, raw := range map[Role]func(*puppet12) []byte{
			RoleServer: func(*puppet12) []byte { return (&wire.HelloRequest{}).Append(nil) },
			RoleClient: func(p *puppet12) []byte {
				p.hello.RenegotiationInfo = p.verifyData(RoleClient)
				return p.hello.Append(nil)
			},
		} {
			p := newPuppet12(t, role, nil)
			p.handshake()
			p.wantData("before")
			if b := raw(p); split {
				p.record(record.Handshake, b[:2], 0)
				p.record(record.Handshake, b[2:], 0)
			} else {
				p.record(record.Handshake, b, 0)
			}
			p.record(record.ApplicationData, []byte("behind it"), 0)
			if p.wantAlert(AlertNoRenegotiation, "renegotiation"); string(p.data) != "before" {
				t.Errorf("%v: read %q", p.conn.role, p.data)
			}
		}
	}
	// Nothing else of a handshake is due either, nor what TLS 1.3 would say.
	for role, types := range map[Role][]wire.MessageType{
		RoleServer: {wire.TypeClientHello, wire.TypeServerHello, wire.TypeNewSessionTicket, wire.TypeKeyUpdate, wire.TypeFinished},
		RoleClient: {wire.TypeHelloRequest, wire.TypeServerHello, wire.TypeNewSessionTicket, wire.TypeKeyUpdate, wire.TypeFinished},
	} {
		for _, typ := range types {
			p := newPuppet12(t, role, func(c *Config) { c.MaxVersion = tls.VersionTLS12 })
			p.handshake()
			p.record(record.Handshake, append(wire.AppendHeader(nil, typ, 1), 0), 0)
			p.wantAlert(AlertUnexpectedMessage, typ.String())
		}
	}
}
