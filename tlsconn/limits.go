package tlsconn

import (
	"crypto/tls"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// Every limit of the engine, each with what it stops.
const (
	// maxHandshakeMessage bounds the body of a handshake message of a type that has
	// no limit of its own below: a peer that declares 2^24-1 bytes is refused before
	// any is stored (CVE-2016-6307). A HelloRetryRequest's cookie and a ticket may
	// have 2^16-1 bytes.
	maxHandshakeMessage = 1<<16 + 1<<10

	// maxClientHello bounds what anybody can make a server hold and parse. A hello
	// with several hybrid key shares and a ticket has under 8 KiB.
	maxClientHello = 32 << 10

	// maxCertificateMessage bounds the body of a Certificate message, whose chains are
	// longer; hours of parsing hide in an unbounded one (CVE-2018-16875).
	maxCertificateMessage = 256 << 10

	// maxSmallMessage bounds messages of a few fixed fields: Finished, KeyUpdate.
	maxSmallMessage = 64

	// maxPeerCertificates bounds the number of certificates that are parsed: path
	// building is worse than linear in it (CVE-2026-32280).
	maxPeerCertificates = 64

	// maxRSABits bounds the RSA keys whose signatures are checked: the time grows with
	// the cube of the size (CVE-2023-29409).
	maxRSABits = 8192

	// maxRawPublicKey bounds the SubjectPublicKeyInfo that a client may show instead of a
	// certificate (RFC 7250), before it is parsed: that of an RSA key of maxRSABits has
	// under 1.1 KiB.
	maxRawPublicKey = 2 << 10

	// maxKeyShares bounds the shares of a ClientHello, which are compared pairwise: more
	// than twice the groups that any client has.
	maxKeyShares = 32

	// maxServerName is the longest DNS name (RFC 1035 2.3.4): a longer server_name is
	// no name, and would only fill logs and tables.
	maxServerName = 255

	// maxProtocols bounds our own list of application protocols, encoded: a ClientHello
	// has to stay under maxClientHello.
	maxProtocols = 16 << 10

	// maxNotTLS bounds what an error keeps of a peer that does not speak TLS: enough
	// for a greeting, nothing to fill a log with.
	maxNotTLS = 128

	// maxEmptyRecords bounds consecutive application-data records without a byte,
	// which cost us an AEAD each and never get anywhere.
	maxEmptyRecords = 32

	// maxWarningAlerts bounds consecutive alerts that do not end the connection
	// (CVE-2016-8610).
	maxWarningAlerts = 4

	// maxChangeCipherSpec bounds the compatibility records (RFC 8446 D.4) of a
	// handshake, which are dropped unread.
	maxChangeCipherSpec = 32

	// maxKeyUpdates bounds consecutive KeyUpdates without application data between
	// them: each costs a key derivation and an answer (CVE-2026-32283).
	maxKeyUpdates = 32

	// maxNewSessionTickets bounds consecutive tickets without application data between
	// them, for the same reason.
	maxNewSessionTickets = 32

	// maxSkippedEarlyData bounds the 0-RTT data that a server which refused it drops
	// undecrypted (RFC 8446 4.2.10): records fail their check at our cost.
	maxSkippedEarlyData = 16 << 10

	// maxIdentities bounds the tickets of a ClientHello that are opened: each costs an AEAD
	// or a question to somebody else. Clients send one or two.
	maxIdentities = 4

	// maxTickets bounds the tickets after a handshake, each of which costs an AEAD and
	// some hundred bytes.
	maxTickets = 8

	// maxTicketLifetime is RFC 8446 4.6.1's: "Servers MUST NOT use any value greater than
	// 604800 seconds (7 days)". It bounds too for how long sessions are prolonged without a
	// full handshake.
	maxTicketLifetime = 7 * 24 * time.Hour

	// maxTicketState bounds the session state that a server puts into a ticket. The
	// ticket comes back in a ClientHello, of which maxClientHello has to leave room for
	// all else: a client given a larger one could not connect again. A peer with a long
	// chain gets no ticket.
	maxTicketState = 16 << 10

	// maxTicketCertificates bounds the certificates in a ticket, which are parsed and
	// verified again at each resumption.
	maxTicketCertificates = 16

	// maxOfferedTicket bounds the tickets that a client offers: all extensions of a ClientHello
	// have 2^16-1 bytes, of which maxProtocols may be taken. A server that gave a longer ticket
	// could not be connected to again.
	maxOfferedTicket = 32 << 10

	// maxClockStep is how far the clock may have gone back, as time servers make it do,
	// before a session from the future is not resumed: its age cannot be told.
	maxClockStep = time.Minute

	// defaultMinVersion is the lowest version that is spoken unless the user says otherwise, as in
	// crypto/tls, nginx and haproxy.
	defaultMinVersion = tls.VersionTLS12

	// minFragment is the least that a record's plaintext can be limited to (RFC 8449 4).
	minFragment = 63

	// maxNoProgress bounds consecutive (0, nil) results of a transport's Read before
	// io.ErrNoProgress, against a transport that breaks io.Reader's advice.
	maxNoProgress = 100

	// outputHighWater is the ciphertext that may wait for a peer that does not read;
	// beyond it Write and ReadFrom accept nothing. Four full records, so that bulk
	// goes out many records a system call. It counts headers and tags, which are a
	// quarter of it where records are as small as a peer may ask for (RFC 8449).
	outputHighWater = 4 * (maxRecord)

	// outputReserve is room beyond the high water for what the protocol itself has to
	// say (an alert, a KeyUpdate's answer, close_notify), so that data can never
	// crowd it out. Each kind is pending at most once.
	outputReserve = 512

	// defaultBudget bounds, for each Workspace and direction, the bytes held between
	// calls for records that have arrived in part or were not read, and for peers that
	// do not read: the memory that a crowd of slow ones can make us hold.
	defaultBudget = 256 << 20
)

// messageLimit is the limit on the body of a handshake message by its type.
func messageLimit(t wire.MessageType) int {
	switch t {
	case wire.TypeClientHello:
		return maxClientHello
	case wire.TypeCertificate:
		return maxCertificateMessage
	case wire.TypeFinished, wire.TypeKeyUpdate:
		return maxSmallMessage
	}
	return maxHandshakeMessage
}

// messageLimit is the same for a connection, whose Config may say less of Certificate.
func (c *Conn) messageLimit(t wire.MessageType) int {
	limit := messageLimit(t)
	if n := c.config.MaxCertificateBytes; t == wire.TypeCertificate && n > 0 {
		limit = min(limit, n)
	}
	return limit
}
