package tlsconn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/tls"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// The same ClientHello goes to our server and to one of Go's crypto/tls, configured
// alike, and both have to come to the same verdict. Where they do not and may not, a
// row of decidedDifferences says why; everything else fails.

// helloFiles are ClientHellos of other stacks, as they were sent.
//
//go:embed testdata/hellos/*.hex
var helloFiles embed.FS

// FuzzClientHelloLikeCryptoTLS changes ClientHellos. Of an input, setup chooses the
// Config and framing the records; edits change hello, which keeps its lengths right,
// and retryEdits what answers a HelloRetryRequest. The seeds are hellos of every stack
// as they are, with any few edits, and damaged as bytes.
func FuzzClientHelloLikeCryptoTLS(f *testing.F) {
	judgedCerts() // keys take seconds to make, with which the fuzzer would charge an input
	sampleShares()
	hellos := helloSeeds(f)
	for i, hello := range hellos {
		for setup := range byte(setups) {
			f.Add(setup, byte(i), hello, []byte{}, []byte{})
		}
	}
	for _, row := range decidedDifferences {
		f.Add(row.setup, byte(framingRaw), []byte(row.stream), []byte{}, []byte{})
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		f.Add(byte(r.IntN(setups)), byte(r.IntN(16)), hellos[r.IntN(len(hellos))], randomBytes(r, 24), randomBytes(r, 12))
		stream := framed(byte(r.IntN(16)), hellos[r.IntN(len(hellos))])
		stream[r.IntN(min(len(stream), 60))] = byte(r.IntN(64))
		f.Add(byte(r.IntN(setups)), byte(framingRaw), stream, []byte{}, []byte{})
	}
	f.Fuzz(func(t *testing.T, setup, framing byte, hello, edits, retryEdits []byte) {
		likeCryptoTLS(t, setup, framing, hello, edits, retryEdits)
	})
}

// randomBytes are less than n, half of them small.
func randomBytes(r *rand.Rand, n int) []byte {
	b := make([]byte, r.IntN(n))
	for i := range b {
		b[i] = byte(r.IntN(256) >> (4 * r.IntN(2)))
	}
	return b
}

// helloSeeds are the ClientHellos that everything begins with: those of the files, our
// own, and crypto/tls's.
func helloSeeds(t testing.TB) (hellos [][]byte) {
	t.Helper()
	names, err := fs.Glob(helloFiles, "testdata/hellos/*.hex")
	if err != nil || len(names) == 0 {
		t.Fatal("no hellos: ", err)
	}
	for _, name := range names {
		hellos = append(hellos, helloSeed(t, strings.TrimSuffix(path.Base(name), ".hex")))
	}
	for _, versions := range [][2]uint16{{tls.VersionTLS12, tls.VersionTLS13}, {tls.VersionTLS12, tls.VersionTLS12}, {tls.VersionTLS13, tls.VersionTLS13}} {
		tr := &testTransport{in: new(stream), out: new(stream), quota: -1}
		_ = Client(tr, &Config{ServerName: "example.org", NextProtos: []string{"h2"}, MinVersion: versions[0], MaxVersion: versions[1]}).Handshake() // wants an answer
		conn := new(scriptedConn)
		_ = tls.Client(conn, &tls.Config{ServerName: "example.org", NextProtos: []string{"h2"}, MinVersion: versions[0], MaxVersion: versions[1]}).Handshake()
		for _, sent := range [][]byte{tr.out.bytes, conn.out} {
			hello, _ := firstMessage(sent)
			hellos = append(hellos, hello)
		}
	}
	return hellos
}

func helloSeed(t testing.TB, name string) []byte {
	t.Helper()
	text, err := helloFiles.ReadFile("testdata/hellos/" + name + ".hex")
	if err != nil {
		t.Fatal(err)
	}
	hello, err := hex.DecodeString(strings.Join(strings.Fields(string(text)), ""))
	if err != nil {
		t.Fatal(name, err)
	}
	return hello
}

// judged is what a server of the setup is made with.
type judged struct {
	versions [2]uint16
	groups   []tls.CurveID
	certs    []keyKind
	protos   []string
	noTicket bool
}

