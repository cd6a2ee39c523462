package tlsconn

import (
	"crypto/tls"
	"fmt"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

func isGrease[T ~uint16](v T) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }

// greased is a client of both versions with Grease, whose ClientHello is heard.
func greased(t *testing.T, adjust func(*Config)) *puppet {
	t.Helper()
	p := newPuppet(t, RoleServer, func(c *Config) {
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS13
		c.Grease = true
		if adjust != nil {
			adjust(c)
		}
	})
	p.drive()
	p.hearClientHello()
	return p
}

// RFC 8701 3.1: where the values are.
func TestGreaseInAClientHello(t *testing.T) {
	for _, shares := range [][]tls.CurveID{nil, {}} {
		orders := make(map[string]bool)
		for range 8 {
			h := &greased(t, func(c *Config) { c.KeyShares = shares }).hello
			if !isGrease(h.CipherSuites[0]) || !isGrease(h.SupportedGroups[0]) || !isGrease(h.SupportedVersions[0]) || !isGrease(h.SignatureAlgorithms[0]) {
				t.Fatalf("%+v", h)
			}
			if n := len(h.KeyShares); shares == nil && (n < 2 || h.KeyShares[0].Group != h.SupportedGroups[0]) || shares != nil && n != 0 {
				t.Fatalf("%d shares: %+v", n, h.KeyShares)
			}
			if err := checkShares(h); err != nil {
				t.Fatal(err)
			}
			if !slices.ContainsFunc(h.Extensions, isGrease) {
				t.Fatalf("no extension: %v", h.Extensions)
			}
			orders[fmt.Sprint(h.Extensions)] = true
		}
		if len(orders) < 7 {
			t.Errorf("%d orders in 8 hellos", len(orders))
		}
	}
	if h := &to12(t, tls.VersionTLS12, func(c *Config) { c.Grease = true }).hello; len(h.SupportedVersions) != 0 || len(h.KeyShares) != 0 || !isGrease(h.CipherSuites[0]) {
		t.Errorf("of TLS 1.2 alone: %+v", h)
	}
	if h := &to12(t, tls.VersionTLS13, nil).hello; slices.ContainsFunc(h.CipherSuites, isGrease) || slices.ContainsFunc(h.Extensions, isGrease) {
		t.Errorf("without being asked for: %+v", h)
	}
}

// RFC 8446 4.1.2: the second ClientHello is the first but for what was asked for, and in
// its order.
func TestGreaseInASecondClientHello(t *testing.T) {
	p := greased(t, nil)
	first := p.hello
	first.Extensions = slices.Clone(first.Extensions)
	p.helloRetryRequest(func(m *wire.ServerHello) { m.Cookie = []byte("cookie") })
	p.hello = wire.ClientHello{}
	p.hearClientHello()
	second := slices.DeleteFunc(slices.Clone(p.hello.Extensions), func(e wire.ExtensionType) bool { return e == wire.ExtCookie })
	if !slices.Equal(second, first.Extensions) || len(p.hello.KeyShares) != 1 || !slices.Equal(p.hello.SupportedGroups, first.SupportedGroups) {
		t.Errorf("\n got %v, shares %v\nwant %v", second, p.hello.KeyShares, first.Extensions)
	}
}

// RFC 8701 3.1: "Clients MUST reject GREASE values when negotiated by the server."
func TestGreaseThatAServerSelects(t *testing.T) {
	for _, tt := range []struct {
		name   string
		adjust func(*Config)
		f      func(p *puppet)
		alert  Alert
	}{
		{"as the suite", nil, func(p *puppet) {
			p.serverHello(func(m *wire.ServerHello) { m.CipherSuite = p.hello.CipherSuites[0] })
		}, AlertIllegalParameter},
		{"as the suite of TLS 1.2", nil, func(p *puppet) {
			p.serverHello12(func(m *wire.ServerHello) { m.CipherSuite = p.hello.CipherSuites[0] })
		}, AlertIllegalParameter},
		{"as the version", nil, func(p *puppet) {
			p.serverHello(func(m *wire.ServerHello) { m.SupportedVersion = p.hello.SupportedVersions[0] })
		}, AlertIllegalParameter},
		{"as the group of the share", nil, func(p *puppet) {
			p.serverHello(func(m *wire.ServerHello) { m.KeyShare.Group = p.hello.SupportedGroups[0] })
		}, AlertIllegalParameter},
		{"as the group of a share to come", nil, func(p *puppet) {
			p.helloRetryRequest(func(m *wire.ServerHello) { m.SelectedGroup = p.hello.SupportedGroups[0] })
		}, AlertIllegalParameter},
		{"as the group of a share where none was sent", func(c *Config) { c.KeyShares = []tls.CurveID{} }, func(p *puppet) {
			p.helloRetryRequest(func(m *wire.ServerHello) { m.SelectedGroup = p.hello.SupportedGroups[0] })
		}, AlertIllegalParameter},
		{"as an extension", nil, func(p *puppet) {
			i := slices.IndexFunc(p.hello.Extensions, isGrease)
			p.edit = with(p.hello.Extensions[i])
			p.serverHello(nil)
		}, AlertUnsupportedExtension},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := greased(t, tt.adjust)
			p.hello.KeyShares = slices.DeleteFunc(p.hello.KeyShares, func(s wire.KeyShare) bool { return isGrease(s.Group) }) // the puppet answers the first
			tt.f(p)
			p.read = puppetKey{} // the client has no keys to answer with
			p.wantAlert(tt.alert)
		})
	}
}

// It changes nothing else: with our server, in both versions, resumed and retried.
func TestGreaseBetweenUs(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, retry := range []bool{false, true} {
			r := newResumption(t)
			r.client.Grease = true
			r.server.MinVersion, r.server.MaxVersion = tls.VersionTLS12, version
			r.client.MinVersion = tls.VersionTLS12
			r.client.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
			if retry {
				r.server.CurvePreferences = []tls.CurveID{tls.CurveP256}
			}
			for i := range 3 {
				state := r.want(fmt.Sprintf("%s, connection %d", tls.VersionName(version), i), i > 0).client.conn.ConnectionState()
				if state.Version != version || state.HelloRetryRequest != (retry && version == tls.VersionTLS13) {
					t.Errorf("%+v", state)
				}
			}
		}
	}
}
