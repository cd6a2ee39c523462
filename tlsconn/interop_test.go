package tlsconn

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
)

// The matrix of interoperation: each peer, as client and as server, in each version, with each
// feature. A cell is checked on our side, and by what the peer says itself.

// interopFeature is a column of the matrix.
type interopFeature int

const (
	interopFull              interopFeature = iota // a handshake and much data, both ways
	interopResumed                                 // and then one that resumes the session
	interopClientCertificate                       // which the client shows, and is known by upon resumption too
	interopKeyUpdate                               // ours, which the peer answers; and its own, if it can
	interopFeatureCount
)

var interopFeatures = [interopFeatureCount]string{"full", "resumed", "client certificate", "KeyUpdate"}

// chunks is how much data goes both ways on each connection: 320 KB where that is the point, and
// as much as the commands for KeyUpdates, and Java's limits, take.
func (f interopFeature) chunks() int {
	switch {
	case f == interopFull:
		return 20
	case f == interopKeyUpdate:
		return 8
	}
	return 1
}

// kinds are the kinds of keys that a feature is checked with: the client's if it shows a
// certificate, otherwise the server's.
func (f interopFeature) kinds(ed25519 bool) []keyKind {
	switch {
	case f == interopResumed:
		return []keyKind{keyRSA}
	case f == interopKeyUpdate:
		return []keyKind{keyECDSA}
	case f == interopClientCertificate && ed25519:
		return signingKinds
	}
	return []keyKind{keyECDSA, keyRSA}
}

// times is how often the client connects.
func (f interopFeature) times() int {
	if f == interopResumed || f == interopClientCertificate {
		return 2
	}
	return 1
}

// authorities are a root and two that it has signed, which issue what the peers and we show.
type authorities struct {
	root, ecdsa, rsa *testCA
}

func newAuthorities(t *testing.T) authorities {
	root := newPeerCA(t, keyECDSA)
	return authorities{root: root, ecdsa: root.delegate(t, keyECDSA384), rsa: root.delegate(t, keyRSA)}
}

