package tlsconn

import (
	"crypto/tls"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/keysched"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata from what happens")

// TestTranscripts plays the commented transcripts in testdata, which are
// documentation as well: commands, a line of four dashes, and what each command
// did, until an empty line. `go test -run TestTranscripts -update` rewrites the
// results; read the difference before you believe it.
//
// The commands, each for "client" or "server":
//
//	new                the pair; before all others. Options: client-groups=, server-groups=
//	                   (x25519, p256), certificate= (ecdsa, rsa, ed25519), client-name=,
//	                   server-offloads: slow work waits for "complete";
//	                   client-auth= (request, require), client-shows: its certificate;
//	                   client-remembers: it keeps a session; later= (inspect, choose, sign,
//	                   ticket, session, judge), separated by commas: what waits for "complete"
//	                   client-speaks=, server-speaks= (1.2, 1.3, both: as by default);
//	                   client-falls-back: it says that it could do more (RFC 7507);
//	                   server-names: it names its sessions instead of giving tickets;
//	                   ocsp: the client asks for an OCSP response, and there is one
//	new again          another connection of the same two. Options: as above, for what has
//	                   changed since; server-forgets: its ticket keys are new; after= (1h)
//	SIDE handshake     Handshake
//	SIDE read          Read of up to 1000 bytes
//	SIDE write "TEXT"  Write; a number for that many bytes
//	SIDE keyupdate     KeyUpdate; with "request", asking for the peer's
//	SIDE flush         Flush
//	SIDE closewrite    CloseWrite
//	SIDE renegotiate   as no side of ours does: a client_hello or a hello_request, behind
//	                   the handshake
//	SIDE complete      the operation that it waits for ends well
//	SIDE fail          the operation that it waits for fails
//	SIDE stall         the transport takes no output from now on
//	SIDE unstall       and now it does again
//	SIDE hangup        the transport ends, in both directions
//
// After "sends", each record is what RFC 8446 2 writes: {...} under handshake
// keys, [...] under application keys, plain otherwise. The keys of TLS 1.2, which has
// but one set, are application keys.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, name := range files {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := new(stagehand).play(t, string(want))
			if got == string(want) {
				return
			}
			if !*update {
				t.Fatalf("the transcript differs, got:\n%s", got)
			}
			if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// stagehand runs the commands of one transcript.
type stagehand struct {
	t       testing.TB
	p       *pair
	scene   *scene
	now     time.Time
	secrets keyLog
	eyes    map[*side]*eavesdropper
}

