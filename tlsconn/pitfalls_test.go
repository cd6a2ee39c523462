package tlsconn

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"math/big"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// pitfall is a class of mistakes of other TLS stacks, terminators and event loops,
// and where it is kept out here.
type pitfall struct {
	class string
	tests []string // by name, with the folder in front if it is not this one
	why   string   // it cannot apply, as far as tests do not show it
}

// denials are what a peer can do to a server that is careless with its resources.
var denials = []pitfall{
	{"slow handshake (go#36255, CVE-2026-22045)", []string{
		"reactor.TestSlowHandshakeDiesAtItsDeadline", "reactor.TestSlowServerDiesAtTheDeadline",
		"cmd/tlsreactor.TestSlowHandshakesEndAtTheirDeadlineBesideThoseThatAreUp",
	}, ""},
	{"idle connect", []string{"reactor.TestSlowHandshakeDiesAtItsDeadline", "reactor.TestInterestOf"}, ""},
	{"deadline on every path (CVE-2024-28869)", []string{
		"cmd/tlsreactor.TestAHandshakeThatNeverComesEndsAtItsDeadline", "cmd/tlsreactor.TestAnIdleConnectionEndsAtItsDeadline",
		"cmd/tlsreactor.TestAnIdleTunnelIsNoCleanEnd", "cmd/tlsreactor.TestABackendThatHangsIsGivenUp", "cmd/tlsreactor.TestTheDrainHasADeadline",
		"reactor.TestConnectTimeout", "reactor.TestLingeringIsBounded", "reactor.TestShutdownKeepsItsDeadline",
	}, "there is no STARTTLS, no PROXY preface, no ACME, no passthrough and no admin port"},
	{"handshake storm (netty#7020)", []string{
		"reactor.TestEstablishedConnectionsComeBeforeHandshakes", "reactor.TestMaxHandshakesPausesAccepting",
		"reactor.TestAnswersAreServedWithinTheBudgetOfHandshakes", "bench.TestTheStormHasTheSlowerServersRate",
	}, ""},
	{"failed-handshake storm (tempesta#1054)", []string{"TestFailedHandshakeStorm", "reactor.TestGarbageGetsAnAlertAndIsNotHeldOpen"}, ""},
	{"renegotiation (CVE-2009-3555, CVE-2011-1473)", []string{
		"TestRenegotiationIsRefused", "TestRenegotiationLosesNothing", "TestWrongMessageMatrix", "TestWarningsOfTLS12AreCounted", "TestFromTLSRefusesWhatItCannotHonour",
	}, "nothing renegotiates: the first attempt ends a connection, and there is none to count"},
	{"KeyUpdate flood (CVE-2026-56862, CVE-2026-32283)", []string{
		"TestRecordsWithoutProgress", "TestKeyUpdateFloodOfAPeerThatDoesNotRead", "TestKeyUpdateAnswersDoNotPileUp",
		"TestKeyUpdatesPackedIntoOneRecord",
	}, ""},
	{"empty-record flood", []string{"TestRecordsWithoutProgress", "TestRecordsWithoutProgressInTLS12", "TestReadIntoSlicesOfAnySize"}, ""},
	{"warning-alert flood (CVE-2016-8610)", []string{"TestRecordsWithoutProgress", "TestRecordsWithoutProgressInTLS12", "TestWarningsOfTLS12AreCounted"}, ""},
	{"change_cipher_spec flood", []string{"TestRecordsWithoutProgress", "TestGoodRecords", "TestChangeCipherSpecOutOfPlaceInTLS12"}, ""},
	{"tiny-record flood", []string{"reactor.TestOneConnectionDoesNotHoldTheLoop"}, ""},
	{"tiny handshake fragments (CVE-2026-32305)", []string{
		"TestTinyHandshakeFragments", "TestSplitMatrix", "tlsconn/internal/record.TestAMessageInOneByteRecordsIsCopiedInLinearWork",
	}, ""},
	{"oversize declared length (CVE-2016-6307, CVE-2016-6308)", []string{
		"TestDeclaredLengthAllocatesNothing", "TestOversizedMessagesAreRefusedByTheirHeader", "TestOversizedMessagesOfTLS12AreRefusedByTheirHeader",
		"tlsconn/internal/record.TestALengthOverTheLimitIsRefusedBeforeMemoryIsSpent", "tlsconn/internal/record.TestMemoryGrowsWithWhatArrivedNotWithWhatWasDeclared",
	}, ""},
	{"compressed-certificate bomb (CVE-2025-66199)", []string{"TestClientOffersNothingThatItCannotDo", "TestServerAsksForACertificate", "TestWrongMessageMatrix"},
		"compress_certificate is not offered, and a compressed_certificate is unexpected"},
	{"huge client cert chain (CVE-2023-29409, CVE-2018-16875, CVE-2026-32280)", []string{
		"TestHugeChainsOfClients", "TestHugeChains", "TestHugeChainsInTLS12", "TestHugeRSAKeys", "TestMaxCertificateBytesOfAPeer", "TestVerificationSuspendsTheClient",
		"reactor.TestWorkersQueueIsBounded",
	}, ""},
	{"skipped early data", []string{"TestEarlyDataIsSkippedWithinALimit", "TestEarlyDataBeforeTheSecondHello"}, ""},
	{"memory amplification, read side (envoy#6617)", []string{
		"TestReadBufferDoesNotGrowWithWhatArrived", "TestPartialRecordIsHeldInTheSmallestClass", "TestInputBudgetOfManyConnections",
		"TestInputBudgetCountsPartialMessages",
	}, ""},
	{"memory amplification, write side (meow-rs#42)", []string{
		"TestOutputForAPeerThatNeverReads", "TestOutputBudget", "reactor.TestPeerThatNeverReads", "cmd/tlsreactor.TestASideThatDoesNotReadHoldsTheOtherBack",
	}, ""},
	{"session cache growth (CVE-2024-2511)", []string{
		"TestASessionCacheIsBoundedInBytes", "TestRandomKeysKeepASessionCacheFlat", "TestTheCapacityOfASessionCache",
	}, "a server keeps no sessions, its tickets do"},
	{"ticket-issue cost (poco#5417)", []string{"TestTicketsOfAServer", "TestOrderOfOperationsOfTLS12", "TestServerIssuesNoTicketsThatCannotBeUsed", "TestConfigErrorsNameTheField"}, ""},
	{"SNI-keyed caches (envoy#47350)", []string{"TestRandomServerNamesLeaveNothingBehind", "TestLimitsOfAClientHello"}, ""},
	{"descriptors exhausted", []string{"reactor.TestOutOfDescriptorsNeitherSpinsNorKillsTheLoop", "cmd/tlsreactor.TestOutOfDescriptorsItRestsAndRecovers"}, ""},
	{"half-open backends (hive#3872)", []string{
		"reactor.TestConnectTimeout", "reactor.TestCloseWhileDialing", "reactor.TestDialThatFails", "cmd/tlsreactor.TestABackendThatHangsIsGivenUp",
		"cmd/tlsreactor.TestABackendThatRefusesIsLoggedAndNoCleanEnd", "reactor.TestMain",
	}, ""},
}