// delegate makes an authority that ca has signed.
func (ca *testCA) delegate(t *testing.T, kind keyKind) *testCA {
	t.Helper()
	key := testKeys()[kind]
	cert, err := x509.ParseCertificate(ca.issueWith(t, key.Public(), func(c *x509.Certificate) {
		c.SerialNumber, c.Subject.CommonName = newSerial(), "peer intermediate "+testKinds[kind]
		c.NotBefore, c.NotAfter = ca.cert.NotBefore, ca.cert.NotAfter
		c.IsCA, c.BasicConstraintsValid = true, true
		c.KeyUsage, c.DNSNames, c.ExtKeyUsage = x509.KeyUsageCertSign, nil, nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	return &testCA{cert: cert, key: key, pool: ca.pool}
}

// certify issues a chain, by an authority whose key is of another kind.
func (a authorities) certify(t *testing.T, kind keyKind, name string) tls.Certificate {
	by := a.rsa
	if kind == keyRSA {
		by = a.ecdsa
	}
	cert := by.certify(t, kind, name)
	cert.Certificate = append(cert.Certificate, by.cert.Raw)
	return cert
}

// brief is what a peer says without the data.
func brief(said string) string {
	return strings.ReplaceAll(said, strings.TrimSuffix(chunk, "\n"), "0123...")
}

// wantChain checks that a peer is known by cert.
func wantChain(t *testing.T, state ConnectionState, cert tls.Certificate) {
	t.Helper()
	if shown := state.PeerCertificates; len(shown) < 2 || !bytes.Equal(shown[0].Raw, cert.Certificate[0]) || len(state.VerifiedChains) != 1 {
		t.Errorf("resumed %t: the peer is known by %d certificates, %d chains", state.DidResume, len(shown), len(state.VerifiedChains))
	}
}

// trafficSecrets are those of both directions.
func (c *Conn) trafficSecrets() [2]keysched.Secret {
	return [2]keysched.Secret{c.in.secret, c.out.secret}
}

// updatedSince counts the KeyUpdates of both directions.
func (c *Conn) updatedSince(secrets [2]keysched.Secret) (n [2]int) {
	d := c.ws.deriver(c.facts.suite.hash)
	for i, now := range c.trafficSecrets() {
		for secrets[i] != now && n[i] < 100 {
			d.NextTrafficSecret(&secrets[i], &secrets[i])
			n[i]++
		}
	}
	return n
}

// check wants as many of the peer's KeyUpdates, and ours: the one that asks for another, and the answers.
func (l limitations) check(t *testing.T, n [2]int) {
	t.Helper()
	if n[0] < l.updates || n[1] < 1+(l.updates-1)/2 {
		t.Errorf("we have had %d KeyUpdates and sent %d, want %d at least of the peer's", n[0], n[1], l.updates)
	}
}

// visited has a client do what a feature takes.
func (peer visitor) visited(t *testing.T, a authorities, version uint16, f interopFeature, kind keyKind) {
	own := kind
	if f == interopClientCertificate {
		own = keyECDSA
	}
	config := &Config{
		MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13, Certificates: []tls.Certificate{a.certify(t, own, "example.org")},
		ServerSessions: NewSessionStore(0), // for curl, which asks for no tickets in TLS 1.2
	}
	if f == interopClientCertificate {
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, a.root.pool
	}
	client := a.certify(t, kind, "a client")
	v := newVisit(t, serve(t, always(config), peer.talk(f == interopKeyUpdate)), a.root)
	v.version, v.times, v.chunks, v.rekeyed = version, f.times(), f.chunks(), f == interopKeyUpdate
	if f == interopClientCertificate {
		v = v.showing(t, a.root, client)
	}
	output, err := peer.run(t, v)
	if err != nil {
		t.Fatalf("%v; its output:\n%s", err, brief(output))
	}
	for i := range v.times {
		resumed := i == 1
		// Not all mix what they say into data that somebody waits for.
		if says := peer.says(version, resumed); f != interopKeyUpdate && !regexp.MustCompile(says).MatchString(output) {
			t.Fatalf("no %q in its output:\n%s", says, brief(output))
		}
		s := v.find(func(s served) bool {
			return !peer.browser || s.err == nil && s.state.DidResume == resumed && (f != interopKeyUpdate || s.updates[0] > 0)
		})
		if s.err != nil || s.state.Version != version || s.state.DidResume != resumed {
			t.Fatalf("connection %d: %v, version %#04x, resumed %t", i, s.err, s.state.Version, s.state.DidResume)
		}
		if f == interopClientCertificate {
			wantChain(t, s.state, client)
		}
		if f == interopKeyUpdate {
			peer.check(t, s.updates)
		}
	}
}

// hosted has a server do what a feature takes.
func (peer host) hosted(t *testing.T, a authorities, version uint16, f interopFeature, kind keyKind) {
	own := kind
	if f == interopClientCertificate {
		own = keyECDSA
	}
	server := a.certify(t, own, "example.org")
	h := newHosting(t, a.root, server, f == interopClientCertificate)
	h.version, h.times, h.chunks, h.rekeyed = version, f.times(), f.chunks(), f == interopKeyUpdate
	config := &Config{MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS13, RootCAs: a.root.pool, ServerName: "example.org", Sessions: NewSessionCache(0)}
	if f == interopClientCertificate {
		config.Certificates = []tls.Certificate{a.certify(t, kind, "a client")}
	}
	running := peer.start(t, h)
	for i := range h.times {
		conn := dial(t, running.addr, config)
		if err := conn.Handshake(); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		secrets := conn.trafficSecrets()
		said, err := running.talk(conn, h.chunks, h.rekeyed)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		state, resumed := conn.ConnectionState(), i == 1
		if state.Version != version || state.DidResume != resumed {
			t.Fatalf("connection %d: version %#04x, resumed %t", i, state.Version, state.DidResume)
		}
		wantChain(t, state, server)
		if f == interopKeyUpdate {
			peer.check(t, conn.updatedSince(secrets))
		}
		bye(t, conn)
		if running.p != nil {
			seen := len(running.p.seen)
			running.p.expect(running.last)
			said = strings.Join(running.p.seen[seen:], "\n")
		}
		// Where s_server sends KeyUpdates it says nothing that it flushes in time.
		if says := peer.says(version, resumed); f != interopKeyUpdate && !regexp.MustCompile(says).MatchString(said) {
			t.Errorf("connection %d: the server does not say %q:\n%s", i, says, brief(said))
		}
		if knows := peer.knows + "peer " + testKinds[kind]; f == interopClientCertificate && !regexp.MustCompile(knows).MatchString(said) {
			t.Errorf("connection %d: the server does not say %q:\n%s", i, knows, brief(said))
		}
	}
}

// interopTable is the matrix as it comes to be: a row for each peer and role.
type interopTable struct {
	rows  []string
	notes []string // why something is not
	whole bool     // no cell was left out or failed
}

// fill runs the cells of a row.
func (m *interopTable) fill(t *testing.T, name, role string, l limitations, cell func(*testing.T, uint16, interopFeature, keyKind)) {
	row := "| " + name + " | " + role
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for f, feature := range interopFeatures {
			if version == tls.VersionTLS12 && interopFeature(f) == interopKeyUpdate {
				continue // which is new in TLS 1.3
			}
			result := "not run"
			t.Run(fmt.Sprintf("%s, %s, TLS %s, %s", name, role, dotted(version), feature), func(t *testing.T) {
				result = "**fails**"
				good := true
				for _, kind := range interopFeature(f).kinds(!l.noEd25519) {
					good = t.Run(testKinds[kind], func(t *testing.T) { cell(t, version, interopFeature(f), kind) }) && good
				}
				if good {
					result = "yes"
				}
			})
			m.whole = m.whole && result == "yes"
			if interopFeature(f) == interopKeyUpdate && l.updates > 1 {
				result += ", both ways"
			} else if interopFeature(f) == interopKeyUpdate {
				result += m.note("It begins none: it has no command, or no call, for that.")
			}
			row += " | " + result
		}
	}
	m.rows = append(m.rows, row+" |")
}

// absent makes a row of what cannot be.
func (m *interopTable) absent(name, role, why string) {
	m.rows = append(m.rows, "| "+name+" | "+role+strings.Repeat(" | -"+m.note(why), 2*int(interopFeatureCount)-1)+" |")
}

// note refers to why something is not.
func (m *interopTable) note(why string) string {
	i := slices.Index(m.notes, why)
	if i < 0 {
		i, m.notes = len(m.notes), append(m.notes, why)
	}
	return fmt.Sprintf(" (%d)", i+1)
}

// String is the table in Markdown.
func (m *interopTable) String() string {
	var b strings.Builder
	b.WriteString("| peer | as | 1.2 full | resumed | client certificate | 1.3 full | resumed | client certificate | KeyUpdate |\n|---|---|---|---|---|---|---|---|---|\n")
	b.WriteString(strings.Join(m.rows, "\n") + "\n\n")
	for i, why := range m.notes {
		fmt.Fprintf(&b, "%d. %s\n", i+1, why)
	}
	return b.String()
}

// TestInteroperation runs the matrix. Its table is in the README: `go test -run TestInteroperation
// -update` writes it there.
func TestInteroperation(t *testing.T) {
	a, m := newAuthorities(t), &interopTable{whole: true}
	servers := hosts(t)
	for _, peer := range visitors(t) {
		m.fill(t, peer.name, "client", peer.limitations, func(t *testing.T, version uint16, f interopFeature, kind keyKind) {
			peer.visited(t, a, version, f, kind)
		})
		i := slices.IndexFunc(servers, func(h host) bool { return h.name == peer.name })
		if i < 0 {
			m.absent(peer.name, "server", "It is a client alone.")
			continue
		}
		m.fill(t, peer.name, "server", servers[i].limitations, func(t *testing.T, version uint16, f interopFeature, kind keyKind) {
			servers[i].hosted(t, a, version, f, kind)
		})
	}
	t.Logf("\n%v", m)
	if m.whole {
		m.compare(t, filepath.Join("..", "README.md"))
	}
}

// compare wants the table between two marks in a file, or puts it there.
func (m *interopTable) compare(t *testing.T, file string) {
	const begin, end = "<!-- The table is TestInteroperation's. -->\n", "<!-- end -->"
	readme, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, found := strings.Cut(string(readme), begin)
	table, after, ended := strings.Cut(rest, end)
	switch {
	case !found || !ended:
		t.Errorf("%s has no place for the table", file)
	case table == m.String():
	case !*update:
		t.Errorf("%s has another table; `make interop` writes this one", file)
	default:
		if err := os.WriteFile(file, []byte(before+begin+m.String()+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