// play runs the script and returns it with the results in place.
func (h *stagehand) play(t testing.TB, script string) string {
	h.t = t
	var out strings.Builder
	var commands []string
	lines := strings.Split(strings.TrimSuffix(script, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if line != "----" {
			out.WriteString(line + "\n")
			if line != "" && !strings.HasPrefix(line, "#") {
				commands = append(commands, line)
			}
			continue
		}
		out.WriteString("----\n")
		for _, c := range commands {
			out.WriteString(h.run(c))
		}
		commands = nil
		for i+1 < len(lines) && lines[i+1] != "" {
			i++
		}
	}
	return out.String()
}

func (h *stagehand) run(command string) string {
	h.t.Helper()
	who, what, _ := strings.Cut(command, " ")
	if who == "new" {
		return h.open(strings.Fields(what))
	}
	s, ok := map[string]*side{"client": h.p.client, "server": h.p.server}[who]
	if !ok {
		h.t.Fatalf("%q: whose command is that?", command)
	}
	verb, arg, _ := strings.Cut(what, " ")
	traced := len(s.trace)
	result := h.do(s, verb, arg)
	out := fmt.Sprintf("%s: %s\n", who, result)
	if states := s.trace[traced:]; len(states) > 0 {
		out += "  states  " + strings.Join(states, ", ") + "\n"
	}
	if sent := h.eyes[s].records(h.t, s.conn); len(sent) > 0 {
		out += "  sends   " + strings.Join(sent, "; ") + "\n"
	}
	if pending := s.conn.Pending(); pending != 0 {
		out += fmt.Sprintf("  pending %v\n", pending)
	}
	return out + fmt.Sprintf("  wants   %v\n", s.conn.Wants())
}

// open makes the pair.
func (h *stagehand) open(options []string) string {
	if len(options) > 0 && options[0] == "again" {
		h.scene.client, h.scene.server = cloneConfig(h.scene.client), cloneConfig(h.scene.server)
		options = options[1:]
	} else {
		h.now, h.secrets = testTime, make(keyLog)
		h.scene = newScene(newCast(h.t))
		server, client := h.scene.server, h.scene.client
		server.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256}
		server.Tickets = NewTicketKeys(testClock)
		clock := func() time.Time { return h.now }
		client.Time, server.Time = clock, clock
		client.KeyLogWriter, server.KeyLogWriter = h.secrets, h.secrets
	}
	for _, o := range options {
		key, value, _ := strings.Cut(o, "=")
		if !h.option(key, value) {
			h.t.Fatalf("new: what is %q?", o)
		}
	}
	s := h.scene
	h.p = newPairIn(h.t, NewWorkspace(s.clientWS), NewWorkspace(s.serverWS), s.client, s.server)
	randoms := new(keysched.Randoms)
	h.eyes = map[*side]*eavesdropper{
		h.p.client: {wire: h.p.client.tr.out, secrets: h.secrets, labels: [2]string{keyLogClientHandshake, keyLogClientApplication}, randoms: randoms},
		h.p.server: {wire: h.p.server.tr.out, secrets: h.secrets, labels: [2]string{keyLogServerHandshake, keyLogServerApplication}, randoms: randoms},
	}
	return fmt.Sprintf("client: %v, wants %v\nserver: %v, wants %v\n", h.p.client.conn.State(), h.p.client.conn.Wants(),
		h.p.server.conn.State(), h.p.server.conn.Wants())
}

// option sets the scene for one option of "new".
func (h *stagehand) option(key, value string) bool {
	s := h.scene
	groups := func(names string) (ids []tls.CurveID) {
		for name := range strings.SplitSeq(names, ",") {
			ids = append(ids, map[string]tls.CurveID{"x25519": tls.X25519, "p256": tls.CurveP256}[name])
		}
		return ids
	}
	switch key {
	case "client-groups":
		s.client.CurvePreferences = groups(value)
	case "server-groups":
		s.server.CurvePreferences = groups(value)
	case "certificate":
		kind := map[string]keyKind{"ecdsa": keyECDSA, "rsa": keyRSA, "ed25519": keyEd25519}[value]
		s.server.Certificates = []tls.Certificate{s.ca.issue(h.t, kind, "example.org")}
	case "client-name":
		s.client.ServerName = value
	case "server-offloads":
		s.serverWS.Offload = s.ops.offload
	case "client-auth":
		s.require()
		if value == "request" {
			s.server.ClientAuth = tls.VerifyClientCertIfGiven
		}
	case "client-shows":
		s.client.Certificates = []tls.Certificate{s.cast.client}
	case "client-speaks":
		s.client.MinVersion, s.client.MaxVersion = versionsNamed(value)
	case "server-speaks":
		s.server.MinVersion, s.server.MaxVersion = versionsNamed(value)
	case "client-falls-back":
		s.client.FallbackSCSV = true
	case "ocsp":
		s.client.RequestOCSP, s.server.Certificates = true, stapled(s.server.Certificates)
	case "client-remembers":
		s.client.Sessions = new(lastSession)
	case "server-names":
		s.server.SessionTicketsDisabled, s.server.ServerSessions = true, NewSessionStore(0)
	case "server-forgets":
		s.server.Tickets = NewTicketKeys(testClock)
	case "after":
		passed, err := time.ParseDuration(value)
		if err != nil {
			h.t.Fatal(err)
		}
		h.now = h.now.Add(passed)
	case "later":
		for what := range strings.SplitSeq(value, ",") {
			s.later(h.t, what)
		}
	default:
		return false
	}
	return true
}

