package tlsconn

//lint:file-ignore SA1019 fields of tls.Config that are deprecated have their meaning all the same

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// verdict is what becomes of a tls.Config's field in a role.
type verdict string

const (
	honoured   verdict = "honoured"
	refused    verdict = "refused"
	irrelevant verdict = "irrelevant" // crypto/tls does not look at it in this role
	ineffect   verdict = "without effect in TLS 1.3, as in crypto/tls"
)

// tlsField is what becomes of one field, with an example of its use.
type tlsField struct {
	server, client verdict
	use            func(*tls.Config)
	holds          func(*Config) bool // of what a use was converted to, if it is honoured
}

// errAsked tells that a callback was called.
var errAsked = errors.New("asked")

// tlsFields has a row for each field that there is.
var tlsFields = map[string]tlsField{
	"Rand": {refused, refused, func(c *tls.Config) { c.Rand = rand.Reader }, nil},
	"Time": {honoured, honoured, func(c *tls.Config) { c.Time = testClock },
		func(c *Config) bool { return c.Time().Equal(testTime) }},
	"Certificates": {honoured, honoured, func(c *tls.Config) { c.Certificates = make([]tls.Certificate, 2) },
		func(c *Config) bool { return len(c.Certificates) == 2 }},
	"NameToCertificate": {refused, irrelevant, func(c *tls.Config) { c.NameToCertificate = map[string]*tls.Certificate{"a": nil} }, nil},
	"GetCertificate": {honoured, irrelevant,
		func(c *tls.Config) {
			c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errAsked }
		},
		func(c *Config) bool { _, err := c.GetCertificate(&tls.ClientHelloInfo{}); return err == errAsked }},
	"GetClientCertificate": {irrelevant, honoured,
		func(c *tls.Config) {
			c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return nil, errAsked }
		},
		func(c *Config) bool {
			_, err := c.GetClientCertificate(&tls.CertificateRequestInfo{})
			return err == errAsked
		}},
	"GetConfigForClient": {honoured, irrelevant,
		func(c *tls.Config) {
			c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return nil, errAsked }
		},
		func(c *Config) bool { _, err := inspected(c, "a"); return errors.Is(err, errAsked) }},
	"VerifyPeerCertificate": {honoured, honoured,
		func(c *tls.Config) {
			c.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
				if len(raw) == 2 && string(raw[1]) == "b" && len(chains) == 1 {
					return errAsked
				}
				return nil
			}
		},
		func(c *Config) bool {
			certs := []*x509.Certificate{{Raw: []byte("a")}, {Raw: []byte("b")}}
			return c.VerifyPeer(&Peer{Certificates: certs, VerifiedChains: [][]*x509.Certificate{certs}}) == errAsked
		}},
	"VerifyConnection": {refused, refused, func(c *tls.Config) { c.VerifyConnection = func(tls.ConnectionState) error { return nil } }, nil},
	"RootCAs": {irrelevant, honoured, func(c *tls.Config) { c.RootCAs = x509.NewCertPool() },
		func(c *Config) bool { return c.RootCAs != nil }},
	"NextProtos": {honoured, honoured, func(c *tls.Config) { c.NextProtos = []string{"h2", "mqtt"} },
		func(c *Config) bool { return slices.Equal(c.NextProtos, []string{"h2", "mqtt"}) }},
	"ServerName": {irrelevant, honoured, func(c *tls.Config) { c.ServerName = "example.org" },
		func(c *Config) bool { return c.ServerName == "example.org" }},
	"ClientAuth": {honoured, irrelevant, func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert },
		func(c *Config) bool { return c.ClientAuth == tls.RequireAnyClientCert }},
	"ClientCAs": {honoured, irrelevant, func(c *tls.Config) { c.ClientCAs = x509.NewCertPool() },
		func(c *Config) bool { return c.ClientCAs != nil }},
	"InsecureSkipVerify": {irrelevant, honoured, func(c *tls.Config) { c.InsecureSkipVerify = true },
		func(c *Config) bool { return c.InsecureSkipVerify }},
	"CipherSuites": {honoured, honoured, func(c *tls.Config) {
		c.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, 0x1a1a}
	}, func(c *Config) bool {
		return slices.Equal(c.CipherSuites, []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}) && c.suitesUnordered
	}},
	"PreferServerCipherSuites": {ineffect, ineffect, func(c *tls.Config) { c.PreferServerCipherSuites = true }, nil},
	// A client resumes nothing without ClientSessionCache, which is refused.
	"SessionTicketsDisabled": {honoured, honoured, func(c *tls.Config) { c.SessionTicketsDisabled = true },
		func(c *Config) bool { return c.SessionTicketsDisabled }},
	"SessionTicketKey":   {refused, irrelevant, func(c *tls.Config) { c.SessionTicketKey[31] = 1 }, nil},
	"ClientSessionCache": {irrelevant, refused, func(c *tls.Config) { c.ClientSessionCache = tls.NewLRUClientSessionCache(1) }, nil},
	"UnwrapSession": {refused, irrelevant, func(c *tls.Config) {
		c.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) { return nil, nil }
	}, nil},
	"WrapSession": {refused, irrelevant, func(c *tls.Config) {
		c.WrapSession = func(tls.ConnectionState, *tls.SessionState) ([]byte, error) { return nil, nil }
	}, nil},
	"MinVersion": {honoured, honoured, func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 },
		func(c *Config) bool { return c.MinVersion == tls.VersionTLS13 }},
	"MaxVersion": {honoured, honoured, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 },
		func(c *Config) bool { return c.MaxVersion == tls.VersionTLS12 }},
	"CurvePreferences": {honoured, honoured, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.CurveP256, tls.X25519} },
		func(c *Config) bool {
			return slices.Equal(c.CurvePreferences, []tls.CurveID{tls.X25519, tls.CurveP256})
		}},
	// False only allows smaller records.
	"DynamicRecordSizingDisabled": {ineffect, ineffect, func(c *tls.Config) { c.DynamicRecordSizingDisabled = true }, nil},
	"Renegotiation":               {irrelevant, refused, func(c *tls.Config) { c.Renegotiation = tls.RenegotiateOnceAsClient }, nil},
	"KeyLogWriter": {honoured, honoured, func(c *tls.Config) { c.KeyLogWriter = failingLog{errAsked} },
		func(c *Config) bool { _, err := c.KeyLogWriter.Write(nil); return err == errAsked }},
	"EncryptedClientHelloConfigList": {irrelevant, refused, func(c *tls.Config) { c.EncryptedClientHelloConfigList = []byte{} }, nil},
	"EncryptedClientHelloRejectionVerify": {irrelevant, refused, func(c *tls.Config) {
		c.EncryptedClientHelloRejectionVerify = func(tls.ConnectionState) error { return nil }
	}, nil},
	"GetEncryptedClientHelloKeys": {refused, irrelevant, func(c *tls.Config) {
		c.GetEncryptedClientHelloKeys = func(*tls.ClientHelloInfo) ([]tls.EncryptedClientHelloKey, error) { return nil, nil }
	}, nil},
	"EncryptedClientHelloKeys": {refused, irrelevant, func(c *tls.Config) { c.EncryptedClientHelloKeys = []tls.EncryptedClientHelloKey{{}} }, nil},
}