// protocolMistakes are what other state machines got wrong.
var protocolMistakes = []pitfall{
	{"messages spanning a key change (CVE-2025-61730)", []string{
		"TestMessagesMustNotSpanKeyChanges", "TestMessagesMustNotSpanFlightsOfTLS12", "TestFinishedAndChangeCipherSpecOfTLS12",
	}, ""},
	{"change_cipher_spec out of place (CVE-2014-0224)", []string{
		"TestChangeCipherSpecOutOfPlaceInTLS12", "TestProtectedChangeCipherSpecInTLS12", "TestRecordsWithinAHandshakeMessageOfTLS12",
		"TestFinishedAndChangeCipherSpecOfTLS12", "TestMessagesDuringAPendingSignatureOfTLS12",
	}, ""},
	{"the same master secret on two connections (CVE-2014-1295, RFC 7627)", []string{
		"TestMasterSecrets", "TestServerResumesByExtendedMasterSecret", "TestClientResumesByExtendedMasterSecret",
	}, ""},
	{"data before Finished are taken for the peer's", []string{"TestApplicationDataBeforeFinishedInTLS12", "TestBadRecords"}, ""},
	{"close_notify in the middle of a handshake (CVE-2024-32650)", []string{"TestAlertsInEachState", "TestAlertsInEachStateOfTLS12", "TestAnswerAfterAnAlertOfThePeer"}, ""},
	{"unexpected, skipped, duplicated message (SMACK, FREAK)", []string{
		"TestLegalOrders", "TestWrongMessageMatrix", "TestRepeatedMessages", "TestStatesAcceptWhatTheirOrdersSay",
	}, ""},
	{"large messages (CVE-2022-41724)", []string{
		"TestLimitsOfAClientHello", "TestOversizedMessagesAreRefusedByTheirHeader", "TestHelloThatCannotBeEncodedFails",
		"TestClientDoesNotOfferATicket", "tlsconn/internal/wire.TestTheLongestMessagesAreEncodedAndDecoded",
		"tlsconn/internal/wire.TestAMessageThatCannotBeEncodedAppendsNothingAndSaysWhy",
	}, ""},
	{"record too long, of a wrong version, empty", []string{"TestBadRecords", "TestRecordsThatNobodyMaySend12", "TestLengthsOfRecords12", "TestReadNeverShowsWhatIsNotData"}, ""},
	{"downgrade (s2n ch10)", []string{
		"TestClientRefusesAServerHello", "TestClientRefusesAHelloRetryRequest", "TestServerRefusesASecondClientHello", "TestConfigSwappedBehindAClientHello",
		"TestClientOfTLS12RefusesServerHello", "TestFlowsOfTLS12", "TestConfigSwappedBehindAClientHelloChoosesTheVersion",
	}, ""},
	{"ALPN mismatch, duplicate extensions, empty lists, and what errors echo (CVE-2025-58189)", []string{
		"TestServerRefusesAClientHello", "TestClientRefusesEncryptedExtensions", "TestErrorsDoNotEchoThePeer", "TestFlowsOfTLS12",
		"tlsconn/internal/wire.TestMalformedMessagesAreRefused", "cmd/tlsreactor.TestANameCannotForgeALine",
	}, ""},
	{"ECH (CVE-2026-42505)", []string{"TestClientOffersNothingThatItCannotDo", "TestServerAcceptsASecondClientHello", "TestFromTLSRefusesWhatItCannotHonour"},
		"encrypted_client_hello is not offered, and ignored by a server as any extension that it does not know"},
	{"AEAD limits (rustls 0.23.11)", []string{"TestOwnKeyUpdateBeforeTheLimitOfTheAEAD", "TestBadRecords", "tlsconn/internal/record.TestUseLimits"}, "TLS 1.2 cannot change its keys: the sequence number ends them"},
	{"RSA key exchange, CBC (ROBOT, Lucky13)", []string{"TestSuitesHaveForwardSecrecyAndAnAEAD"}, "there is neither"},
	{"TLS 1.3 tickets to a peer that never reads (openssl#6904, openssl#7948)", []string{
		"TestPeerThatWritesAndClosesIsReadToTheEnd", "TestPeerThatIsGoneWhenTheHandshakeCompletes", "reactor.TestFailedOutputDoesNotLoseInput",
	}, ""},
	{"close with unread input (traefik#10598)", []string{"reactor.TestCloseWithUnreadInputDoesNotDestroyTheAnswer", "reactor.TestLingeringIsBounded"}, ""},
	{"truncation (openssl#11378)", []string{
		"TestTransportsThatEndAnywhere",
		"reactor.TestTruncationIsNotAnEnd", "reactor.TestResetReachesThePeerAsReset", "cmd/tlsreactor.TestATruncatedClientIsNotTheEndToTheBackend",
		"cmd/tlsreactor.TestABackendsResetReachesTheClient", "cmd/tlsreactor.TestAClientsResetReachesTheBackend",
		"cmd/tlsreactor.TestADownloadThatTheBackendCutsOffIsNoCleanEnd",
	}, ""},
}