// setups is the number of different setups.
const setups = 3 * 2 * 4

// judgedAs reads the setup: the versions, whether there are protocols and tickets,
// and the certificates.
func judgedAs(setup byte) judged {
	setup %= setups
	j := judged{versions: [3][2]uint16{
		{tls.VersionTLS12, tls.VersionTLS13}, {tls.VersionTLS12, tls.VersionTLS12}, {tls.VersionTLS13, tls.VersionTLS13},
	}[setup%3]}
	setup /= 3
	if j.noTicket = setup%2 == 0; j.noTicket {
		j.protos = []string{"h2", "http/1.1"}
	}
	switch setup / 2 {
	case 0: // all, as a server has them that is prepared for anybody
		j.certs, j.groups = []keyKind{keyECDSA, keyRSA, keyEd25519}, defaultGroups
	case 1:
		j.certs, j.groups = []keyKind{keyRSA}, []tls.CurveID{tls.X25519, tls.CurveP256}
	case 2:
		j.certs, j.groups = []keyKind{keyECDSA}, []tls.CurveID{tls.CurveP384, tls.CurveP521}
	case 3:
		j.certs, j.groups = []keyKind{keyEd25519, keyECDSA384}, []tls.CurveID{tls.X25519MLKEM768, tls.CurveP256, tls.CurveP384}
	}
	return j
}

// suites12OfBoth are our suites of TLS 1.2, to which crypto/tls is confined.
var suites12OfBoth = func() (ids []uint16) {
	for _, s := range allSuites12 {
		ids = append(ids, s.id)
	}
	return ids
}()

// judgedCerts are certificates for example.org, with keys that only tell which one
// of them is used and how: nobody gets to check a signature.
var judgedCerts = sync.OnceValue(func() map[keyKind]tls.Certificate {
	ca, certs := newTestCA(quitter{}), make(map[keyKind]tls.Certificate)
	for kind := range testKeys() {
		certs[kind] = ca.issue(quitter{}, kind, "example.org")
	}
	return certs
})

// toldKey is a private key that signs nothing, and tells what it was to sign with.
type toldKey struct {
	public crypto.PublicKey
	told   *tls.SignatureScheme
}

func (k toldKey) Public() crypto.PublicKey { return k.public }

func (k toldKey) Sign(_ io.Reader, _ []byte, opts crypto.SignerOpts) ([]byte, error) {
	_, isPSS := opts.(*rsa.PSSOptions)
	switch public := k.public.(type) {
	case *rsa.PublicKey:
		*k.told = map[crypto.Hash]tls.SignatureScheme{crypto.SHA256: tls.PKCS1WithSHA256, crypto.SHA384: tls.PKCS1WithSHA384, crypto.SHA512: tls.PKCS1WithSHA512}[opts.HashFunc()]
		if isPSS {
			*k.told = map[crypto.Hash]tls.SignatureScheme{crypto.SHA256: tls.PSSWithSHA256, crypto.SHA384: tls.PSSWithSHA384, crypto.SHA512: tls.PSSWithSHA512}[opts.HashFunc()]
		}
		return make([]byte, public.Size()), nil
	case *ecdsa.PublicKey:
		*k.told = map[crypto.Hash]tls.SignatureScheme{crypto.SHA256: tls.ECDSAWithP256AndSHA256, crypto.SHA384: tls.ECDSAWithP384AndSHA384, crypto.SHA512: tls.ECDSAWithP521AndSHA512}[opts.HashFunc()]
	case ed25519.PublicKey:
		*k.told = tls.Ed25519
	}
	return make([]byte, 64), nil
}

func (j judged) certificates(told *tls.SignatureScheme) (certs []tls.Certificate) {
	for _, kind := range j.certs {
		cert := judgedCerts()[kind]
		cert.PrivateKey = toldKey{testKeys()[kind].Public(), told}
		certs = append(certs, cert)
	}
	return certs
}

// ruling is what a server makes of a ClientHello.
type ruling struct {
	what       string // waits, asks again, accepts, refuses or hangs up
	alert      Alert  // of a refusal
	version    uint16
	suite      uint16
	group      uint16
	protocol   string
	scheme     tls.SignatureScheme  // that its key was asked for, 0 for none
	extensions []wire.ExtensionType // of the ServerHello, sorted
	downgrade  bool                 // the ServerHello has the sentinel of RFC 8446 4.1.3
	session    string               // the ServerHello's session id

	reason string // the server's own words, which are not compared
}