// inspected asks InspectClientHello about a client that names a server.
func inspected(c *Config, serverName string) (*Config, error) {
	var answer Completion[*Config]
	c.InspectClientHello(&ClientHello{ClientHelloInfo: &tls.ClientHelloInfo{ServerName: serverName}}, &answer)
	if !answer.ended() {
		return nil, errors.New("not answered at once")
	}
	return answer.value, answer.err
}

// A field that a later Go adds to tls.Config has no row, and fails this test.
func TestFromTLSKnowsEveryField(t *testing.T) {
	for _, field := range reflect.VisibleFields(reflect.TypeFor[tls.Config]()) {
		_, known := tlsFields[field.Name]
		switch field.Name {
		case "mutex", "autoSessionTicketKeys":
		case "sessionTicketKeys": // hasTicketKeys looks at it
			if field.Type.Kind() != reflect.Slice {
				t.Errorf("%s is a %v", field.Name, field.Type)
			}
		default:
			if !known {
				t.Errorf("nobody has said what becomes of %s", field.Name)
			}
		}
	}
	if _, ok := reflect.TypeFor[tls.Config]().FieldByName("sessionTicketKeys"); !ok {
		t.Error("keys set by SetSessionTicketKeys cannot be seen any more")
	}
}

func TestFromTLSHonoursOrRefusesEachField(t *testing.T) {
	for name, field := range tlsFields {
		for role, want := range map[Role]verdict{RoleServer: field.server, RoleClient: field.client} {
			t.Run(name+" of a "+role.String(), func(t *testing.T) {
				theirs := new(tls.Config)
				field.use(theirs)
				if reflect.ValueOf(theirs).Elem().FieldByName(name).IsZero() {
					t.Fatal("the example does not use the field")
				}
				got, err := FromTLS(theirs, role)
				if want == refused {
					if err == nil || !strings.Contains(err.Error(), " "+name+" (") {
						t.Fatalf("refused with %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				nothing, err := FromTLS(new(tls.Config), role)
				if err != nil {
					t.Fatal(err)
				}
				if same := reflect.DeepEqual(got, nothing); same != (want != honoured) {
					t.Errorf("is %s, but converted to %+v", want, got)
				}
				if want == honoured && !field.holds(got) {
					t.Errorf("converted to %+v", got)
				}
			})
		}
	}
}

func TestFromTLSNamesAllRefusedFieldsAtOnce(t *testing.T) {
	for _, role := range []Role{RoleServer, RoleClient} {
		theirs := new(tls.Config)
		for _, field := range tlsFields {
			if field.server == refused || field.client == refused {
				field.use(theirs)
			}
		}
		_, err := FromTLS(theirs, role)
		if err == nil {
			t.Fatalf("%v: accepted", role)
		}
		for name, field := range tlsFields {
			v := field.server
			if role == RoleClient {
				v = field.client
			}
			if strings.Contains(err.Error(), " "+name+" (") != (v == refused) {
				t.Errorf("%s is %s in a %v, but the error is %v", name, v, role, err)
			}
		}
	}
}

func TestFromTLSRefusesWhatItCannotHonour(t *testing.T) {
	check := func([][]byte, []([]*x509.Certificate)) error { return nil }
	for _, tt := range []struct {
		name string
		role Role
		use  func(*tls.Config)
		want string // in the error; empty if it is accepted
	}{
		{"SSL 3.0 as the least version", RoleServer, func(c *tls.Config) { c.MinVersion = 0x0300 }, "MinVersion"},
		{"TLS 1.2 as the least version", RoleServer, func(c *tls.Config) { c.MinVersion = tls.VersionTLS12 }, ""},
		{"TLS 1.3 alone", RoleServer, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS13, tls.VersionTLS13 }, ""},
		{"TLS 1.1 as the least version", RoleClient, func(c *tls.Config) { c.MinVersion = tls.VersionTLS11 }, "MinVersion"},
		{"TLS 1.1 as the greatest version", RoleClient, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS11 }, "MaxVersion"},
		{"TLS 1.2 alone", RoleServer, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, ""},
		{"TLS 1.2 alone, without a suite", RoleServer, func(c *tls.Config) { c.MaxVersion, c.CipherSuites = tls.VersionTLS12, []uint16{} }, "CipherSuites"},
		{"no suite of TLS 1.2", RoleServer, func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_AES_128_GCM_SHA256} }, ""},
		{"a CBC suite", RoleServer, func(c *tls.Config) {
			c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
		}, "CipherSuites"},
		{"a CBC suite, which TLS 1.3 alone makes idle", RoleServer, func(c *tls.Config) {
			c.MinVersion, c.CipherSuites = tls.VersionTLS13, []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA}
		}, ""},
		{"RSA key exchange", RoleClient, func(c *tls.Config) { c.CipherSuites = []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256} }, "CipherSuites"},
		{"a version of the future as the least", RoleServer, func(c *tls.Config) { c.MinVersion = 0x0305 }, "MinVersion"},
		{"a version of the future as the greatest", RoleServer, func(c *tls.Config) { c.MaxVersion = 0xffff }, ""},
		{"a group that we do not have", RoleClient, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{tls.X25519, tls.SecP256r1MLKEM768} }, "CurvePreferences"},
		{"an empty set of groups", RoleClient, func(c *tls.Config) { c.CurvePreferences = []tls.CurveID{} }, ""},
		{"verification without roots", RoleServer, func(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert }, "ClientCAs"},
		{"an unknown policy", RoleServer, func(c *tls.Config) { c.ClientAuth = tls.RequireAndVerifyClientCert + 1 }, "ClientAuth"},
		{"a check of clients that may show nothing", RoleServer, func(c *tls.Config) { c.VerifyPeerCertificate, c.ClientAuth = check, tls.RequestClientCert }, "VerifyPeerCertificate"},
		{"the same with verification", RoleServer, func(c *tls.Config) {
			c.VerifyPeerCertificate, c.ClientAuth, c.ClientCAs = check, tls.VerifyClientCertIfGiven, x509.NewCertPool()
		}, "VerifyPeerCertificate"},
		{"a check of clients that must show something", RoleServer, func(c *tls.Config) { c.VerifyPeerCertificate, c.ClientAuth = check, tls.RequireAnyClientCert }, ""},
		{"an unexported key", RoleServer, func(c *tls.Config) { c.SetSessionTicketKeys([][32]byte{{1}}) }, "SetSessionTicketKeys"},
		{"the same of a client", RoleClient, func(c *tls.Config) { c.SetSessionTicketKeys([][32]byte{{1}}) }, ""},
		{"ticket keys without tickets", RoleServer, func(c *tls.Config) {
			c.SessionTicketsDisabled = true
			c.SetSessionTicketKeys([][32]byte{{1}})
			for _, name := range []string{"SessionTicketKey", "WrapSession", "UnwrapSession"} {
				tlsFields[name].use(c)
			}
		}, ""},
		{"a cache of sessions that nothing resumes", RoleClient, func(c *tls.Config) {
			c.SessionTicketsDisabled = true
			c.ClientSessionCache = tls.NewLRUClientSessionCache(1)
		}, ""},
		{"no role", 0, func(*tls.Config) {}, "no role"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			theirs := new(tls.Config)
			tt.use(theirs)
			_, err := FromTLS(theirs, tt.role)
			if (err != nil) != (tt.want != "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("refused with %v", err)
			}
		})
	}
	if _, err := FromTLS(nil, RoleClient); err == nil {
		t.Error("nil is accepted")
	}
}

