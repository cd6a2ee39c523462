package tlsconn

//lint:file-ignore SA1019 fields of tls.Config that are deprecated have their meaning all the same

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"sync"
)

// maxConverted bounds the Configs that are kept of those that GetConfigForClient
// returned: a callback that makes a new one for each connection, which is usual in
// crypto/tls, would fill the memory.
const maxConverted = 1024

// FromTLS converts a configuration of crypto/tls, for one role. It refuses a
// config with a field that this package cannot honour, and the error names all of
// them; nothing is ignored silently. Fields that crypto/tls itself does not use in
// that role, or not at all, are not looked at. The result is the caller's to change
// before its first use; what config points at is shared, and must not be changed
// any more.
//
// What is not quite the same as in crypto/tls:
//
//   - TLS 1.2 is spoken with ECDHE and AEADs alone. CipherSuites, which concerns TLS 1.2
//     alone and is a set, is refused if it promises another suite; the CBC suites that
//     crypto/tls has without any are not a promise. One without a suite of TLS 1.2 leaves
//     TLS 1.3. A MinVersion of TLS 1.0 or 1.1 is a promise too, and refused.
//   - Callbacks have no context: the Context of what they get is nil, and its Conn
//     only has addresses. On an event loop they must not block.
//   - VerifyPeerCertificate is called for resumed connections too, with the chain of
//     the session's beginning, where crypto/tls warns that it calls nothing.
//   - A server whose NextProtos has h2, but not http/1.1, refuses a client that only
//     offers http/1.1, as it does any without a protocol in common (RFC 7301 3.2).
//   - The order of CurvePreferences does not matter, as since Go 1.26; without any the
//     default is this package's. GODEBUG settings of crypto/tls have no effect.
//   - KeyLogWriter gets one Write at a time, over all converted Configs.
//
// GetConfigForClient becomes InspectClientHello. What it returns is converted once,
// and found again by its pointer, so it should return one of a few tls.Configs: a
// new one for each connection costs the preparation of its certificates each time.
// One that cannot be converted fails the handshake with internal_error. It takes
// the place of all that a tls.Config has a field for; ticket keys and the rest of the
// Config, but not ChooseCertificate, IssuerBound and ClientCANames, go on to be
// those of FromTLS's result. Of these is VerifyPeer, if config has no
// VerifyPeerCertificate: it is called before the other's VerifyPeerCertificate.
func FromTLS(config *tls.Config, role Role) (*Config, error) {
	if config == nil {
		return nil, errors.New("tlsconn: tls.Config: nil")
	}
	if role != RoleServer && role != RoleClient {
		return nil, fmt.Errorf("tlsconn: tls.Config for %v", role)
	}
	return fromTLS(config, config.Clone(), role)
}

// fromTLS converts theirs, a copy of original that nobody else has.
func fromTLS(original, theirs *tls.Config, role Role) (*Config, error) {
	if err := refuseFields(theirs, role); err != nil {
		return nil, err
	}
	config := &Config{
		MinVersion:             theirs.MinVersion,
		MaxVersion:             min(theirs.MaxVersion, tls.VersionTLS13),
		suitesUnordered:        true,
		NextProtos:             theirs.NextProtos,
		CurvePreferences:       groupsOf(theirs.CurvePreferences),
		SessionTicketsDisabled: theirs.SessionTicketsDisabled,
		Time:                   theirs.Time,
		Certificates:           theirs.Certificates,
	}
	if theirs.CipherSuites != nil {
		config.CipherSuites = suites12Of(theirs.CipherSuites)
		if config.CipherSuites == nil {
			config.MinVersion = tls.VersionTLS13
		}
	}
	if theirs.KeyLogWriter != nil {
		config.KeyLogWriter = lockedKeyLog{theirs.KeyLogWriter}
	}
	if check := theirs.VerifyPeerCertificate; check != nil {
		config.VerifyPeer = func(peer *Peer) error { return check(rawChain(peer.Certificates), peer.VerifiedChains) }
	}
	if role == RoleClient {
		config.RootCAs = theirs.RootCAs
		config.ServerName = theirs.ServerName
		config.InsecureSkipVerify = theirs.InsecureSkipVerify
		config.RequestOCSP, config.RequestSCTs = true, true // as each client of crypto/tls does
		config.AllowMissingRenegotiationInfo = true         // the same
		config.issuersBind = true
		if get := theirs.GetClientCertificate; get != nil {
			config.Certificates = nil // "the contents of Certificates will be ignored"
			config.GetClientCertificate = demandCertificate(get)
		}
		return config, nil
	}
	config.ClientAuth = theirs.ClientAuth
	config.ClientCAs = theirs.ClientCAs
	config.GetCertificate = theirs.GetCertificate
	if get := theirs.GetCertificate; get != nil && len(theirs.Certificates) > 0 {
		// "It will only be called if the client supplies SNI information or if
		// Certificates is empty."
		config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if hello.ServerName == "" {
				return nil, nil
			}
			return get(hello)
		}
	}
	if theirs.GetConfigForClient != nil {
		c := &configsForClients{
			choose:    theirs.GetConfigForClient,
			original:  original,
			parent:    config,
			verifies:  theirs.VerifyPeerCertificate != nil,
			converted: make(map[*tls.Config]conversion),
		}
		config.InspectClientHello = c.inspect
	}
	return config, nil
}