// versionsNamed are the lowest and the highest version to speak.
func versionsNamed(name string) (least, most uint16) {
	least, most = tls.VersionTLS12, tls.VersionTLS13
	switch name {
	case "1.2":
		most = tls.VersionTLS12
	case "1.3":
		least = tls.VersionTLS13
	}
	return least, most
}

// later makes one kind of operation answer later.
func (s *scene) later(t testing.TB, what string) {
	switch what {
	case "inspect":
		s.server.InspectClientHello = s.ops.inspectLater(nil)
	case "choose":
		cert := s.server.Certificates[0]
		s.server.ChooseCertificate = s.ops.chooseLater(&cert)
	case "sign":
		s.server.Certificates = []tls.Certificate{s.ops.signLater("sign", s.server.Certificates[0])}
	case "ticket":
		s.server.Tickets = &lateTickets{s.server.Tickets, s.ops}
	case "session":
		s.client.Sessions = &lateSessions{s.client.Sessions, s.ops}
	case "judge":
		s.client.VerifyPeerLater = s.ops.judgeLater("judge")
	default:
		t.Fatalf("later: what is %q?", what)
	}
}

// do runs one verb and returns its result in words.
func (h *stagehand) do(s *side, verb, arg string) string {
	switch verb {
	case "handshake":
		return answer(s.conn.Handshake())
	case "read":
		buf := make([]byte, 1000)
		n, err := s.conn.Read(buf)
		if n > 0 {
			return fmt.Sprintf("%q", buf[:n])
		}
		return answer(err)
	case "write":
		data, err := strconv.Unquote(arg)
		if err != nil {
			n, err := strconv.Atoi(arg)
			if err != nil {
				h.t.Fatalf("write %s: %v", arg, err)
			}
			data = strings.Repeat("x", n)
		}
		n, err := s.conn.Write([]byte(data))
		return fmt.Sprintf("%d of %d bytes, %s", n, len(data), answer(err))
	case "keyupdate":
		return answer(s.conn.KeyUpdate(arg == "request"))
	case "flush":
		return answer(s.conn.Flush())
	case "closewrite":
		return answer(s.conn.CloseWrite())
	case "renegotiate":
		typ := wire.TypeHelloRequest
		if s == h.p.client {
			typ = wire.TypeClientHello
		}
		s.conn.appendRecords(record.Handshake, sampleMessage(typ))
		return answer(s.conn.Flush())
	case "complete":
		h.scene.ops.take()[0].complete()
		return "the operation has ended"
	case "fail":
		h.scene.ops.take()[0].fail(errors.New("the database is down"))
		return "the operation has failed"
	case "stall":
		s.tr.quota, s.tr.left = 0, 0
		return "takes no output"
	case "unstall":
		s.tr.quota = -1
		return "takes output"
	case "hangup":
		s.tr.out.closed, s.tr.in.closed = true, true
		return "the transport has ended"
	}
	h.t.Fatalf("what is %q?", verb)
	return ""
}

// answer puts an error into words.
func answer(err error) string {
	switch err {
	case nil:
		return "ok"
	case ErrWantRead:
		return "ErrWantRead"
	case ErrWantWrite:
		return "ErrWantWrite"
	case ErrWantApp:
		return "ErrWantApp"
	case io.EOF:
		return "io.EOF"
	case io.ErrUnexpectedEOF:
		return "io.ErrUnexpectedEOF"
	}
	return err.Error()
}

// keyLog collects the secrets of one connection by their labels.
type keyLog map[string]keysched.Secret

func (k keyLog) Write(line []byte) (int, error) {
	f := strings.Fields(string(line))
	var s keysched.Secret
	if _, err := hex.Decode(s[:], []byte(f[2])); err != nil {
		return 0, err
	}
	k[f[0]] = s
	return len(line), nil
}

