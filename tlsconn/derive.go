package tlsconn

import (
	"crypto/fips140"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// wallClock is the clock of who does not give another one.
var wallClock = time.Now

// prepared is what is derived from a Config once and shared, read-only, by all
// of its connections.
type prepared struct {
	suites                 []*suite // in order of preference; AES first where the hardware helps
	suites12               []*suite // the same of TLS 1.2
	suitesFixed            bool     // the user gave the order
	minVersion, maxVersion uint16
	groups                 []tls.CurveID
	keyShares              []tls.CurveID
	schemes                []uint16                  // that a peer may sign with
	certificates           []*certificate            // those bound to issuers first
	names                  map[string][]*certificate // lower-case dNSName or wildcard -> certificates
	issuers                map[string]bool           // of certificates
	clientTypes            []byte                    // ClientCertificateTypes; nil without RawPublicKey
	rawKeys                []*certificate            // RawPublicKeys, with the key in the place of a chain
	authorities            [][]byte                  // names for a CertificateRequest
	serverName             string                    // ServerName without the dot of the root
	sessionKey             string                    // empty: nothing is resumed
	clientScope            string                    // what a client's sessions are bound to, beside names
	now                    func() time.Time

	tickets        TicketProtector
	ticketCount    int
	ticketLifetime time.Duration
}

// derive checks the Config and fills in prepared.
func (cfg *Config) derive() error {
	// In this mode the standard library panics or fails in the middle of a handshake:
	// AES-GCM with a nonce of the caller's, X25519 and ChaCha20-Poly1305 are all
	// refused. Better to say so before the first.
	if fips140.Enforced() {
		return errors.New("tlsconn: config: GODEBUG=fips140=only forbids AES-GCM with nonces " +
			"made outside of the FIPS module (RFC 8446 5.3), which this engine needs")
	}
	p := &cfg.prepared
	p.now = cfg.Time
	if p.now == nil {
		p.now = wallClock
	}
	if err := p.chooseVersions(cfg.MinVersion, cfg.MaxVersion); err != nil {
		return err
	}
	if err := p.chooseSuites(cfg.CipherSuites); err != nil {
		return err
	}
	p.suitesFixed = p.suitesFixed && !cfg.suitesUnordered
	if err := p.chooseGroups(cfg); err != nil {
		return err
	}
	if err := p.chooseSchemes(cfg.SignatureSchemes); err != nil {
		return err
	}
	if err := p.checkLimits(cfg); err != nil {
		return err
	}
	if err := checkProtocols(cfg.NextProtos); err != nil {
		return err
	}
	p.serverName = strings.TrimSuffix(cfg.ServerName, ".")
	if len(p.serverName) > maxServerName {
		return fmt.Errorf("tlsconn: config: ServerName has %d bytes, more than a DNS name can have", len(p.serverName))
	}
	if !isPrintable(p.serverName) {
		return fmt.Errorf("tlsconn: config: ServerName %q is not printable ASCII", cfg.ServerName)
	}
	p.sessionKey = cfg.SessionKey
	if p.sessionKey == "" {
		p.sessionKey = p.serverName
	}
	p.authorities = cfg.ClientCANames
	if p.authorities == nil && cfg.ClientCAs != nil {
		// Deprecated since it tells nothing of the system's roots; these are the user's own.
		p.authorities = cfg.ClientCAs.Subjects() //lint:ignore SA1019 see above
	}
	p.names, p.issuers = make(map[string][]*certificate), make(map[string]bool)
	if err := p.loadCertificates("IssuerBound", cfg.IssuerBound, true); err != nil {
		return err
	}
	if err := p.loadCertificates("Certificates", cfg.Certificates, false); err != nil {
		return err
	}
	if err := p.chooseClientTypes(cfg); err != nil {
		return err
	}
	p.clientScope = p.scopeOfClient(cfg.SessionScope)
	return nil
}

// scopeOfClient adds to a client's scope who it is: a session of one certificate or raw
// public key is not resumed by who shows another, or none.
func (p *prepared) scopeOfClient(scope string) string {
	if len(p.certificates)+len(p.rawKeys) == 0 {
		return scope
	}
	leaves := sha256.New() // DER tells where each ends
	for _, c := range slices.Concat(p.certificates, p.rawKeys) {
		leaves.Write(c.chain[0])
	}
	leaves.Write(p.clientTypes)
	return scope + "\x00" + string(leaves.Sum(nil))
}

// chooseGroups checks the groups and the shares of them that a client sends.
func (p *prepared) chooseGroups(cfg *Config) error {
	p.groups = defaultGroups
	if cfg.CurvePreferences != nil {
		p.groups = slices.Clone(cfg.CurvePreferences)
	}
	if len(p.groups) == 0 {
		return errors.New("tlsconn: config: CurvePreferences is empty")
	}
	if err := distinct("CurvePreferences", p.groups, allGroups, "is not supported"); err != nil {
		return err
	}
	if p.maxVersion == tls.VersionTLS12 && !slices.ContainsFunc(p.groups, func(g tls.CurveID) bool { return kemOf(g) == nil }) {
		// A client without supported_groups leaves the server "free to choose any" (RFC 8422 4).
		return errors.New("tlsconn: config: CurvePreferences has no group of TLS 1.2, and MaxVersion is that")
	}
	if cfg.KeyShares != nil {
		p.keyShares = slices.Clone(cfg.KeyShares)
		return distinct("KeyShares", p.keyShares, p.groups, "is not enabled")
	}
	p.keyShares = p.groups[:1]
	if p.groups[0] == tls.X25519MLKEM768 && slices.Contains(p.groups, tls.X25519) {
		// Most servers have one or the other.
		p.keyShares = []tls.CurveID{tls.X25519MLKEM768, tls.X25519}
	}
	return nil
}

// distinct checks that each member of a field's list is one of known, and there
// once: RFC 8446 4.2.8 forbids two shares of one group.
func distinct[T comparable](field string, list, known []T, unless string) error {
	for i, v := range list {
		if !slices.Contains(known, v) {
			return fmt.Errorf("tlsconn: config: %s[%d]: %v %s", field, i, v, unless)
		}
		if slices.Contains(list[:i], v) {
			return fmt.Errorf("tlsconn: config: %s[%d]: %v is listed twice", field, i, v)
		}
	}
	return nil
}

// chooseSchemes checks what a peer may sign with.
func (p *prepared) chooseSchemes(schemes []tls.SignatureScheme) error {
	p.schemes = offeredSchemes
	if schemes == nil {
		return nil
	}
	p.schemes = nil
	for _, s := range schemes {
		p.schemes = append(p.schemes, uint16(s))
	}
	if len(p.schemes) == 0 {
		return errors.New("tlsconn: config: SignatureSchemes is empty")
	}
	return distinct("SignatureSchemes", schemes, schemesOfRFC(offeredSchemes), "is not supported")
}

// checkLimits checks the numbers.
func (p *prepared) checkLimits(cfg *Config) error {
	switch {
	case cfg.MaxFragment != 0 && (cfg.MaxFragment < minFragment || cfg.MaxFragment > record.MaxPlaintext):
		return fmt.Errorf("tlsconn: config: MaxFragment %d is not between %d and %d", cfg.MaxFragment, minFragment, record.MaxPlaintext)
	case cfg.MaxCertificateBytes < 0 || cfg.MaxCertificateBytes > maxCertificateMessage:
		return fmt.Errorf("tlsconn: config: MaxCertificateBytes %d is not between 0 and %d", cfg.MaxCertificateBytes, maxCertificateMessage)
	case cfg.TicketCount < 0 || cfg.TicketCount > maxTickets:
		return fmt.Errorf("tlsconn: config: TicketCount %d is not between 0 and %d", cfg.TicketCount, maxTickets)
	case cfg.TicketLifetime < 0 || cfg.TicketLifetime > maxTicketLifetime:
		return fmt.Errorf("tlsconn: config: TicketLifetime %v is not between 0 and %v", cfg.TicketLifetime, maxTicketLifetime)
	case cfg.TicketLifetime%time.Second != 0:
		return fmt.Errorf("tlsconn: config: TicketLifetime %v is not of whole seconds (RFC 8446 4.6.1)", cfg.TicketLifetime)
	case len(cfg.SessionScope) > 255:
		return fmt.Errorf("tlsconn: config: SessionScope has %d bytes, more than 255", len(cfg.SessionScope))
	case cfg.ClientAuth < tls.NoClientCert || cfg.ClientAuth > tls.RequireAndVerifyClientCert:
		return fmt.Errorf("tlsconn: config: ClientAuth %d is not a policy", cfg.ClientAuth)
	}
	p.ticketCount, p.ticketLifetime = max(cfg.TicketCount, 1), cfg.TicketLifetime
	if p.ticketLifetime == 0 {
		p.ticketLifetime = 24 * time.Hour
	}
	p.tickets = cfg.Tickets
	if p.tickets == nil {
		p.tickets = NewTicketKeys(p.now)
	}
	return nil
}

// checkProtocols checks the application protocols.
func checkProtocols(protocols []string) error {
	total := 0
	for i, proto := range protocols {
		total += 1 + len(proto)
		if len(proto) == 0 || len(proto) > 255 { // RFC 7301 3.1: opaque ProtocolName<1..2^8-1>
			return fmt.Errorf("tlsconn: config: NextProtos[%d]: length %d is not between 1 and 255", i, len(proto))
		}
	}
	if total > maxProtocols {
		return fmt.Errorf("tlsconn: config: NextProtos: %d bytes in all, more than %d", total, maxProtocols)
	}
	return nil
}

// chooseVersions checks the range of versions.
func (p *prepared) chooseVersions(low, high uint16) error {
	p.minVersion, p.maxVersion = low, high
	if low == 0 {
		p.minVersion = defaultMinVersion
	}
	if high == 0 {
		p.maxVersion = tls.VersionTLS13
	}
	for field, v := range map[string]uint16{"MinVersion": p.minVersion, "MaxVersion": p.maxVersion} {
		if v != tls.VersionTLS12 && v != tls.VersionTLS13 {
			return fmt.Errorf("tlsconn: config: %s: %s is not supported", field, tls.VersionName(v))
		}
	}
	if p.minVersion > p.maxVersion {
		return fmt.Errorf("tlsconn: config: MinVersion %s is above MaxVersion %s", tls.VersionName(p.minVersion), tls.VersionName(p.maxVersion))
	}
	return nil
}

// chooseSuites resolves the configured suites. A version that the list has none of
// keeps its own.
func (p *prepared) chooseSuites(ids []uint16) error {
	for i, id := range ids {
		s, list := suiteByID(id), &p.suites
		if s == nil {
			s, list = suite12ByID(id), &p.suites12
		}
		if s == nil {
			return fmt.Errorf("tlsconn: config: CipherSuites[%d]: %s is not supported", i, tls.CipherSuiteName(id))
		}
		if slices.Contains(*list, s) {
			return fmt.Errorf("tlsconn: config: CipherSuites[%d]: %s is listed twice", i, tls.CipherSuiteName(id))
		}
		*list = append(*list, s)
		p.suitesFixed = true
	}
	if ids != nil && len(ids) == 0 {
		return errors.New("tlsconn: config: CipherSuites is empty")
	}
	if p.suites == nil {
		p.suites = byHardware(allSuites)
	}
	if p.suites12 == nil {
		p.suites12 = byHardware(allSuites12)
	}
	return nil
}

// loadCertificates prepares each certificate of a field and the index of names.
func (p *prepared) loadCertificates(field string, certs []tls.Certificate, bound bool) error {
	for i := range certs {
		c, err := newCertificate(&certs[i])
		if err != nil {
			return fmt.Errorf("tlsconn: config: %s[%d]: %w", field, i, err)
		}
		c.bound = bound
		leaf, err := x509.ParseCertificate(certs[i].Certificate[0])
		if err != nil {
			return fmt.Errorf("tlsconn: config: %s[%d]: leaf: %w", field, i, err)
		}
		if err := matchesKey(leaf, c.public); err != nil {
			return fmt.Errorf("tlsconn: config: %s[%d]: %w", field, i, err)
		}
		c.issuers = append(c.issuers, leaf.RawIssuer)
		for _, der := range certs[i].Certificate[1:] {
			if issuer, err := x509.ParseCertificate(der); err == nil { // its form is the peer's affair
				c.issuers = append(c.issuers, issuer.RawIssuer)
			}
		}
		for _, issuer := range c.issuers {
			p.issuers[string(issuer)] = true
		}
		for _, name := range leaf.DNSNames {
			name = foldName(name)
			p.names[name] = append(p.names[name], c)
		}
		p.certificates = append(p.certificates, c)
	}
	return nil
}