const (
	waits     = "waits"
	asksAgain = "asks again"
	accepts   = "accepts"
	refuses   = "refuses"
	hangsUp   = "hangs up"
)

func (v ruling) String() string {
	if v.what == refuses {
		return fmt.Sprintf("refuses with %v (%s)", v.alert, v.reason)
	}
	return fmt.Sprintf("%s: %s, suite %#04x, group %v, protocol %q, signs with %v, extensions %v, downgrade %v, session %x (%s)", v.what,
		tls.VersionName(v.version), v.suite, tls.CurveID(v.group), v.protocol, v.scheme, v.extensions, v.downgrade, v.session, v.reason)
}

// read takes from a server's output what it says in the clear. It returns false if
// that makes no sense.
func (v *ruling) read(out []byte) bool {
	var messages record.Reassembler
	for len(out) >= record.HeaderLen {
		h := record.ParseHeader(out)
		if len(out) < record.HeaderLen+h.Length {
			return false
		}
		content := out[record.HeaderLen : record.HeaderLen+h.Length]
		out = out[record.HeaderLen+h.Length:]
		switch h.Type {
		case record.Alert:
			if len(content) != 2 || content[0] != alertLevelFatal {
				return false
			}
			v.what, v.alert = refuses, Alert(content[1])
		case record.Handshake:
			messages.Feed(content)
		case record.ChangeCipherSpec, record.ApplicationData:
		}
		for {
			raw, ok, err := messages.Next(func(byte, int) error { return nil })
			if err != nil || ok && !v.readMessage(message{wire.MessageType(raw[0]), raw}) {
				return false
			}
			if !ok {
				break
			}
		}
	}
	return len(out) == 0
}

func (v *ruling) readMessage(m message) bool {
	switch m.typ {
	case wire.TypeServerHello:
		// The session id apart, since crypto/tls repeats one that is too long to be decoded.
		fixed, b := m.body()[:34:34], m.body()[34:]
		session, b, ok := opaqueOf(b, 1)
		var sh wire.ServerHello
		if err := sh.Unmarshal(slices.Concat(fixed, []byte{0}, b)); err != nil || !ok {
			return false
		}
		v.what, v.version, v.suite, v.session = accepts, max(sh.SupportedVersion, sh.LegacyVersion), sh.CipherSuite, string(session)
		if sh.IsHelloRetryRequest() {
			v.what, v.group = asksAgain, sh.SelectedGroup
		} else {
			v.group = sh.KeyShare.Group
		}
		v.downgrade = isDowngrade(sh.Random)
		v.extensions = slices.Sorted(slices.Values(sh.Extensions))
	case wire.TypeServerKeyExchange:
		var ske wire.ServerKeyExchange
		if err := ske.Unmarshal(m.body()); err != nil {
			return false
		}
		v.group = ske.Group
	default:
	}
	return true
}

// byUs is our verdict about what is sent.
func byUs(t *testing.T, j judged, sent []byte) (v ruling) {
	config := &Config{
		MinVersion: j.versions[0], MaxVersion: j.versions[1], CurvePreferences: j.groups, NextProtos: j.protos,
		Certificates: j.certificates(&v.scheme), SessionTicketsDisabled: j.noTicket, Time: testClock,
	}
	tr := &testTransport{in: &stream{bytes: sent, delivered: len(sent)}, out: new(stream), auto: true, quota: -1}
	c := Server(tr, config)
	v.what = waits
	err := c.Handshake()
	if !isWant(err) && err != nil {
		v.what, v.reason = hangsUp, err.Error()
	}
	v.protocol = c.facts.protocol
	if !v.read(tr.out.bytes) {
		t.Fatalf("our output makes no sense: % x", tr.out.bytes)
	}
	return v
}

// scriptedConn is a net.Conn of which all that will be read is known, and no time passes.
type scriptedConn struct {
	in, out []byte
}