// Every class has a test, by a name that there is, or a reason.
func TestPitfallsHaveTests(t *testing.T) {
	known := testsOf(t, "..")
	if len(known) < 100 {
		t.Fatalf("only %d tests were found", len(known))
	}
	for _, p := range slices.Concat(denials, protocolMistakes) {
		if len(p.tests) == 0 && p.why == "" {
			t.Errorf("%s: neither a test nor a reason", p.class)
		}
		for _, name := range p.tests {
			if !strings.Contains(name, ".") {
				name = "tlsconn." + name
			}
			if !known[name] {
				t.Errorf("%s: there is no %s", p.class, name)
			}
		}
	}
}

// testsOf are the tests in all folders under root, as "folder.TestName".
func testsOf(t *testing.T, root string) map[string]bool {
	t.Helper()
	known := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Test") {
				known[filepath.ToSlash(folder)+"."+f.Name.Name] = true
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// Updates packed into one record count one by one, and so do those that come in
// many: the receiving keys change at each, so that none may be followed in its record.
func TestKeyUpdatesPackedIntoOneRecord(t *testing.T) {
	for _, s := range connectedStages {
		p := s.puppet(t)
		message := (&wire.KeyUpdate{RequestUpdate: true}).Append(nil)
		p.tail = slices.Concat(message, message, message)
		p.keyUpdate(true)
		if p.drive(); p.conn.State() != StateFailed {
			t.Fatalf("%v: %v", s, p.err)
		}
		wantAlert(t, s.String(), p.err, AlertUnexpectedMessage)
		if n := len(p.tr.out.bytes) - p.seen; n > 200 {
			t.Fatalf("%v: answers with %d bytes", s, n)
		}
	}
}

// What a server verifies of anybody is bounded in number, in bytes and in the size of
// keys, before it is stored or verified.
func TestHugeChainsOfClients(t *testing.T) {
	ca := newTestCA(t)
	n := new(big.Int).Lsh(big.NewInt(1), maxRSABits)
	huge, err := x509.CreateCertificate(rand.Reader, ca.cert, ca.cert, &rsa.PublicKey{N: n.SetBit(n, 0, 1), E: 65537}, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*wire.Certificate)
		alert  Alert
		text   string
	}{
		{"certificates", func(m *wire.Certificate) {
			for range maxPeerCertificates {
				m.Entries = append(m.Entries, m.Entries[0])
			}
		}, AlertBadCertificate, fmt.Sprint("more than ", maxPeerCertificates)},
		{"a key", func(m *wire.Certificate) { m.Entries[0].Data = huge }, AlertBadCertificate, "8193 bits"},
		{"an issuer's key", func(m *wire.Certificate) {
			m.Entries = append(m.Entries, wire.CertificateEntry{Data: huge})
		}, AlertBadCertificate, "8193 bits"},
		{"bytes", func(m *wire.Certificate) { m.Entries[0].Data = make([]byte, maxCertificateMessage) }, AlertIllegalParameter, "is over"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := serverAwaitingCertificate(t)
			p.certificate(c.change)
			p.wantAlert(c.alert, c.text)
		})
	}
}