// crypto/tls writes keys of its own into the Configs that it uses.
func TestFromTLSTakesAConfigThatCryptoTLSHasUsed(t *testing.T) {
	ca := newTestCA(t)
	theirs := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, keyECDSA, "example.org")}, Time: testClock}
	clientPeer(t, clientFor(ca), theirs).echo([]byte("with crypto/tls"))
	if theirs.SessionTicketKey == [32]byte{} {
		t.Error("crypto/tls does not write into SessionTicketKey any more")
	}
	if _, err := FromTLS(theirs, RoleServer); err != nil {
		t.Error(err)
	}
}

func TestFromTLSGetCertificateIsNotAskedWithoutAName(t *testing.T) {
	theirs := &tls.Config{Certificates: make([]tls.Certificate, 1)}
	tlsFields["GetCertificate"].use(theirs)
	config, err := FromTLS(theirs, RoleServer)
	if err != nil {
		t.Fatal(err)
	}
	if cert, err := config.GetCertificate(&tls.ClientHelloInfo{}); cert != nil || err != nil {
		t.Errorf("without a name: %v, %v", cert, err)
	}
	if _, err := config.GetCertificate(&tls.ClientHelloInfo{ServerName: "a"}); err != errAsked {
		t.Errorf("with a name: %v", err)
	}
}

