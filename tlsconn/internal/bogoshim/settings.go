package main

import (
	"crypto/tls"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// settingsSet is what the arguments ask for, for each kind of connection.
type settingsSet struct {
	initial settings // the first connection
	resume  settings // the later ones
	retry   settings // the second attempt on a connection whose 0-RTT data was rejected
}

// settings describe one connection. The zero value of a field is the runner's
// default, except where newSettings says otherwise.
type settings struct {
	// The process.
	port, shimID, resumeCount int
	resumptionDelay           int // seconds that pass after the connection
	ipv6                      bool

	// How the engine is driven.
	server, async, implicitHandshake bool

	// Versions: the lowest and the highest, and those taken out.
	minVersion, maxVersion         int
	noTLS1, noTLS11, noTLS12, no13 bool

	// What is negotiated.
	ciphers                            string
	curves, curveFlags                 []uint16
	keyShares, groupsHint              []uint16
	noKeyShares                        bool
	hostName                           string
	noServerNameAck                    bool
	advertiseALPN, selectALPN          string
	declineALPN, rejectALPN, emptyALPN bool
	allowUnknownALPN                   bool
	maxFragment, maxCertList           int
	fallbackSCSV, noLegacyServer       bool
	inspect, failInspection, failCert  bool
	requestOCSP, requestSCTs, grease   bool // grease: two options of BoringSSL's

	// Whom to be: a credential of its own, and a list that is tried before it.
	credential  credential
	credentials []credential

	// Whom to trust.
	trustCert                               string
	verifyPeer, verifyFail, requireAnyCert  bool
	customVerify, expectVerifyRes, reverify bool
	verifyPrefs                             []uint16
	clientCAs                               [][]byte

	// The certificate types that a client can show, and those that are taken of the peer.
	availableTypes, acceptedTypes []uint16

	// Sessions.
	ticketKey            []byte
	noTicket, skipTicket bool

	// What to do once connected.
	exportLength                       int
	exportLabel, exportContext         string
	useContext                         bool // an empty one is not the same as none in TLS 1.2 (RFC 5705 4)
	exportTrafficSecrets               bool
	shimWritesFirst, shimShutsDown     bool
	initialWrite                       string
	repeatInitialWrite, readSize       int
	unfinishedWrite, peekThenRead      bool
	keyUpdate, keyUpdateBeforeRead     bool
	checkCloseNotify, sendAlert        bool
	noOpExtraHandshake, handshakeTwice bool
	exporterBetweenReads               bool
	differentSizes                     bool

	// What to expect.
	expectVersion, expectCurve, expectScheme        int
	expectCipher, expectCipherAES, expectCipherSoft int
	expectHRR, expectNoHRR                          bool
	expectExtendedMasterSecret, expectReneg         bool
	expectServerName, expectALPN                    string
	expectNoServerName                              bool
	expectAdvertisedALPN                            string
	expectPeerVerifyPrefs                           []uint16
	expectPeerCertFile                              string
	expectNoPeerCert                                bool
	expectPeerType                                  *int
	expectPeerKey                                   []byte
	expectSelectedCredential                        *int
	expectClientCAs                                 [][]byte
	expectCertificateTypes                          []byte
	expectOCSP                                      []byte
	expectSCTs                                      [][]byte
	expectSessionMiss, expectNoSession              bool
	expectSessionID, expectNoSessionID              bool
	expectTicketAgeSkew                             int
	expectEarlyDataReason, expectMessages           string
}

func newSettings() settings {
	return settings{
		initialWrite:       "hello",
		repeatInitialWrite: 1,
		readSize:           512, // so that a record takes several reads
	}
}

// defaultCurves are the groups that the runner assumes without -curves.
var defaultCurves = []uint16{
	uint16(tls.X25519MLKEM768), uint16(tls.X25519), uint16(tls.CurveP256), uint16(tls.CurveP384),
}

// groups are the groups to enable, most preferred first.
func (s *settings) groups() []uint16 {
	if s.curves == nil {
		return defaultCurves
	}
	return s.curves
}

// current returns the credential that the credential flags apply to: the last
// of the list, else the default one.
func (s *settings) current() *credential {
	if n := len(s.credentials); n > 0 {
		return &s.credentials[n-1]
	}
	return &s.credential
}

func (s *settings) role() tlsconn.Role {
	if s.server {
		return tlsconn.RoleServer
	}
	return tlsconn.RoleClient
}

// allows tells whether the test leaves version enabled. The runner assumes that
// all of TLS 1.0 to 1.3 are unless it says otherwise.
func (s *settings) allows(version int) bool {
	switch {
	case s.minVersion != 0 && version < s.minVersion, s.maxVersion != 0 && version > s.maxVersion:
		return false
	case version == tls.VersionTLS10:
		return !s.noTLS1
	case version == tls.VersionTLS11:
		return !s.noTLS11
	case version == tls.VersionTLS12:
		return !s.noTLS12
	case version == tls.VersionTLS13:
		return !s.no13
	}
	return false
}

// allowsNothing tells whether the test leaves no version enabled.
func (s *settings) allowsNothing() bool {
	return !s.allows(tls.VersionTLS10) && !s.allows(tls.VersionTLS11) && !s.allows(tls.VersionTLS12) && !s.allows(tls.VersionTLS13)
}
