package tlsconn

import (
	"crypto/tls"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Programs of other stacks as clients: each connects to a server of ours.

// visit is what a client is to do: to ask for example.org, to trust caFile, to show a certificate
// if there is one, and to have data echoed on each of its connections, the second of which resumes.
type visit struct {
	*serving
	caFile, certFile, keyFile, chainFile string
	version                              uint16 // TLS 1.3 if it is not TLS 1.2
	times, chunks                        int    // of connections, and of data on each
	rekeyed                              bool   // between the chunks it sends KeyUpdates, if it can
	priority                             string // what GnuTLS's has beside the version
}

// newVisit is a visit by who trusts ca.
func newVisit(t *testing.T, s *serving, ca *testCA) visit {
	t.Helper()
	return visit{serving: s, times: 1, chunks: 1,
		caFile: writeFile(t, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.cert.Raw}))}
}

// showing has the visitor show a certificate.
func (v visit) showing(t *testing.T, ca *testCA, cert tls.Certificate) visit {
	t.Helper()
	_, v.certFile, v.keyFile = pemFiles(t, ca, cert)
	v.chainFile = chainFile(t, cert)
	return v
}

// flags are the client's own options for its certificate.
func (v visit) flags(cert, key string) []string {
	if v.certFile == "" {
		return nil
	}
	return []string{cert, v.certFile, key, v.keyFile}
}

// visitor is a client.
type visitor struct {
	name string
	talk func(rekeyed bool) func(*Conn) error // what our server does
	// run visits, and returns what the client says and whether all went well to the end.
	run func(t *testing.T, v visit) (output string, err error)
	// says matches what the client says of a connection of a version, full or resumed.
	says func(version uint16, resumed bool) string
	limitations
	browser bool // it connects as often as it likes
}

// limitations are what a peer cannot do.
type limitations struct {
	updates   int  // KeyUpdates that we get from it at least: one answers ours, more are its own
	noEd25519 bool // it has not the algorithm
}

// dotted is a version as options have it.
func dotted(version uint16) string {
	if version == tls.VersionTLS12 {
		return "1.2"
	}
	return "1.3"
}

// chunk is a line that nearly fills a record, of digits alone: letters are commands to OpenSSL's
// programs. The scripts in testdata have the same.
var chunk = strings.Repeat("0123456789", 1599) + "012345678\n"

// talkTo writes chunks to a program that sends its input, and reads their echoes among what it
// prints. If the visit is for that, a command follows each but the first, in whose echo is a KeyUpdate of
// ours that the program still has to answer; and it tells that it has done it.
func (v visit) talkTo(p *program, commands ...[2]string) {
	p.t.Helper()
	for i := range v.chunks {
		_, _ = p.stdin.Write([]byte(chunk)) // who is refused may be gone already
		// What a program tells beside it may surround it.
		if !p.reaches(strings.TrimSuffix(chunk, "\n")) {
			return
		}
		if v.rekeyed && 0 < i && i <= len(commands) {
			p.say(commands[i-1][0])
			p.expect(commands[i-1][1])
		}
	}
}

// sClientVisits runs s_client once, which can keep its session in a file, for the server of a name.
func sClientVisits(t *testing.T, v visit, name string, more ...string) (string, error) {
	t.Helper()
	if v.chainFile != "" {
		more = append(more, "-cert_chain", v.chainFile)
	}
	p := launch(t, "openssl", slices.Concat([]string{"s_client", "-tls" + strings.ReplaceAll(dotted(v.version), ".", "_"),
		"-connect", v.addr, "-servername", name, "-CAfile", v.caFile, "-verify_return_error", "-verify_hostname", name},
		v.flags("-cert", "-key"), more)...)
	// k updates its key, K asks us to do so too.
	v.talkTo(p, [2]string{"k", "KEYUPDATE"}, [2]string{"K", "KEYUPDATE"})
	return p.finish()
}

// opensslVisits has s_client come twice, if need be.
func opensslVisits(t *testing.T, v visit) (string, error) {
	if v.times == 1 {
		return sClientVisits(t, v, "example.org")
	}
	file := filepath.Join(t.TempDir(), "session")
	first, err := sClientVisits(t, v, "example.org", "-sess_out", file)
	if err != nil {
		return first, err
	}
	second, err := sClientVisits(t, v, "example.org", "-sess_in", file)
	return first + second, err
}