// unhonoured are the uses of a tls.Config's fields that cannot be honoured.
var unhonoured = []struct {
	field  string
	in     Role // that the field means something in; 0 for both
	used   func(*tls.Config) bool
	reason string
}{
	{"Rand", 0, func(c *tls.Config) bool { return c.Rand != nil },
		"randomness is crypto/rand's"},
	{"MinVersion", 0, func(c *tls.Config) bool {
		return c.MinVersion > tls.VersionTLS13 || c.MinVersion != 0 && c.MinVersion < tls.VersionTLS12
	}, "TLS 1.0 and 1.1 are not spoken, nor what comes after TLS 1.3"},
	{"MaxVersion", 0, func(c *tls.Config) bool { return c.MaxVersion != 0 && c.MaxVersion < tls.VersionTLS12 },
		"TLS 1.1 and before are not spoken"},
	{"CipherSuites", 0, func(c *tls.Config) bool {
		return c.MinVersion < tls.VersionTLS13 && slices.ContainsFunc(c.CipherSuites, isUnknownSuite)
	}, "it has a suite that is not of ECDHE and an AEAD"},
	{"CipherSuites", 0, func(c *tls.Config) bool {
		return c.MaxVersion == tls.VersionTLS12 && c.CipherSuites != nil && suites12Of(c.CipherSuites) == nil
	}, "it has no suite of TLS 1.2"},
	{"CurvePreferences", 0, func(c *tls.Config) bool { return slices.ContainsFunc(c.CurvePreferences, isUnknownGroup) },
		"it has a group that is not supported"},
	{"VerifyConnection", 0, func(c *tls.Config) bool { return c.VerifyConnection != nil },
		"nobody but crypto/tls can make its ConnectionState; use Config.VerifyPeer"},

	{"NameToCertificate", RoleServer, func(c *tls.Config) bool { return len(c.NameToCertificate) > 0 },
		"it is deprecated; Certificates are chosen by their names"},
	{"ClientAuth", RoleServer, func(c *tls.Config) bool {
		return c.ClientAuth < tls.NoClientCert || c.ClientAuth > tls.RequireAndVerifyClientCert
	}, "the policy is unknown"},
	{"ClientCAs", RoleServer, func(c *tls.Config) bool { return c.ClientAuth >= tls.VerifyClientCertIfGiven && c.ClientCAs == nil },
		"there are none, and the system's roots verify clients only if x509.SystemCertPool is said"},
	{"VerifyPeerCertificate", RoleServer, func(c *tls.Config) bool {
		// crypto/tls calls it with no certificate then, which it may refuse.
		return c.VerifyPeerCertificate != nil && (c.ClientAuth == tls.RequestClientCert || c.ClientAuth == tls.VerifyClientCertIfGiven)
	}, "it would not be asked about clients without a certificate, whom ClientAuth lets in; use Config.VerifyPeer"},
	{"SessionTicketKey", RoleServer, func(c *tls.Config) bool {
		return !c.SessionTicketsDisabled && c.SessionTicketKey != [32]byte{} && !bytes.HasPrefix(c.SessionTicketKey[:], generatedTicketKey)
	}, ticketKeysReason},
	{"SetSessionTicketKeys", RoleServer, func(c *tls.Config) bool { return !c.SessionTicketsDisabled && hasTicketKeys(c) },
		ticketKeysReason},
	{"WrapSession", RoleServer, func(c *tls.Config) bool { return !c.SessionTicketsDisabled && c.WrapSession != nil },
		"nobody but crypto/tls can make its SessionState; use Config.Tickets"},
	{"UnwrapSession", RoleServer, func(c *tls.Config) bool { return !c.SessionTicketsDisabled && c.UnwrapSession != nil },
		"its SessionState is only of use to crypto/tls; use Config.Tickets"},
	{"EncryptedClientHelloKeys", RoleServer, func(c *tls.Config) bool { return c.EncryptedClientHelloKeys != nil }, echReason},
	{"GetEncryptedClientHelloKeys", RoleServer, func(c *tls.Config) bool { return c.GetEncryptedClientHelloKeys != nil }, echReason},

	{"ClientSessionCache", RoleClient, func(c *tls.Config) bool { return !c.SessionTicketsDisabled && c.ClientSessionCache != nil },
		"nobody but crypto/tls can make its ClientSessionState; use NewSessionCache"},
	{"Renegotiation", RoleClient, func(c *tls.Config) bool { return c.Renegotiation != tls.RenegotiateNever },
		"there is none"},
	{"EncryptedClientHelloConfigList", RoleClient, func(c *tls.Config) bool { return c.EncryptedClientHelloConfigList != nil }, echReason},
	{"EncryptedClientHelloRejectionVerify", RoleClient, func(c *tls.Config) bool { return c.EncryptedClientHelloRejectionVerify != nil }, echReason},
}