func (c *scriptedConn) Read(p []byte) (int, error) {
	if len(c.in) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.in)
	c.in = c.in[n:]
	return n, nil
}

func (c *scriptedConn) Write(p []byte) (int, error) {
	c.out = append(c.out, p...)
	return len(p), nil
}

func (c *scriptedConn) Close() error                     { return nil }
func (c *scriptedConn) LocalAddr() net.Addr              { return nil }
func (c *scriptedConn) RemoteAddr() net.Addr             { return nil }
func (c *scriptedConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptedConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptedConn) SetWriteDeadline(time.Time) error { return nil }

// byThem is crypto/tls's. It wants more where it meets the end of what there is.
func byThem(t *testing.T, j judged, sent []byte) (v ruling) {
	config := &tls.Config{
		MinVersion: j.versions[0], MaxVersion: j.versions[1], CurvePreferences: j.groups, NextProtos: j.protos, CipherSuites: suites12OfBoth,
		Certificates: j.certificates(&v.scheme), SessionTicketsDisabled: j.noTicket, Time: testClock,
	}
	conn := &scriptedConn{in: sent}
	server := tls.Server(conn, config)
	v.what = waits
	err := server.Handshake()
	if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && err != nil {
		v.what, v.reason = hangsUp, err.Error()
	}
	v.protocol = server.ConnectionState().NegotiatedProtocol
	if !v.read(conn.out) {
		t.Fatalf("crypto/tls's output makes no sense: % x", conn.out)
	}
	return v
}

// framed puts a message into records as framing says: of which version, and how long.
func framed(framing byte, message []byte) (stream []byte) {
	version := [4]uint16{0x0301, 0x0303, 0x0300, 0x0304}[framing>>2&3]
	for piece := range slices.Chunk(message, [4]int{record.MaxPlaintext, 1000, 31, 4}[framing&3]) {
		stream = append(stream, byte(record.Handshake), byte(version>>8), byte(version))
		stream = appendOpaque(stream, piece, 2)
	}
	return stream
}

// firstMessage is the first handshake message of a stream of any records, and what
// of the stream is needed for it, up to the end of a record.
func firstMessage(stream []byte) (raw, needed []byte) {
	var messages record.Reassembler
	for rest := stream; len(rest) >= record.HeaderLen; {
		h := record.ParseHeader(rest)
		end := min(record.HeaderLen+h.Length, len(rest))
		if h.Type == record.Handshake && end > record.HeaderLen {
			messages.Feed(rest[record.HeaderLen:end])
		}
		rest = rest[end:]
		if raw, ok, _ := messages.Next(func(byte, int) error { return nil }); ok {
			return raw, stream[:len(stream)-len(rest)]
		}
	}
	return nil, stream
}

// framingRaw has hello be bytes of the transport instead of a message.
const framingRaw = 0x80

// likeCryptoTLS judges one input.
func likeCryptoTLS(t *testing.T, setup, framing byte, hello, edits, retryEdits []byte) {
	j := judgedAs(setup)
	if framing&framingRaw != 0 {
		first, stream := firstMessage(hello)
		j.compare(t, first, stream)
		return
	}
	loose, ok := parseLoose(hello)
	if ok {
		loose.edit(&knobs{edits})
		hello = loose.encode()
	}
	if len(hello) == 0 {
		return
	}
	j.converse(t, framing, hello, func(second *looseHello) { second.edit(&knobs{retryEdits}) })
}

// converse sends a ClientHello, and where both ask for it a second one that answers and
// that change has changed. It returns the row that explains the last difference.
func (j judged) converse(t *testing.T, framing byte, hello []byte, change func(*looseHello)) *decided {
	t.Helper()
	// What is behind it, after a wrong length, is another matter.
	if first, stream := firstMessage(framed(framing, hello)); first != nil {
		return j.converseIn(t, framing, first, stream, change)
	}
	return j.converseIn(t, framing, hello, framed(framing, hello), change)
}