func TestFromTLSGetClientCertificateTakesThePlaceOfCertificates(t *testing.T) {
	var answer *tls.Certificate
	config, err := FromTLS(&tls.Config{
		Certificates:         make([]tls.Certificate, 1),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return answer, nil },
	}, RoleClient)
	if err != nil || config.Certificates != nil {
		t.Fatalf("%v, %d Certificates", err, len(config.Certificates))
	}
	if cert, err := config.GetClientCertificate(nil); err == nil {
		t.Errorf("no Certificate became %v", cert)
	}
	answer = new(tls.Certificate)
	if cert, err := config.GetClientCertificate(nil); cert != answer || err != nil {
		t.Errorf("an empty one became %v, %v", cert, err)
	}
}

// A client of crypto/tls shows no certificate to a server that names authorities of
// others: it would tell who it is, and be refused where none at all is welcome.
func TestFromTLSClientKeepsItsCertificateFromStrangers(t *testing.T) {
	ca := newTestCA(t)
	cert, mine := ca.issue(t, keyECDSA, "example.org"), ca.issue(t, keyEd25519, "client")
	for _, tt := range []struct {
		name  string
		named [][]byte
		shown int
	}{
		{"a server that names nobody", [][]byte{}, 1},
		{"a server that names the issuer", [][]byte{{0x30, 0}, ca.cert.RawSubject}, 1},
		{"a server that names others", [][]byte{{0x30, 0}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			theirs := &tls.Config{RootCAs: ca.pool, ServerName: "example.org", Time: testClock, Certificates: []tls.Certificate{mine}}
			client, err := FromTLS(theirs, RoleClient)
			if err != nil {
				t.Fatal(err)
			}
			server := serverFor(cert)
			server.ClientAuth, server.ClientCANames = tls.RequestClientCert, tt.named
			p := newPair(t, client, server)
			p.handshake()
			if n := len(p.server.conn.ConnectionState().PeerCertificates); n != tt.shown {
				t.Errorf("%d certificates shown, want %d", n, tt.shown)
			}
		})
	}
}