// eavesdropper reads one direction with the secrets of the key log, as Wireshark would.
type eavesdropper struct {
	wire    *stream
	seen    int
	secrets keyLog
	labels  [2]string // of the handshake's and the application's secret
	phase   int       // 0 plain, 1 handshake keys, 2 application keys
	key     puppetKey
	randoms *keysched.Randoms // of both hellos
}

// records describes what was sent since the last time.
func (e *eavesdropper) records(t testing.TB, c *Conn) (out []string) {
	t.Helper()
	for {
		rest := e.wire.bytes[e.seen:]
		if len(rest) < record.HeaderLen {
			return out
		}
		h := record.ParseHeader(rest)
		if len(rest) < record.HeaderLen+h.Length {
			return append(out, "part of a record")
		}
		rec := rest[:record.HeaderLen+h.Length]
		e.seen += len(rec)
		typ, content := h.Type, rec[record.HeaderLen:]
		format := "%s"
		if e.key.tls12 {
			format, content = "[%s]", e.key.opened12(t, rec)
		} else if h.Type == record.ApplicationData {
			if e.phase == 0 {
				e.next(c, e.secrets[e.labels[0]])
			}
			format = [...]string{1: "{%s}", 2: "[%s]"}[e.phase]
			inner, err := e.key.aead.Open(nil, e.key.nonce(), content, rec[:record.HeaderLen])
			if err != nil {
				t.Fatalf("eavesdropper: %v", err)
			}
			e.key.seq++
			typ, content = record.Type(inner[len(inner)-1]), inner[:len(inner)-1]
		}
		out = append(out, fmt.Sprintf(format, e.describe(c, typ, content)))
		if typ == record.ChangeCipherSpec && c.version() == tls.VersionTLS12 {
			e.next12(c)
		}
	}
}

// next12 takes on the key of TLS 1.2.
func (e *eavesdropper) next12(c *Conn) {
	var client, server keysched.Secret
	master := e.secrets[keyLogMaster]
	aead := c.facts.suite.aead
	keysched.New(c.facts.suite.hash).WriteKeys(&client, &server, &master, e.randoms, aead.KeyLen(), aead.IVLen12())
	if c.role == RoleServer {
		client = server
	}
	e.key = puppetKey12(c.facts.suite, &client)
}

// next takes on the next key.
func (e *eavesdropper) next(c *Conn, secret keysched.Secret) {
	e.key.install(keysched.New(c.facts.suite.hash), c.facts.suite, secret)
	e.phase = min(e.phase+1, 2)
}

// describe names what a record holds, and follows its key changes.
func (e *eavesdropper) describe(c *Conn, typ record.Type, content []byte) string {
	switch typ {
	case record.Alert:
		return "alert " + Alert(content[1]).String()
	case record.ApplicationData:
		if len(content) > 60 {
			return fmt.Sprintf("%d bytes", len(content))
		}
		return fmt.Sprintf("%q", content)
	case record.Handshake:
	default:
		return typ.String()
	}
	var names []string
	for len(content) > 0 {
		typ := wire.MessageType(content[0])
		n := wire.HeaderLen + int(content[1])<<16 + int(content[2])<<8 + int(content[3])
		name := typ.String()
		switch typ {
		case wire.TypeClientHello:
			if e.phase == 0 && !e.key.on {
				copy(e.randoms.Client[:], content[6:])
			}
		case wire.TypeServerHello:
			copy(e.randoms.Server[:], content[6:])
			if slices.Equal(content[6:38], wire.HelloRetryRequestRandom[:]) {
				name = "hello_retry_request"
			}
		case wire.TypeFinished:
			if !e.key.tls12 {
				e.next(c, e.secrets[e.labels[1]])
			}
		case wire.TypeKeyUpdate:
			if content[4] == 1 {
				name += "(update_requested)"
			}
			secret := e.key.secret
			keysched.New(c.facts.suite.hash).NextTrafficSecret(&secret, &secret)
			e.next(c, secret)
		default:
		}
		names = append(names, name)
		content = content[min(n, len(content)):]
	}
	return strings.Join(names, ", ")
}
