package tlsconn

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
)

// facts is what a handshake settled and a connection remembers.
type facts struct {
	suite        *suite
	group        tls.CurveID
	scheme       tls.SignatureScheme // of the server
	clientScheme tls.SignatureScheme
	ageSkew      int32 // of the ticket that was resumed with, in seconds
	retried      bool  // there was a HelloRetryRequest
	resumed      bool  // there was no full handshake, but a session
	complete     bool  // the handshake was completed
	serverName   string
	protocol     string
	peer         *Peer // nil without a peer certificate
}

// ConnectionState is what is known about a connection. It is a copy; what the
// slices point at is shared and must not be changed.
type ConnectionState struct {
	// Version is tls.VersionTLS12 or tls.VersionTLS13; 0 as long as it is not settled.
	Version uint16
	// HandshakeComplete says that Handshake has returned nil.
	HandshakeComplete bool
	// CipherSuite is the IANA number of the suite, such as tls.TLS_AES_128_GCM_SHA256.
	CipherSuite uint16
	// Group is the group of the key exchange; 0 if a session of TLS 1.2 was resumed, which has
	// none.
	Group tls.CurveID
	// DidResume says that the connection continues a session. PeerCertificates are then
	// those of the session's beginning.
	DidResume bool
	// TicketAgeSkew is by how much the age of the ticket as the client sees it is over
	// what a server that resumed knows (RFC 8446 8.3), to the second.
	TicketAgeSkew time.Duration
	// SignatureScheme is what the server signed the handshake with; 0 if it was resumed.
	SignatureScheme tls.SignatureScheme
	// ClientSignatureScheme is what a client that showed a certificate signed with.
	ClientSignatureScheme tls.SignatureScheme
	// HelloRetryRequest says that the client was asked for another key share.
	HelloRetryRequest bool
	// ServerName is the server_name that the client sent.
	ServerName string
	// NegotiatedProtocol is the application protocol (RFC 7301), empty for none.
	NegotiatedProtocol string
	// PeerCertificates is the peer's chain as it sent it, the leaf first; nil on a server
	// whose client showed none.
	PeerCertificates []*x509.Certificate
	// PeerRawPublicKey is what the client of a server showed instead, see Peer; else nil.
	PeerRawPublicKey crypto.PublicKey
	// VerifiedChains are the chains to a root that were found; nil if none was demanded.
	VerifiedChains [][]*x509.Certificate
	// OCSPResponse and SignedCertificateTimestamps are what came with the peer's leaf, as
	// it sent them.
	OCSPResponse                []byte
	SignedCertificateTimestamps [][]byte
}

// ConnectionState returns what is known at this point; within the handshake
// that is what has been settled so far.
func (c *Conn) ConnectionState() ConnectionState {
	f := &c.facts
	s := ConnectionState{
		HandshakeComplete:     f.complete,
		Group:                 f.group,
		DidResume:             f.resumed,
		TicketAgeSkew:         time.Duration(f.ageSkew) * time.Second,
		SignatureScheme:       f.scheme,
		ClientSignatureScheme: f.clientScheme,
		HelloRetryRequest:     f.retried,
		ServerName:            f.serverName,
		NegotiatedProtocol:    f.protocol,
	}
	if f.suite != nil {
		s.Version, s.CipherSuite = f.suite.version, f.suite.id
	}
	if f.peer != nil {
		s.PeerCertificates, s.VerifiedChains = f.peer.Certificates, f.peer.VerifiedChains
		s.PeerRawPublicKey = f.peer.RawPublicKey
		s.OCSPResponse, s.SignedCertificateTimestamps = f.peer.OCSPResponse, f.peer.SignedCertificateTimestamps
	}
	return s
}

// ExportKeyingMaterial returns length bytes of keying material bound to this
// connection (RFC 8446 7.5). label has at most 249 bytes.
func (c *Conn) ExportKeyingMaterial(label string, context []byte, length int) ([]byte, error) {
	switch {
	case c.closed:
		return nil, ErrClosed
	case c.err != nil:
		return nil, c.err
	case c.state != StateConnected:
		return nil, ErrHandshakeIncomplete
	case len(label) > keysched.MaxLabel:
		return nil, fmt.Errorf("tlsconn: exporter label has %d bytes, more than %d", len(label), keysched.MaxLabel)
	}
	d := c.ws.deriver(c.facts.suite.hash)
	if c.version() == tls.VersionTLS12 {
		return c.export12(d, label, context, length)
	}
	if length < 0 || length > d.MaxOutput() {
		return nil, fmt.Errorf("tlsconn: exporter cannot make %d bytes, only up to %d", length, d.MaxOutput())
	}
	out := make([]byte, length)
	d.Export(out, &c.exporter, label, context)
	return out, nil
}