func TestFromTLSConvertsWhatGetConfigForClientReturnsOnce(t *testing.T) {
	parent, vhost := new(tls.Config), &tls.Config{NextProtos: []string{"vhost"}}
	parent.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		switch hello.ServerName {
		case "same":
			return parent, nil
		case "vhost":
			return vhost, nil
		case "clone":
			return parent.Clone(), nil
		case "refused":
			return &tls.Config{Rand: rand.Reader}, nil
		case "failed":
			return nil, errAsked
		}
		return nil, nil
	}
	config, err := FromTLS(parent, RoleServer)
	if err != nil {
		t.Fatal(err)
	}
	config.SessionScope, config.TicketCount = "scope", 3
	for _, name := range []string{"none", "same"} {
		if got, err := inspected(config, name); got != nil || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	first, err := inspected(config, "vhost")
	if err != nil || !slices.Equal(first.NextProtos, vhost.NextProtos) {
		t.Fatalf("%+v, %v", first, err)
	}
	if first.Tickets == nil || first.Tickets != config.prepared.tickets || first.SessionScope != "scope" || first.TicketCount != 3 {
		t.Errorf("has not the tickets of the first Config: %+v", first)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if again, err := inspected(config, "vhost"); again != first || err != nil {
				t.Errorf("another one the second time: %v", err)
			}
		})
	}
	wg.Wait()
	clone, err := inspected(config, "clone")
	if err != nil || clone == nil || clone.InspectClientHello != nil {
		t.Errorf("a clone with the same callback: %+v, %v", clone, err)
	}
	_, err = inspected(config, "refused")
	wantAlert(t, "a config that cannot be converted", err, AlertInternalError)
	if !strings.Contains(err.Error(), "GetConfigForClient: ") || !strings.Contains(err.Error(), " Rand (") {
		t.Errorf("does not name the field: %v", err)
	}
	_, err = inspected(config, "failed")
	wantAlert(t, "a failure", err, AlertInternalError)
}

// The fields of Config that a tls.Config has none for go on to be those of FromTLS's result when
// GetConfigForClient answers with another one; where a new field belongs has to be said here.
func TestFromTLSCarriesOverWhatTheOtherTLSConfigHasNoFieldFor(t *testing.T) {
	others := []string{
		// They come from the other one.
		"InspectClientHello", "Certificates", "GetCertificate", "ClientAuth", "ClientCAs", "NextProtos",
		"SessionTicketsDisabled", "MinVersion", "MaxVersion", "CipherSuites", "CurvePreferences", "KeyLogWriter", "Time",
		// They go with the certificates.
		"IssuerBound", "ChooseCertificate", "ClientCANames",
		// They are of clients.
		"ChooseClientCertificate", "GetClientCertificate", "RawPublicKeys", "ChooseRawPublicKey", "RootCAs", "ServerName",
		"InsecureSkipVerify", "FallbackSCSV", "Grease", "RequestOCSP", "RequestSCTs", "Sessions", "SessionKey", "AllowUnknownProtocol",
		"AllowMissingRenegotiationInfo", "KeyShares",
	}
	c := configsForClients{parent: &Config{
		Tickets: NewTicketKeys(nil), ServerSessions: NewSessionStore(1), TicketCount: 2, TicketLifetime: time.Hour, SessionScope: "a",
		SignatureSchemes: []tls.SignatureScheme{tls.Ed25519}, MaxFragment: 1000, MaxCertificateBytes: 1000,
		ClientCertificateTypes: []CertificateType{CertificateRawPublicKey},
		VerifyRawPublicKey:     func(*Peer, *Completion[struct{}]) {},
		VerifyPeer:             func(*Peer) error { return nil },
		VerifyPeerLater:        func(*Peer, *Completion[struct{}]) {},
		TraceMessage:           func(*Conn, TracedMessage) {},
	}}
	converted := c.convert(new(tls.Config))
	if converted.err != nil {
		t.Fatal(converted.err)
	}
	was, is := reflect.ValueOf(c.parent).Elem(), reflect.ValueOf(converted.config).Elem()
	for i := range was.NumField() {
		field := was.Type().Field(i)
		if field.IsExported() && !slices.Contains(others, field.Name) && (was.Field(i).IsZero() || is.Field(i).IsZero()) {
			t.Errorf("%s is not carried over", field.Name)
		}
	}
}

