package tlsconn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"sync"
	"time"
)

// Config configures connections, in the standard library's types, so that
// autocert, certmagic and SPIFFE helpers plug in. One Config may serve any
// number of connections on any number of goroutines; after its first use it
// must not be changed (a reload makes a new one and swaps the pointer).
//
// Callbacks run on the goroutine that called the connection's verb, which on an
// event loop is everybody's: they must not block.
type Config struct {
	// InspectClientHello, if not nil, is asked by a server about each ClientHello (the
	// first one, if there is a HelloRetryRequest) before anything is settled. A Config
	// that it answers with takes the place of this one for the connection, and so
	// chooses certificates, client-certificate policy, protocols and the scope of
	// tickets together; nil keeps this one. A Config is prepared at its first use, which
	// parses its certificates: answer with the same ones, not with a new one for each
	// client. A failure sends handshake_failure. The ClientHello is the callee's to keep.
	InspectClientHello func(hello *ClientHello, answer *Completion[*Config])

	// Certificates are what a server, or a client that is asked, shows, with their
	// private keys (any crypto.Signer or AsyncSigner of an ECDSA P-256, P-384 or P-521,
	// RSA or Ed25519 key). A server takes the first whose names match the client's
	// server_name and whose key can make a signature that the client accepts; when no
	// name matches, the first that the client accepts. A client takes the first that the
	// server accepts; among those the ones come first that an authority issued which
	// the peer names in certificate_authorities. SupportedSignatureAlgorithms, if not nil,
	// are what the key is used for, the most preferred first. OCSPStaple and
	// SignedCertificateTimestamps go to peers that ask for them.
	Certificates []tls.Certificate

	// IssuerBound are tried before Certificates, but only for peers that name one of
	// their issuers in certificate_authorities.
	IssuerBound []tls.Certificate

	// ChooseCertificate, if not nil, is asked by a server for its certificate, before
	// GetCertificate and Certificates, which are asked if it answers with nil. A failure
	// sends internal_error. The ClientHello is the callee's to keep.
	ChooseCertificate func(hello *ClientHello, answer *Completion[*tls.Certificate])

	// GetCertificate is the same in the standard library's form; it has to answer at
	// once. The ClientHelloInfo and what it points at are the callee's to keep. Its
	// Context is nil, and its Conn is a stub that only has addresses.
	GetCertificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)

	// ChooseClientCertificate, if not nil, is asked by a client whose server requests a
	// certificate, before GetClientCertificate and Certificates, which are asked if it
	// answers with nil. A certificate without any Certificate in it shows none. A failure
	// sends internal_error. The CertificateRequest is the callee's to keep.
	ChooseClientCertificate func(request *CertificateRequest, answer *Completion[*tls.Certificate])

	// GetClientCertificate is the same in the standard library's form; it has to answer
	// at once.
	GetClientCertificate func(*tls.CertificateRequestInfo) (*tls.Certificate, error)

	// ClientCertificateTypes are the forms in which a client offers to show who it is, and
	// in which a server takes that, most preferred first (RFC 7250). A server wants the
	// first of its own that the client offers, and refuses a client that offers none of
	// them with unsupported_certificate. Nil means CertificateX509 alone, which is what
	// peers want and have that do not know the others. Servers show certificates, always.
	ClientCertificateTypes []CertificateType

	// RawPublicKeys are what a client shows to a server that wants a
	// CertificateRawPublicKey: the public halves of the PrivateKeys, which are as in
	// Certificates. SupportedSignatureAlgorithms count as they do there; there must not be a
	// Certificate. The first one that the server accepts is taken.
	RawPublicKeys []tls.Certificate

	// ChooseRawPublicKey, if not nil, is asked for that key before RawPublicKeys, which
	// are taken if it answers with nil. The zero tls.Certificate shows none. A failure sends
	// internal_error. The CertificateRequest is the callee's to keep.
	ChooseRawPublicKey func(request *CertificateRequest, answer *Completion[*tls.Certificate])

	// VerifyRawPublicKey says whether a server knows the Peer's RawPublicKey, now and when
	// a session is resumed: nobody else does, as nobody has issued it. A server that takes
	// CertificateRawPublicKey needs it. It is asked whatever ClientAuth says of those that
	// show something, which is all that stands between a key of anybody's and the
	// application; VerifyPeer and VerifyPeerLater, which are for certificates, are not. A
	// failure is as theirs. That the client has the private key is checked all the same.
	VerifyRawPublicKey func(peer *Peer, answer *Completion[struct{}])

	// ClientAuth is a server's policy for certificates of clients, and for their raw public
	// keys; by default none is requested.
	ClientAuth tls.ClientAuthType

	// ClientCAs are the roots that a server trusts to issue certificates of clients.
	// tls.VerifyClientCertIfGiven and tls.RequireAndVerifyClientCert need it: unlike in
	// crypto/tls, none does not mean the system's roots, to which any owner of a domain
	// gets a certificate; whoever wants those says x509.SystemCertPool. Only a server that
	// takes no CertificateX509 does without.
	ClientCAs *x509.CertPool

	// ClientCANames are the names (DER-encoded distinguished names) that a server sends
	// as certificate_authorities. Nil means the subjects of ClientCAs.
	ClientCANames [][]byte

	// RootCAs are the roots that a client trusts; nil means the system's.
	RootCAs *x509.CertPool

	// ServerName is the name that a client sends as server_name (unless it is an IP
	// address, RFC 6066 3) and demands of the server's certificate. A client must set
	// it or InsecureSkipVerify.
	ServerName string

	// InsecureSkipVerify makes a client accept any certificate for any name. The
	// server's proof that it holds the key is checked all the same. For tests, or
	// with VerifyPeer.
	InsecureSkipVerify bool

	// VerifyPeer, if not nil, is called after our own verification (or in its place,
	// with InsecureSkipVerify or a ClientAuth that does not verify) of a peer that showed
	// a certificate, now or when the session began that is being resumed. An error that
	// is a *LocalAlertError chooses its alert; any other sends bad_certificate. When a
	// server resumes, an error makes the handshake a full one instead. It may run on
	// another goroutine than the Conn's, see WorkspaceConfig.Offload.
	VerifyPeer func(peer *Peer) error

	// VerifyPeerLater is the same, after VerifyPeer, for who cannot answer at once.
	VerifyPeerLater func(peer *Peer, answer *Completion[struct{}])

	// SignatureSchemes are what a peer may sign with, most preferred first. Nil means all
	// that are supported.
	SignatureSchemes []tls.SignatureScheme

	// FallbackSCSV makes a client say that it tries again with less than it can, as after
	// a failure it takes for a peer's intolerance (RFC 7507): a server that can do more
	// refuses it with inappropriate_fallback, since somebody in between may have brought
	// about the failure.
	FallbackSCSV bool

	// Grease makes each ClientHello of a client look different, as Chrome's do: with values
	// that are reserved for nobody among suites, groups, key shares, versions, signature
	// schemes and extensions (RFC 8701), and with the extensions in random order. Servers,
	// and what is between, that cannot stand what they do not know are noticed then before
	// something new comes, and fail, which is why this has to be asked for.
	Grease bool

	// MaxFragment bounds the plaintext bytes of the records that we send, as a peer's
	// record_size_limit does (RFC 8449). Zero means 16384, the most there can be; less than
	// 63 or more than 16384 is refused.
	MaxFragment int

	// MaxCertificateBytes bounds the body of the Certificate message that a peer may send.
	// Zero means 256 KiB, the most there can be.
	MaxCertificateBytes int

	// RequestOCSP and RequestSCTs make a client ask for an OCSP response and for signed
	// certificate timestamps beside the server's certificate; they show in Peer and in
	// ConnectionState, and nobody here verifies them.
	RequestOCSP, RequestSCTs bool

	// Sessions, if not nil, keeps a client's sessions, which later connections resume. A
	// session is found by SessionKey. To the server a resumed connection is of the client
	// that began the session, so none is resumed after a change of Certificates,
	// IssuerBound or RawPublicKeys; Configs whose callbacks show different certificates or
	// keys have to differ in SessionKey or SessionScope.
	Sessions SessionCache

	// SessionKey names the server in Sessions. Empty means ServerName; without either
	// nothing is resumed.
	SessionKey string

	// Tickets protects a server's session tickets. Nil means keys of the Config's own,
	// which change every day and die with the process.
	Tickets TicketProtector

	// SessionTicketsDisabled makes a server neither issue tickets nor accept them.
	SessionTicketsDisabled bool

	// ServerSessions, if not nil, keeps a server's sessions of TLS 1.2 for clients that know
	// no tickets, or all if those are disabled: such a client is given a session id, and
	// resumes with it. Nil means that there are no ids. TLS 1.3 has tickets only. Share it
	// between a Config and the one that replaces it.
	ServerSessions SessionStore

	// TicketCount is the number of tickets that a server issues after a handshake of TLS 1.3.
	// Zero means one; more than 8 is refused. TLS 1.2 has one.
	TicketCount int

	// TicketLifetime is how long a server's ticket, or session in ServerSessions, may be used.
	// Zero means a day; more than the seven days of RFC 8446 4.6.1 is refused.
	//
	// Who resumes with a ticket gets a new one: under the key of today, and not to be told
	// by the old one that was seen on the wire (RFC 8446 C.4). In TLS 1.3 that prolongs the
	// session, for up to seven days after the full handshake. In TLS 1.2, whose resumption
	// has no key exchange of its own, it does not: as in crypto/tls and OpenSSL all tickets of
	// a session end TicketLifetime after the full handshake (RFC 5246 F.1.4).
	TicketLifetime time.Duration

	// SessionScope is what tickets and sessions are bound to beside the server_name, the
	// application protocol and ClientAuth: they are good only where SessionScope is the same.
	// Servers that share ticket keys or ServerSessions and differ in whom they let in, or
	// as whom they speak, differ here.
	SessionScope string

	// NextProtos are the application protocols (RFC 7301), most preferred first. A
	// server that has some and shares none with a client that offers some refuses
	// it with no_application_protocol.
	NextProtos []string

	// AllowUnknownProtocol makes a client accept a protocol that it did not offer, which
	// RFC 7301 3.1 leaves no server. NegotiatedProtocol is then of the server's choice.
	AllowUnknownProtocol bool

	// AllowMissingRenegotiationInfo makes a client accept a server of TLS 1.2 that does not
	// say, by renegotiation_info (RFC 5746), that it protects its renegotiations; it is
	// OpenSSL's SSL_OP_LEGACY_SERVER_CONNECT. We never renegotiate, but such a server may
	// take our first handshake for a renegotiation of an attacker's connection, and what
	// the attacker has sent for the beginning of what we send (CVE-2009-3555), and nothing
	// that we see tells (RFC 5746 4.1). So it is refused by default, as by OpenSSL 3, and
	// unlike by crypto/tls: of the servers that know the suites spoken here few are so
	// old, and who needs one of them learns of it by the error.
	AllowMissingRenegotiationInfo bool

	// MinVersion and MaxVersion are the lowest and the highest version to speak,
	// tls.VersionTLS12 or tls.VersionTLS13. Zero means these two. TLS 1.2 is spoken with
	// ephemeral elliptic-curve keys and AEADs alone.
	MinVersion, MaxVersion uint16

	// CipherSuites are the enabled suites, most preferred first, by their IANA numbers
	// (tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 and their
	// kin). Nil means all, AES first where both machines have AES in hardware; so does a
	// list for a version of which it has no suite.
	CipherSuites []uint16

	// CurvePreferences are the enabled groups, most preferred first. Nil means
	// X25519MLKEM768, X25519, P-256, P-384, P-521.
	CurvePreferences []tls.CurveID

	// KeyShares are the groups that a client sends a key share of, all of them enabled.
	// Nil means the most preferred group, and X25519 too if that is enabled and the first
	// is its hybrid; an empty list leaves the choice to the server, for a round trip.
	KeyShares []tls.CurveID

	// KeyLogWriter, if not nil, receives the secrets of every connection in the NSS
	// key log format, a line a Write. It ruins the security of all of them: for
	// debugging only. It must be safe for concurrent use if the Config is used so.
	KeyLogWriter io.Writer

	// TraceMessage, if not nil, is told of each handshake message, alert and
	// change_cipher_spec of a connection, those of TLS 1.3 that mean nothing included, in
	// the order in which they are sent (handed to the record layer, that is; the transport
	// may take them later) and received (whole, and opened), after the handshake too, as
	// SSL_CTX_set_msg_callback(3) gives it. A message that does not belong where it comes is
	// refused by its header, and only the error tells of it. It runs within the verbs of
	// the Conn and must not use it but for ConnectionState and State. It is the Config's
	// and not, like SetTrace, the Conn's, which would have to keep it for its whole life.
	TraceMessage func(c *Conn, m TracedMessage)

	// Time tells the current time, to check validity of certificates. Nil means
	// time.Now.
	Time func() time.Time

	// suitesUnordered takes CipherSuites for a set, whose order is no wish: FromTLS's.
	suitesUnordered bool

	// issuersBind makes a client keep what it has from a server that names authorities, none
	// of which issued it: FromTLS's, as crypto/tls does.
	issuersBind bool

	once     sync.Once
	prepared prepared
	invalid  error // why the Config cannot be used, found at first use
}