// Reasons that several fields have.
const (
	ticketKeysReason = "the tickets are not crypto/tls's, whose servers could not share them; use TicketKeys"
	echReason        = "Encrypted Client Hello is not supported"
)

// refuseFields returns an error that names each field of c that cannot be honoured.
func refuseFields(c *tls.Config, role Role) error {
	var refused []string
	for _, u := range unhonoured {
		if (u.in == 0 || u.in == role) && u.used(c) {
			refused = append(refused, fmt.Sprintf("%s (%s)", u.field, u.reason))
		}
	}
	if refused == nil {
		return nil
	}
	return fmt.Errorf("tlsconn: tls.Config for a %v: cannot honour %s", role, strings.Join(refused, ", "))
}

// generatedTicketKey begins the SessionTicketKey that crypto/tls writes into a
// Config that it has used, and does not use itself.
var generatedTicketKey = []byte("DEPRECATED")

// hasTicketKeys tells whether SetSessionTicketKeys has been called, of which a
// tls.Config says nothing but in an unexported field. c is a copy that nobody else
// has. A test fails if the field has another name one day.
func hasTicketKeys(c *tls.Config) bool {
	keys := reflect.ValueOf(c).Elem().FieldByName("sessionTicketKeys")
	return keys.Kind() == reflect.Slice && keys.Len() > 0
}

func isUnknownGroup(g tls.CurveID) bool { return !slices.Contains(allGroups, g) }

// groupsOf returns the groups of a set, in our order. Any empty set is nil, the default.
func groupsOf(set []tls.CurveID) (groups []tls.CurveID) {
	for _, g := range allGroups {
		if slices.Contains(set, g) {
			groups = append(groups, g)
		}
	}
	return groups
}

// isUnknownSuite tells whether crypto/tls has a suite that we do not have.
func isUnknownSuite(id uint16) bool {
	named := func(s *tls.CipherSuite) bool { return s.ID == id }
	return suiteByID(id) == nil && suite12ByID(id) == nil &&
		(slices.ContainsFunc(tls.CipherSuites(), named) || slices.ContainsFunc(tls.InsecureCipherSuites(), named))
}

// suites12Of returns the suites of TLS 1.2 in a set, in our order.
func suites12Of(set []uint16) (suites []uint16) {
	for _, s := range byHardware(allSuites12) {
		if slices.Contains(set, s.id) {
			suites = append(suites, s.id)
		}
	}
	return suites
}

func rawChain(certs []*x509.Certificate) [][]byte {
	raw := make([][]byte, len(certs))
	for i, cert := range certs {
		raw[i] = cert.Raw
	}
	return raw
}

