package tlsconn

import (
	"crypto/tls"
	"fmt"
	"slices"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// serverStart is the beginning of a server's handshake, whatever its version: it
// reads the ClientHello, once, has it inspected, and hands over to the machine of
// the version that it chooses.
type serverStart struct {
	handshake
	received
	inspecting *Completion[*Config]
}

// received is the last ClientHello that a server has received.
type received struct {
	hello    wire.ClientHello // parsed from helloRaw
	helloRaw []byte           // our copy
	named    bool             // server_name was used to choose something
}

func newServerStart(c *Conn) *serverStart {
	hs := new(serverStart)
	hs.c = c
	return hs
}

// step implements machine.
func (hs *serverStart) step(m message) (State, error) {
	if hs.c.state == StateAwaitInspection {
		return hs.awaitInspection()
	}
	return hs.readClientHello(m)
}

// kept implements machine.
func (hs *serverStart) kept() int { return len(hs.helloRaw) }

// clearSecrets implements machine: there is none yet.
func (hs *serverStart) clearSecrets() {}

// receive parses a ClientHello from a copy of its own, as later steps need it, and
// refuses what no version allows.
func (r *received) receive(m message) error {
	r.helloRaw = append([]byte(nil), m.raw...)
	hello := &r.hello
	if err := hello.Unmarshal(r.helloRaw[wire.HeaderLen:]); err != nil {
		return decodeError(err)
	}
	if hello.LegacyVersion == ssl30 {
		return abort(AlertProtocolVersion, "client_hello: legacy_version is %#04x", hello.LegacyVersion)
	}
	if len(hello.ServerName) > maxServerName {
		return abort(AlertIllegalParameter, "client_hello: server_name has %d bytes, more than a DNS name can have", len(hello.ServerName))
	}
	if !isPrintable(string(hello.ServerName)) {
		// RFC 6066 3: ASCII; and nothing else may come into logs and tables.
		return abort(AlertIllegalParameter, "client_hello: server_name is not printable ASCII")
	}
	return nil
}

// info makes what callbacks are asked about, of copies.
func (r *received) info(c *Conn) *ClientHello {
	raw := slices.Clone(r.helloRaw)
	hello := &ClientHello{ClientHelloInfo: helloInfo(c, &r.hello), Raw: raw}
	for _, name := range r.hello.CertificateAuthorities {
		hello.CertificateAuthorities = append(hello.CertificateAuthorities, slices.Clone(name))
	}
	return hello
}

func (hs *serverStart) readClientHello(m message) (State, error) {
	if err := hs.receive(m); err != nil {
		return 0, err
	}
	hs.c.facts.serverName = string(hs.hello.ServerName)
	if hs.c.config.InspectClientHello != nil {
		return StateAwaitInspection, nil
	}
	return hs.chooseVersion()
}

// awaitInspection lets the user choose another Config for this client.
func (hs *serverStart) awaitInspection() (State, error) {
	if hs.inspecting == nil {
		hs.named = true
		var err error
		hs.inspecting, err = ask(&hs.handshake, OpInspect, func(c *Completion[*Config]) {
			hs.c.config.InspectClientHello(hs.info(hs.c), c)
		})
		if err != nil {
			return 0, err
		}
	}
	config, ok, err := hs.inspecting.take(&hs.handshake)
	switch {
	case !ok:
		return StateAwaitInspection, nil
	case err != nil:
		return 0, failed(err, AlertHandshakeFailure, "InspectClientHello")
	case config == nil:
		return hs.chooseVersion()
	}
	if err := config.Validate(RoleServer); err != nil {
		return 0, fmt.Errorf("InspectClientHello: %w", err)
	}
	hs.c.config = config
	hs.c.out.fragment = uint16(config.MaxFragment)
	return hs.chooseVersion()
}

// chooseVersion hands over to the machine of the version: the highest that both
// speak. RFC 8446 4.2.1: supported_versions alone decides; without it the client has
// at most TLS 1.2.
func (hs *serverStart) chooseVersion() (State, error) {
	p, _ := hs.c.config.prepare() // its error was told when the Conn was made
	offers := func(version uint16) bool {
		if version < p.minVersion || version > p.maxVersion {
			return false
		}
		if hs.hello.Has(wire.ExtSupportedVersions) {
			return slices.Contains(hs.hello.SupportedVersions, version)
		}
		return version == tls.VersionTLS12 && hs.hello.LegacyVersion >= tls.VersionTLS12
	}
	switch {
	case offers(tls.VersionTLS13):
		hs.c.hs = newServer13(hs)
	case offers(tls.VersionTLS12):
		// RFC 7507 3: the client could do more, and so can we: somebody has taken it out.
		if p.maxVersion > tls.VersionTLS12 && slices.Contains(hs.hello.CipherSuites, wire.FallbackSCSV) {
			return 0, abort(AlertInappropriateFallback, "client_hello: TLS_FALLBACK_SCSV below our version")
		}
		hs.c.hs = newServer12(hs)
	default:
		return 0, abort(AlertProtocolVersion, "client_hello: no %s", p.versions())
	}
	return StateSelectParameters, nil
}

// versions names the versions that are spoken.
func (p *prepared) versions() string {
	switch {
	case p.minVersion == tls.VersionTLS13:
		return "TLS 1.3 in supported_versions"
	case p.maxVersion == tls.VersionTLS12:
		return "TLS 1.2"
	}
	return "TLS 1.2 or 1.3"
}