// prepare derives what connections share, at the first use.
func (cfg *Config) prepare() (*prepared, error) {
	if cfg == nil {
		return nil, errors.New("tlsconn: config: nil")
	}
	cfg.once.Do(func() { cfg.invalid = cfg.derive() })
	return &cfg.prepared, cfg.invalid
}

// Validate reports what would keep connections from using the Config for
// role, so that a program can refuse a bad configuration at start. It counts as
// the first use.
func (cfg *Config) Validate(role Role) error {
	p, err := cfg.prepare()
	if err != nil {
		return err
	}
	switch role {
	case RoleServer:
		if len(p.certificates) == 0 && cfg.GetCertificate == nil && cfg.ChooseCertificate == nil && cfg.InspectClientHello == nil {
			return errors.New("tlsconn: config: a server needs Certificates, GetCertificate or ChooseCertificate")
		}
		if cfg.ClientAuth >= tls.VerifyClientCertIfGiven && cfg.ClientCAs == nil && p.takes(CertificateX509) {
			return errors.New("tlsconn: config: ClientAuth verifies clients, but there are no ClientCAs to verify them with")
		}
		if p.takes(CertificateRawPublicKey) && cfg.VerifyRawPublicKey == nil {
			return errors.New("tlsconn: config: a server that takes raw public keys needs VerifyRawPublicKey")
		}
	case RoleClient:
		if p.serverName == "" && !cfg.InsecureSkipVerify {
			return errors.New("tlsconn: config: a client needs ServerName or InsecureSkipVerify")
		}
		if p.takes(CertificateRawPublicKey) && len(p.rawKeys) == 0 && cfg.ChooseRawPublicKey == nil {
			return errors.New("tlsconn: config: a client that offers a raw public key needs RawPublicKeys or ChooseRawPublicKey")
		}
	}
	return nil
}