// No table of a Workspace or Config grows with the names that clients make up.
func TestRandomServerNamesLeaveNothingBehind(t *testing.T) {
	config := serverFor(newTestCA(t).issue(t, keyEd25519, "example.org"))
	config.CurvePreferences = []tls.CurveID{tls.X25519}
	ws := NewWorkspace(WorkspaceConfig{CachedKeys: 4})
	held := func(from, n int) uint64 {
		for i := range n {
			p := newPuppetFor(t, ws, RoleClient, config, tls.Certificate{})
			p.clientHello(func(m *wire.ClientHello) { m.ServerName = fmt.Appendf(nil, "%0200d.example.org", from+i) })
			p.finishServer(t)
			if err := p.conn.Close(); err != nil {
				t.Fatal(err)
			}
		}
		var stats runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&stats)
		return stats.HeapAlloc
	}
	held(0, 50) // what is made once
	const n = 300
	before := held(50, 10)
	if after := held(60, n); after > before+n*100 { // a name has over 200 bytes
		t.Errorf("%d bytes are held more after %d names", after-before, n)
	}
}

// A Config that takes the place of another for a client (InspectClientHello) counts
// from the first selection on, is not asked for again, and is the one that the second
// hello meets.
func TestConfigSwappedBehindAClientHello(t *testing.T) {
	ca := newTestCA(t)
	inner := serverFor(ca.issue(t, keyEd25519, "example.org"))
	inner.CurvePreferences, inner.CipherSuites = []tls.CurveID{tls.CurveP256}, []uint16{tls.TLS_CHACHA20_POLY1305_SHA256}
	inner.ClientAuth = tls.RequireAnyClientCert
	asked := 0
	p := newPuppet(t, RoleClient, func(c *Config) {
		c.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256}
		c.InspectClientHello = func(_ *ClientHello, answer *Completion[*Config]) {
			asked++
			answer.Complete(inner)
		}
	})
	p.clientHello(func(m *wire.ClientHello) {
		m.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_CHACHA20_POLY1305_SHA256}
	})
	p.hearServerHello()
	if !p.sh.IsHelloRetryRequest() || p.sh.SelectedGroup != uint16(tls.CurveP256) || p.sh.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 {
		t.Fatalf("%+v", p.sh)
	}
	p.secondClientHello(nil)
	p.hearServerHello()
	p.hear(wire.TypeEncryptedExtensions)
	p.hear(wire.TypeCertificateRequest)
	p.hear(wire.TypeCertificate)
	p.hear(wire.TypeCertificateVerify)
	p.hearServerFinished()
	if p.sh.CipherSuite != tls.TLS_CHACHA20_POLY1305_SHA256 || asked != 1 {
		t.Fatalf("suite %#04x, asked %d times", p.sh.CipherSuite, asked)
	}
	p.certificate(func(m *wire.Certificate) { m.Entries = nil })
	p.wantAlert(AlertCertificateRequired)
}

// No Config can turn on a suite with static RSA, CBC, RC4 or a hash that is broken.
func TestSuitesHaveForwardSecrecyAndAnAEAD(t *testing.T) {
	enabled := 0
	for _, s := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		config := Config{CipherSuites: []uint16{s.ID}, ServerName: "example.org"}
		if config.Validate(RoleClient) != nil {
			continue
		}
		enabled++
		ephemeral := slices.Contains(s.SupportedVersions, tls.VersionTLS13) || strings.HasPrefix(s.Name, "TLS_ECDHE_")
		if aead := strings.Contains(s.Name, "_GCM_") || strings.Contains(s.Name, "_POLY1305"); !ephemeral || !aead || s.Insecure {
			t.Errorf("%s can be enabled", s.Name)
		}
	}
	if enabled < 3 {
		t.Errorf("%d suites can be enabled", enabled)
	}
}