// VerifyPeer is what a VerifyConnection is to become: who sets it relies on it for each client,
// whatever GetConfigForClient answers with.
func TestFromTLSVerifyPeerStaysWhenGetConfigForClientAnswers(t *testing.T) {
	own := func(name string, asked *[]string) func([][]byte, [][]*x509.Certificate) error {
		return func([][]byte, [][]*x509.Certificate) error {
			*asked = append(*asked, name)
			return nil
		}
	}
	for _, tt := range []struct {
		name          string
		parent, vhost bool // has a VerifyPeerCertificate
		set           bool // VerifyPeer is set in the result
		want          []string
	}{
		{"nobody verifies", false, false, false, nil},
		{"it is set", false, false, true, []string{"set"}},
		{"both are set", false, true, true, []string{"set", "vhost"}},
		{"the other alone is set", false, true, false, []string{"vhost"}},
		{"the other takes the first one's place, as in crypto/tls", true, true, false, []string{"vhost"}},
		{"and so does none", true, false, false, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			parent, vhost := &tls.Config{ClientAuth: tls.RequireAnyClientCert}, &tls.Config{ClientAuth: tls.RequireAnyClientCert}
			if tt.parent {
				parent.VerifyPeerCertificate = own("parent", &asked)
			}
			if tt.vhost {
				vhost.VerifyPeerCertificate = own("vhost", &asked)
			}
			parent.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return vhost, nil }
			config, err := FromTLS(parent, RoleServer)
			if err != nil {
				t.Fatal(err)
			}
			refuse := error(nil)
			if tt.set {
				config.VerifyPeer = func(*Peer) error {
					asked = append(asked, "set")
					return refuse
				}
			}
			got, err := inspected(config, "vhost")
			if err != nil {
				t.Fatal(err)
			}
			if got.VerifyPeer != nil {
				err = got.VerifyPeer(new(Peer))
			}
			if err != nil || !slices.Equal(asked, tt.want) {
				t.Errorf("asked %q, want %q; %v", asked, tt.want, err)
			}
			if refuse = errAsked; tt.set && (got.VerifyPeer == nil || got.VerifyPeer(new(Peer)) != errAsked) {
				t.Error("a refusal is not heeded")
			}
		})
	}
}

// A callback that makes a Config for each connection does not fill the memory.
func TestFromTLSBoundsWhatGetConfigForClientReturned(t *testing.T) {
	c := configsForClients{
		choose:    func(*tls.ClientHelloInfo) (*tls.Config, error) { return new(tls.Config), nil },
		parent:    new(Config),
		converted: make(map[*tls.Config]conversion),
	}
	for range 2 * maxConverted {
		if _, err := c.configFor(nil); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.converted); n != maxConverted {
		t.Errorf("%d are kept", n)
	}
}

// exclusiveLog is a key log that must not be written to by two at a time.
type exclusiveLog struct{ bytes.Buffer }

func (l *exclusiveLog) Write(p []byte) (int, error) {
	l.Reset() // the race detector sees two of them
	return l.Buffer.Write(p)
}