// demandCertificate holds get to its contract: "GetClientCertificate must return a
// non-nil Certificate". Our own field may return nil, which means another thing.
func demandCertificate(get func(*tls.CertificateRequestInfo) (*tls.Certificate, error)) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		cert, err := get(request)
		if cert == nil && err == nil {
			err = errors.New("no Certificate, not even an empty one")
		}
		return cert, err
	}
}

// lockedKeyLog is a KeyLogWriter of crypto/tls's, which need not be safe for concurrent use:
// all of crypto/tls's writes hold one lock, whatever their writers and Configs.
type lockedKeyLog struct{ w io.Writer }

var keyLogLock sync.Mutex

func (k lockedKeyLog) Write(line []byte) (int, error) {
	keyLogLock.Lock()
	defer keyLogLock.Unlock()
	return k.w.Write(line)
}

// configsForClients is a GetConfigForClient and what it returned so far. It may be
// used by several goroutines at once.
type configsForClients struct {
	choose   func(*tls.ClientHelloInfo) (*tls.Config, error)
	original *tls.Config // that the callback belongs to
	parent   *Config     // what original was converted to
	verifies bool        // original has a VerifyPeerCertificate, which is parent's VerifyPeer

	mu sync.Mutex
	// converted has what was returned as its keys, which thereby stays alive: no other
	// can come to have the same pointer.
	converted map[*tls.Config]conversion
}

// conversion is the result of one.
type conversion struct {
	config *Config
	err    error
}

// inspect is an InspectClientHello.
func (c *configsForClients) inspect(hello *ClientHello, answer *Completion[*Config]) {
	config, err := c.configFor(hello.ClientHelloInfo)
	if err != nil {
		answer.Fail(failed(err, AlertInternalError, "GetConfigForClient"))
		return
	}
	answer.Complete(config)
}

// configFor returns the Config for a client; nil for the one that it has.
func (c *configsForClients) configFor(hello *tls.ClientHelloInfo) (*Config, error) {
	theirs, err := c.choose(hello)
	if err != nil || theirs == nil || theirs == c.original {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	found, ok := c.converted[theirs]
	if !ok {
		found = c.convert(theirs)
		for old := range c.converted {
			if len(c.converted) < maxConverted {
				break
			}
			delete(c.converted, old) // any: those still in use come back
		}
		c.converted[theirs] = found
	}
	return found.config, found.err
}

// convert converts what the callback returned.
func (c *configsForClients) convert(theirs *tls.Config) conversion {
	clone := theirs.Clone()
	clone.GetConfigForClient = nil // usually the very callback: it is not asked again
	config, err := fromTLS(theirs, clone, RoleServer)
	if err != nil {
		return conversion{err: err}
	}
	// crypto/tls shares the ticket keys too. A ticket is good only where the server_name,
	// the protocol and ClientAuth are the same, and the chain in it is verified again with
	// the Config at hand: it does not get over a trust policy (CVE-2025-68121).
	parent, err := c.parent.prepare()
	if err != nil {
		return conversion{err: err}
	}
	config.Tickets = parent.tickets
	config.TicketCount = c.parent.TicketCount
	config.TicketLifetime = c.parent.TicketLifetime
	config.SessionScope = c.parent.SessionScope
	config.SignatureSchemes = c.parent.SignatureSchemes
	config.MaxFragment = c.parent.MaxFragment
	config.MaxCertificateBytes = c.parent.MaxCertificateBytes
	config.ServerSessions = c.parent.ServerSessions
	config.TraceMessage = c.parent.TraceMessage
	if !c.verifies {
		config.VerifyPeer = bothVerify(c.parent.VerifyPeer, config.VerifyPeer)
	}
	config.VerifyPeerLater = c.parent.VerifyPeerLater
	config.ClientCertificateTypes = c.parent.ClientCertificateTypes
	config.VerifyRawPublicKey = c.parent.VerifyRawPublicKey
	return conversion{config: config}
}

// bothVerify returns a VerifyPeer that asks two, either of which may be nil.
func bothVerify(first, second func(*Peer) error) func(*Peer) error {
	switch {
	case first == nil:
		return second
	case second == nil:
		return first
	}
	return func(peer *Peer) error {
		if err := first(peer); err != nil {
			return err
		}
		return second(peer)
	}
}
