package tlsconn

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// A MUST or SHALL of RFC 7301 (ALPN) for each entry, in TLS 1.2; those of a ClientHello and of
// EncryptedExtensions of TLS 1.3 are in rfc8446_test.go and rfc8446_client_test.go, where both
// versions do the same. Numbers are its sections.
//
//	3.1  here; BoGo ALPNClient-EmptyProtocolName-*, ALPNServer-EmptyProtocolName-*
//	3.2  here; BoGo ALPNServer-*, ALPNClient-RejectUnknown-*; of another protocol than the one
//	     that was selected we know nothing: the application speaks it

// 3.1: the list of a ClientHello "SHALL contain a "ProtocolNameList"", of names that are not empty.
func TestServer12RefusesProtocolNames(t *testing.T) {
	for must, body := range map[string][]byte{
		"no list":                             nil,
		"half of the list's length":           {0},
		"an empty list":                       {0, 0},
		"an empty name":                       {0, 1, 0},
		"an empty name behind another":        {0, 4, 2, 'h', '2', 0},
		"an empty name before another":        {0, 4, 0, 2, 'h', '2'},
		"a name longer than the list":         {0, 3, 3, 'h', '2'},
		"a list longer than the extension":    {0, 4, 2, 'h', '2'},
		"a list shorter than the extension":   {0, 3, 2, 'h', '2', 0},
		"a name without its length behind it": {0, 4, 2, 'h', '2', 'x'},
	} {
		t.Run("3.1: "+must, func(t *testing.T) {
			p := newPuppet12(t, RoleClient, nil)
			p.edit = with(wire.ExtALPN, body...)
			p.clientHello(nil)
			p.wantAlert(AlertDecodeError, "application_layer_protocol_negotiation")
		})
	}
}

// 3.2: "the server SHOULD select the most highly preferred protocol that it supports and that
// is also advertised by the client"; without one it "SHALL respond with a fatal
// "no_application_protocol" alert". What it selects "SHALL be definitive for the connection".
func TestServer12SelectsAProtocol(t *testing.T) {
	long := strings.Repeat("p", 255)
	for _, tt := range []struct {
		must          string
		ours, offered []string
		want          string
		alert         Alert
	}{
		{"the one in common", []string{"h2", "http/1.1"}, []string{"http/1.1"}, "http/1.1", 0},
		{"the server's order", []string{"h2", "http/1.1"}, []string{"http/1.1", "h2"}, "h2", 0},
		{"names that it does not know, alone", []string{"h2"}, []string{"h3", "\x8a\x8a"}, "", AlertNoApplicationProtocol},
		{"unknown names around the one", []string{"h2"}, []string{"\x8a\x8a", "h2", "x"}, "h2", 0},
		{"none in common", []string{"h2"}, []string{"http/1.1"}, "", AlertNoApplicationProtocol},
		{"a name that only begins so", []string{"h2"}, []string{"h2c", "h"}, "", AlertNoApplicationProtocol},
		{"in other letters", []string{"h2"}, []string{"H2"}, "", AlertNoApplicationProtocol},
		{"the longest name, whole", []string{long}, []string{long[:254], long}, long, 0},
		{"nothing of its own", nil, []string{"h2"}, "", 0},
		{"nothing of the client's", []string{"h2"}, nil, "", 0},
	} {
		t.Run("3.2: "+tt.must, func(t *testing.T) {
			p := newPuppet12(t, RoleClient, func(c *Config) { c.NextProtos = tt.ours })
			p.clientHello(func(m *wire.ClientHello) {
				for _, name := range tt.offered {
					m.ALPN = append(m.ALPN, []byte(name))
				}
			})
			if tt.alert != 0 {
				p.wantAlert(tt.alert)
				return
			}
			sh := p.hearServerHello() // 3.1: "exactly one "ProtocolName"", or it is not decoded
			if string(sh.ALPN) != tt.want || sh.Has(wire.ExtALPN) != (tt.want != "") {
				t.Errorf("selects %q", sh.ALPN)
			}
			p.hearCertificate()
			p.hearServerKeyExchange()
			p.hear(wire.TypeServerHelloDone)
			p.clientFlight()
			p.changeCipherSpec()
			p.finished(nil)
			p.hearServerEnd()
			p.wantConnected()
			if got := p.conn.ConnectionState().NegotiatedProtocol; got != tt.want {
				t.Errorf("is at %q", got)
			}
		})
	}
}