func TestFromTLSKeyLogIsWrittenByOneAtATime(t *testing.T) {
	theirs := &tls.Config{KeyLogWriter: new(exclusiveLog)}
	var wg sync.WaitGroup
	for range 2 {
		config, err := FromTLS(theirs, RoleServer) // the writer is shared between Configs
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			wg.Go(func() {
				for range 100 {
					if _, err := io.WriteString(config.KeyLogWriter, "line"); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	wg.Wait()
}

// The same tls.Config serves crypto/tls on one side of the connection and, when
// converted, us on the other: what is negotiated is the same in all four ways.
func TestFromTLSNegotiatesWhatCryptoTLSWould(t *testing.T) {
	ca := newTestCA(t)
	a, b := ca.issue(t, keyECDSA, "a.example", "*.b.example"), ca.issue(t, keyRSA, "example.org")
	for _, tt := range []struct {
		name string
		use  func(client, server *tls.Config)
	}{
		{"as it is", func(*tls.Config, *tls.Config) {}},
		{"the least that everybody sets", func(c, s *tls.Config) { c.MinVersion, s.MinVersion = tls.VersionTLS12, tls.VersionTLS12 }},
		{"the order of groups does not matter", func(c, s *tls.Config) {
			c.CurvePreferences = []tls.CurveID{tls.CurveP384, tls.CurveP256}
			s.CurvePreferences = []tls.CurveID{tls.CurveP384, tls.X25519, tls.CurveP256}
		}},
		{"TLS 1.2 alone of the client", func(c, _ *tls.Config) { c.MaxVersion = tls.VersionTLS12 }},
		{"TLS 1.2 alone of the server", func(_, s *tls.Config) { s.MaxVersion = tls.VersionTLS12 }},
		{"the order of suites does not matter", func(c, s *tls.Config) {
			c.MaxVersion = tls.VersionTLS12
			c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
			s.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
		}},
		{"no suite of TLS 1.2", func(c, s *tls.Config) {
			c.CipherSuites, s.CipherSuites = []uint16{}, []uint16{tls.TLS_AES_128_GCM_SHA256}
		}},
		{"suites of TLS 1.2 disable none of TLS 1.3", func(c, s *tls.Config) {
			c.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
			s.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
		}},
		{"a protocol in common", func(c, s *tls.Config) { c.NextProtos, s.NextProtos = []string{"h2", "mqtt"}, []string{"mqtt", "h2"} }},
		{"a certificate by its wildcard", func(c, _ *tls.Config) { c.ServerName = "x.b.example" }},
		{"GetCertificate before Certificates", func(_, s *tls.Config) {
			s.Certificates = []tls.Certificate{a}
			s.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) { return &b, hello.SupportsCertificate(&b) }
		}},
		{"a check of the chain that is satisfied", func(c, _ *tls.Config) {
			c.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
				if len(raw) != 1 || !bytes.Equal(raw[0], b.Certificate[0]) || len(chains) != 1 || len(chains[0]) != 2 {
					return errors.New("not what was to be verified")
				}
				return nil
			}
		}},
		{"verification by the callback alone", func(c, _ *tls.Config) {
			c.ServerName, c.RootCAs, c.InsecureSkipVerify = "other.example", nil, true
			c.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
				if len(raw) != 1 || chains != nil {
					return errors.New("not what was to be verified")
				}
				return nil
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			client := &tls.Config{RootCAs: ca.pool, ServerName: "example.org", Time: testClock}
			server := &tls.Config{Certificates: []tls.Certificate{a, b}, Time: testClock}
			tt.use(client, server)
			ourClient, err := FromTLS(client, RoleClient)
			if err != nil {
				t.Fatal(err)
			}
			ourServer, err := FromTLS(server, RoleServer)
			if err != nil {
				t.Fatal(err)
			}
			theirs := theirHandshake(t, client, server)
			asServer := serverPeer(t, ourServer, client)
			asServer.echo([]byte("data"))
			sameOutcome(t, "our server", theirs, asServer.peer.ConnectionState())
			asClient := clientPeer(t, ourClient, server)
			asClient.echo([]byte("data"))
			state := asClient.conn.ConnectionState()
			sameOutcome(t, "our client", theirs, tls.ConnectionState{Version: state.Version, CurveID: state.Group, CipherSuite: state.CipherSuite,
				NegotiatedProtocol: state.NegotiatedProtocol, PeerCertificates: state.PeerCertificates})
		})
	}
}

func TestFromTLSRefusesWhomCryptoTLSWould(t *testing.T) {
	ca := newTestCA(t)
	client := &tls.Config{RootCAs: ca.pool, ServerName: "example.org", Time: testClock}
	server := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, keyECDSA, "example.org")}, Time: testClock}
	client.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return errAsked }
	config, err := FromTLS(client, RoleClient)
	if err != nil {
		t.Fatal(err)
	}
	ours, theirs := clientPeer(t, config, server).failure()
	wantAlert(t, "the check of the chain", ours, AlertBadCertificate)
	wantTheirs(t, theirs, AlertBadCertificate)

	server.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, errAsked }
	if config, err = FromTLS(server, RoleServer); err != nil {
		t.Fatal(err)
	}
	ours, theirs = serverPeer(t, config, client).failure()
	wantAlert(t, "GetCertificate", ours, AlertInternalError)
	wantTheirs(t, theirs, AlertInternalError)
}