// converseIn is the same with the stream that the first one makes.
func (j judged) converseIn(t *testing.T, framing byte, hello, stream []byte, change func(*looseHello)) *decided {
	t.Helper()
	ours, row := j.compare(t, hello, stream)
	loose, ok := parseLoose(hello)
	if row != nil || ours.what != asksAgain || !ok {
		return row
	}
	loose.onlyShare(ours.group)
	change(loose)
	second := loose.encode()
	// Of the version's own from here on, or crypto/tls refuses the record.
	_, row = j.compare(t, second, slices.Concat(stream, framed(framing&^12|4, second)))
	return row
}

// compare holds the two rulings against each other, and fails if they differ and may not.
func (j judged) compare(t *testing.T, hello, stream []byte) (ours ruling, row *decided) {
	t.Helper()
	ours, theirs := byUs(t, j, stream), byThem(t, j, stream)
	loose, _ := parseLoose(hello)
	d := &difference{judged: j, ours: ours, theirs: theirs, loose: loose}
	row, ok := d.explained()
	if !ok {
		t.Fatalf("we and crypto/tls differ about % x\n  with %+v\n  we: %v\n  crypto/tls: %v", hello, j, ours, theirs)
	}
	return ours, row
}

func TestEveryDecidedDifferenceFromCryptoTLSIsMet(t *testing.T) {
	for i := range decidedDifferences {
		row := &decidedDifferences[i]
		t.Run(row.why, func(t *testing.T) {
			hello, ok := parseLoose(helloSeed(t, "openssl"))
			if !ok {
				t.Fatal("not a ClientHello")
			}
			var met *decided
			switch j := judgedAs(row.setup); {
			case row.stream != "":
				_, met = j.compare(t, nil, []byte(row.stream))
			case row.again:
				met = j.converse(t, 0, hello.encode(), row.show)
			default:
				row.show(hello)
				met = j.converse(t, 0, hello.encode(), nil)
			}
			if met != row {
				t.Errorf("explained by %+v", met)
			}
		})
	}
}

// One fault alone, about which nobody may differ: rows about two faults hide none of these.
func TestWeAndCryptoTLSRefuseOneFaultAlike(t *testing.T) {
	for _, tt := range []struct {
		name  string
		setup byte
		show  func(*looseHello)
		alert Alert
	}{
		{"no protocol in common", 0, sets(wire.ExtALPN, "\x00\x05\x04spdy"), AlertNoApplicationProtocol},
		{"no protocol in common, TLS 1.2", setup12, sets(wire.ExtALPN, "\x00\x05\x04spdy"), AlertNoApplicationProtocol},
		{"a fallback", 0, edits(drops(wire.ExtSupportedVersions), func(h *looseHello) { h.suites = append(h.suites, []byte{0x56, 0}) }), AlertInappropriateFallback},
		{"no suite in common", 0, func(h *looseHello) { h.suites = [][]byte{{0x13, 4}} }, AlertHandshakeFailure},
		{"no group in common", 0, edits(sets(wire.ExtSupportedGroups, "\x00\x02\x00\x1e"), sets(wire.ExtKeyShare, "\x00\x00")), AlertHandshakeFailure},
		{"no version in common", 0, sets(wire.ExtSupportedVersions, "\x02\x03\x02"), AlertProtocolVersion},
		{"no signature_algorithms", 0, drops(wire.ExtSignatureAlgorithms), AlertMissingExtension},
		{"no signature in common", 0, sets(wire.ExtSignatureAlgorithms, "\x00\x02\x02\x01"), AlertHandshakeFailure},
		{"a share without bytes", 0, sets(wire.ExtKeyShare, "\x00\x04\x00\x1d\x00\x00"), AlertDecodeError},
		{"a share that is none", 0, sets(wire.ExtKeyShare, "\x00\x05\x00\x1d\x00\x01x"), AlertIllegalParameter},
		{"another compression", 0, func(h *looseHello) { h.compression = [][]byte{{1}} }, AlertIllegalParameter},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hello, ok := parseLoose(helloSeed(t, "openssl"))
			if !ok {
				t.Fatal("not a ClientHello")
			}
			tt.show(hello)
			ours, row := judgedAs(tt.setup).compare(t, hello.encode(), framed(0, hello.encode()))
			if row != nil || ours.what != refuses || ours.alert != tt.alert {
				t.Errorf("%v, explained by %+v", ours, row)
			}
		})
	}
}