// 3.1: in a ServerHello "the "ProtocolNameList" MUST contain exactly one "ProtocolName"", and
// 3.2: one of those that the client supports.
func TestClient12RefusesAProtocol(t *testing.T) {
	for _, tt := range []struct {
		must  string
		body  []byte
		alert Alert
		text  string
	}{
		{"3.1: no list", nil, AlertDecodeError, "application_layer_protocol_negotiation"},
		{"3.1: no name", []byte{0, 0}, AlertDecodeError, "application_layer_protocol_negotiation"},
		{"3.1: an empty name", []byte{0, 1, 0}, AlertDecodeError, "application_layer_protocol_negotiation"},
		{"3.1: two names", []byte{0, 6, 2, 'h', '2', 2, 'h', '2'}, AlertDecodeError, "application_layer_protocol_negotiation"},
		{"3.1: a name and an empty one", []byte{0, 4, 2, 'h', '2', 0}, AlertDecodeError, "application_layer_protocol_negotiation"},
		{"3.1: data behind the list", []byte{0, 3, 2, 'h', '2', 0}, AlertDecodeError, "application_layer_protocol_negotiation"},
		{"3.2: a name that was not offered", []byte{0, 3, 2, 'h', '3'}, AlertIllegalParameter, "not offered"},
		{"3.2: the beginning of one that was", []byte{0, 2, 1, 'h'}, AlertIllegalParameter, "not offered"},
		{"3.2: in other letters", []byte{0, 3, 2, 'H', '2'}, AlertIllegalParameter, "not offered"},
	} {
		t.Run(tt.must, func(t *testing.T) {
			p := newPuppet12(t, RoleServer, nil)
			p.hearClientHello()
			p.edit = with(wire.ExtALPN, tt.body...)
			p.serverHello(nil)
			p.wantAlert(tt.alert, tt.text)
		})
	}
}

// 3.1: our list has the names "in descending order of preference", whole and each not empty; a
// name that cannot be sent is refused with the Config.
func TestOwnProtocolNames(t *testing.T) {
	long := strings.Repeat("p", 255)
	for _, names := range [][]string{{"http/1.1", "h2"}, {long, "x"}, nil} {
		p := newPuppet12(t, RoleServer, func(c *Config) { c.NextProtos = names })
		p.hearClientHello()
		same := func(sent []byte, name string) bool { return bytes.Equal(sent, []byte(name)) }
		if !slices.EqualFunc(p.hello.ALPN, names, same) || p.hello.Has(wire.ExtALPN) != (names != nil) {
			t.Errorf("offers %q, not %q", p.hello.ALPN, names)
		}
		p.serverHello(func(m *wire.ServerHello) {
			if names != nil {
				m.ALPN = []byte(names[1])
			}
		})
		p.finishHandshake()
		if got := p.conn.ConnectionState().NegotiatedProtocol; names != nil && got != names[1] || names == nil && got != "" {
			t.Errorf("of %q it is at %q", names, got)
		}
	}
	for _, names := range [][]string{{""}, {"h2", ""}, {long + "p"}} {
		for _, role := range []Role{RoleClient, RoleServer} {
			config := serverFor(newTestCA(t).issue(t, keyEd25519, "example.org"))
			config.ServerName, config.NextProtos = "example.org", names
			if err := config.Validate(role); err == nil || !strings.Contains(err.Error(), "NextProtos") {
				t.Errorf("%q: %v", fmt.Sprint(names), err)
			}
		}
	}
}

// 3.1: "the contents of this extension [...] are not properties of the session, only of the
// connection": a resumption negotiates anew, and is none where that comes to another protocol.
func TestProtocolsAreNotOfSessions(t *testing.T) {
	for offered, resumes := range map[string]bool{"http/1.1": true, "h2": false} {
		p := newPuppet12(t, RoleClient, func(c *Config) { c.NextProtos = []string{"h2", "http/1.1"} })
		p.clientHello(func(m *wire.ClientHello) {
			m.Offer(wire.ExtSessionTicket)
			m.ALPN = [][]byte{[]byte("http/1.1")}
		})
		p.finishHandshake()
		q := p.again(nil)
		q.resumeServer(func(m *wire.ClientHello) { m.ALPN = [][]byte{[]byte("http/1.1"), []byte(offered)} })
		if sh := q.hearServerHello(); string(sh.ALPN) != offered || q.resumed() != resumes {
			t.Errorf("offered %s: %+v", offered, sh)
		}

		first, _ := resuming12(t, func(c *Config) { c.NextProtos = []string{"http/1.1", "h2"} })
		q = first.again(nil)
		q.hearClientHello()
		q.serverHello(func(m *wire.ServerHello) { m.SessionID, m.ALPN = q.hello.SessionID, []byte(offered) })
		if q.finishResumption(); q.conn.ConnectionState().NegotiatedProtocol != offered {
			t.Errorf("of a client: not at %s", offered)
		}
	}
}