// A callback that makes a Config for each connection keeps nobody from resuming, as in crypto/tls;
// but where the policy has become another one, nobody resumes.
func TestFromTLSResumesUnderWhatGetConfigForClientReturns(t *testing.T) {
	ca := newTestCA(t)
	key := testKeys()[keyECDSA]
	own := ca.issueWith(t, key.Public(), func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} })
	client := &tls.Config{RootCAs: ca.pool, ServerName: "example.org", Time: testClock, ClientSessionCache: tls.NewLRUClientSessionCache(1),
		Certificates: []tls.Certificate{{Certificate: [][]byte{own}, PrivateKey: key}}}
	server := &tls.Config{Certificates: []tls.Certificate{ca.issue(t, keyECDSA, "example.org")}, Time: testClock}
	policy, checked := tls.NoClientCert, 0
	server.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
		c := server.Clone()
		c.ClientAuth, c.ClientCAs = policy, ca.pool
		c.VerifyPeerCertificate = func(raw [][]byte, chains [][]*x509.Certificate) error {
			if len(raw) == 1 && bytes.Equal(raw[0], own) && len(chains) == 1 {
				checked++
			}
			return nil
		}
		return c, nil
	}
	config, err := FromTLS(server, RoleServer)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name    string
		policy  tls.ClientAuthType
		resumed bool
		checked int // in all
	}{
		{"the first", tls.NoClientCert, false, 0},
		{"the second", tls.NoClientCert, true, 0},
		{"when certificates of clients are demanded", tls.RequireAndVerifyClientCert, false, 1},
		{"again, when the session's certificate is checked", tls.RequireAndVerifyClientCert, true, 2},
		{"when no certificate is demanded any more", tls.NoClientCert, false, 2},
	} {
		policy = tt.policy
		p := serverPeer(t, config, client)
		p.echo([]byte(tt.name))
		if got := p.peer.ConnectionState().DidResume; got != tt.resumed || checked != tt.checked {
			t.Errorf("%s: resumed %v, checked %d times", tt.name, got, checked)
		}
	}
}

// theirHandshake is what crypto/tls negotiates with itself, as its client sees it.
func theirHandshake(t *testing.T, client, server *tls.Config) tls.ConnectionState {
	t.Helper()
	near, far := net.Pipe()
	for _, end := range []net.Conn{near, far} {
		t.Cleanup(func() { end.Close() })
		if err := end.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
	}
	// A session ticket would wait for a reader for ever.
	server = server.Clone()
	server.SessionTicketsDisabled = true
	result := make(chan error, 1)
	go func() { result <- tls.Server(far, server).Handshake() }()
	conn := tls.Client(near, client)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-result; err != nil {
		t.Fatal(err)
	}
	return conn.ConnectionState()
}

func sameOutcome(t *testing.T, who string, want, got tls.ConnectionState) {
	t.Helper()
	if got.Version != want.Version || got.CurveID != want.CurveID || got.CipherSuite != want.CipherSuite || got.NegotiatedProtocol != want.NegotiatedProtocol ||
		!got.PeerCertificates[0].Equal(want.PeerCertificates[0]) {
		t.Errorf("%s: %v, %s, %q, a certificate for %v; crypto/tls with itself: %v, %s, %q, %v", who,
			got.CurveID, tls.CipherSuiteName(got.CipherSuite), got.NegotiatedProtocol, got.PeerCertificates[0].DNSNames,
			want.CurveID, tls.CipherSuiteName(want.CipherSuite), want.NegotiatedProtocol, want.PeerCertificates[0].DNSNames)
	}
}