// gnutlsVisits runs gnutls-cli, which connects again when told to.
func gnutlsVisits(t *testing.T, v visit, more ...string) (string, error) {
	t.Helper()
	if v.times > 1 {
		more = append(more, "--resume", "--waitresumption")
	}
	if v.rekeyed {
		more = append(more, "--inline-commands")
	}
	p := launch(t, "gnutls-cli", slices.Concat([]string{"--port", v.port(), "--sni-hostname", "example.org", "--verify-hostname", "example.org",
		"--x509cafile", v.caFile, v.host(), "--priority", "NORMAL:-VERS-ALL:+VERS-TLS" + dotted(v.version) + v.priority},
		v.flags("--x509certfile", "--x509keyfile"), more)...)
	// rekey1 updates its key, rekey asks us to do so too.
	v.talkTo(p, [2]string{"^rekey1^", "Rekey was completed"}, [2]string{"^rekey^", "Rekey was completed"})
	return p.finish()
}

// curlVisits runs curl, whose connections share the sessions of the process.
func curlVisits(t *testing.T, v visit, more ...string) (string, error) {
	t.Helper()
	data, echo := writeFile(t, "data", []byte(strings.Repeat(chunk, v.chunks))), filepath.Join(t.TempDir(), "echo")
	args := slices.Concat([]string{"-sSv", "--tlsv" + dotted(v.version), "--tls-max", dotted(v.version), "--cacert", v.caFile,
		"--connect-to", "example.org:443:" + v.addr, "--data-binary", "@" + data, "-H", "Expect:", "--fail"}, v.flags("--cert", "--key"), more)
	requests := v.times
	if v.rekeyed {
		requests++ // on one connection: the second goes under the new key
	} else {
		args = append(args, "-H", "Connection: close")
	}
	for range requests {
		args = append(args, "-o", echo, "https://example.org/")
	}
	output, err := launch(t, "curl", args...).finish()
	if got, _ := os.ReadFile(echo); err == nil && string(got) != strings.Repeat(chunk, v.chunks) {
		err = errors.New("the echo is not what was sent")
	}
	return output, err
}

// tstclntSpeaks is what tstclnt says amid the data.
var tstclntSpeaks = regexp.MustCompile(`tstclnt: .*\n`)

// tstclntVisits runs tstclnt, with a database of its own.
func tstclntVisits(t *testing.T, v visit, more ...string) (string, error) {
	t.Helper()
	db := newNSSDatabase(t, v.caFile)
	args := slices.Concat([]string{"-h", v.host(), "-p", v.port(), "-a", "example.org", "-d", db, "-u",
		"-V", "tls" + dotted(v.version) + ":tls" + dotted(v.version)}, more)
	if v.certFile != "" {
		importPair(t, db, v.certFile, v.keyFile)
		args = append(args, "-n", "own")
	}
	request := func(connection string) string {
		data := strings.Repeat(chunk, v.chunks)
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: example.org\r\nConnection: %s\r\nContent-Length: %d\r\n\r\n%s", connection, len(data), data)
	}
	if v.rekeyed { // two requests on one connection: the second goes under the new key
		p := launch(t, "tstclnt", args...)
		v.chunks = 1
		for _, connection := range []string{"keep-alive", "close"} {
			_, _ = p.stdin.Write([]byte(request(connection)))
			p.expect(strings.TrimSuffix(chunk, "\n"))
		}
		_ = p.cmd.Process.Kill() // it would wait for ever: it does not see the end of a pipe
		output, _ := p.finish()
		return output, nil
	}
	p := launch(t, "tstclnt", append(args, "-v", "-L", strconv.Itoa(v.times), "-A", writeFile(t, "request", []byte(request("close"))))...)
	output, err := p.finish()
	if got := strings.Count(strings.ReplaceAll(tstclntSpeaks.ReplaceAllString(output, ""), "\n", ""), strings.TrimSuffix(chunk, "\n")); err == nil && got != v.times*v.chunks {
		err = fmt.Errorf("%d lines came back, want %d", got, v.times*v.chunks)
	}
	return output, err
}

// newNSSDatabase makes a database that trusts a CA, if there is one, for servers and clients.
func newNSSDatabase(t *testing.T, caFile string) string {
	t.Helper()
	db := "sql:" + t.TempDir()
	launch(t, "certutil", "-N", "-d", db, "--empty-password").end()
	if caFile != "" {
		launch(t, "certutil", "-A", "-d", db, "-n", "ca", "-t", "CT,,", "-a", "-i", caFile).end()
	}
	return db
}

// importPair adds a chain and its key as "own", which NSS takes from a PKCS #12 file alone.
func importPair(t *testing.T, db, certFile, keyFile string) {
	t.Helper()
	p12 := filepath.Join(t.TempDir(), "key.p12")
	launch(t, "openssl", "pkcs12", "-export", "-in", certFile, "-inkey", keyFile, "-name", "own", "-out", p12, "-passout", "pass:").end()
	launch(t, "pk12util", "-i", p12, "-d", db, "-W", "", "-K", "").end()
}

// words are the visit as the peers in testdata take it.
func (v visit) words() []string {
	words := []string{"client", v.host(), v.port(), "TLSv" + dotted(v.version), strconv.Itoa(v.times), strconv.Itoa(v.chunks), v.caFile}
	if v.certFile != "" {
		words = append(words, v.certFile, v.keyFile)
	}
	return words
}

// scriptVisits runs one of those that need an interpreter.
func scriptVisits(interpreter, script string) func(t *testing.T, v visit) (string, error) {
	return func(t *testing.T, v visit) (string, error) {
		return launch(t, interpreter, append([]string{filepath.Join("testdata", "interop", script)}, v.words()...)...).finish()
	}
}

// saying has each %s of a pattern stand for a version, in the pattern for full or for resumed connections.
func saying(full, resumed string) func(uint16, bool) string {
	return func(version uint16, again bool) string {
		pattern := full
		if again {
			pattern = resumed
		}
		return strings.ReplaceAll(pattern, "%s", regexp.QuoteMeta(dotted(version)))
	}
}

// scriptSays matches what the peers in testdata print.
var scriptSays = saying("TLSv%s full", "TLSv%s resumed")

// nssSays is saying for NSS, which has TLS 1.2 for SSL 3.3, and counts.
func nssSays(version uint16, resumed bool) string {
	return fmt.Sprintf(`SSL version 3\.%d using[^;]*%d cache hits`, version&0xff, map[bool]int{true: 1}[resumed])
}

// visitors are the clients.
func visitors(t *testing.T) []visitor {
	return []visitor{
		{name: "OpenSSL", talk: echoes, run: opensslVisits, says: saying("New, TLSv%s,", "Reused, TLSv%s,"), limitations: limitations{updates: 3}},
		{name: "GnuTLS", talk: echoes, run: func(t *testing.T, v visit) (string, error) { return gnutlsVisits(t, v) },
			says: saying(`Description: \(TLS%s-`, `Description: \(TLS%s-[^*]*\*\*\* This is a resumed session`), limitations: limitations{updates: 3}},
		{name: "NSS", talk: posts, run: func(t *testing.T, v visit) (string, error) { return tstclntVisits(t, v) },
			says: nssSays, limitations: limitations{updates: 1, noEd25519: true}},
		{name: "Go", talk: echoes, run: goVisits, says: scriptSays, limitations: limitations{updates: 1}},
		{name: "Node", talk: echoes, run: scriptVisits("node", "peer.js"), says: scriptSays, limitations: limitations{updates: 1}},
		{name: "Java", talk: echoes, run: jvm(t).visits, says: scriptSays, limitations: limitations{updates: 3}},
		{name: "Python", talk: echoes, run: scriptVisits("python3", "peer.py"), says: scriptSays, limitations: limitations{updates: 1}},
		{name: "Chromium", talk: posts, run: chromiumVisits, browser: true, limitations: limitations{updates: 1, noEd25519: true},
			says: saying(`"is_resumed":false[^}]*"version":"TLS %s"`, `"is_resumed":true[^}]*"version":"TLS %s"`)},
		{name: "curl", talk: posts, run: func(t *testing.T, v visit) (string, error) { return curlVisits(t, v) },
			says: saying("SSL connection using TLSv%s", `using session[^\x00]*SSL connection using TLSv%s`), limitations: limitations{updates: 1}},
	}
}
