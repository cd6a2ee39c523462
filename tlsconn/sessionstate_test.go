package tlsconn

import (
	"bytes"
	"crypto/tls"
	"encoding"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
	"time"
)

var (
	_ encoding.BinaryMarshaler   = (*Session)(nil)
	_ encoding.BinaryUnmarshaler = (*Session)(nil)
)

// plainSession has only what every session has.
func plainSession() *session {
	return &session{
		version: tls.VersionTLS13, suite: tls.TLS_AES_128_GCM_SHA256, psk: secretBytes(32),
		created: time.UnixMilli(1), authenticated: time.UnixMilli(0),
	}
}

func TestSessionsKeepAllTheyHave(t *testing.T) {
	for _, c := range []struct {
		name string
		s    *session
	}{
		{"every field", testSession()},
		{"only what must be", plainSession()},
		{"TLS 1.2", func() *session {
			s := plainSession()
			s.version, s.suite, s.psk = tls.VersionTLS12, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, secretBytes(48)
			return s
		}()},
		{"a raw public key", func() *session {
			s := plainSession()
			s.chain, s.rawKey, s.clientAuth = slicesOf(1, "key"), true, tls.RequireAndVerifyClientCert
			return s
		}()},
		{"the longest lifetime", func() *session {
			s := plainSession()
			s.lifetime, s.ageAdd = maxTicketLifetime, 1<<32-1
			return s
		}()},
		{"a scope of 100,000 bytes", func() *session {
			s := plainSession()
			s.scope = strings.Repeat("s", 100_000)
			return s
		}()},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := c.s.append([]byte("before"))
			if !bytes.HasPrefix(b, []byte("before")) {
				t.Fatal("append did not keep what was there")
			}
			b = b[len("before"):]
			if len(b) != c.s.size() {
				t.Errorf("size is %d for %d bytes", c.s.size(), len(b))
			}
			got, err := parseSession(b)
			if err != nil {
				t.Fatal(err)
			}
			clear(b)
			if !reflect.DeepEqual(got, c.s) {
				t.Errorf("got %+v\nwant %+v", got, c.s)
			}
		})
	}
}

// The fields' places are those of format 1: who moves one changes the format.
func TestEncodingOfSessions(t *testing.T) {
	want := strings.Join([]string{
		"01", "0304", "1302", "00000030" + hex.EncodeToString(secretBytes(48)),
		"0000018bcfe5687b", "0000018bcf4cd348", "0001fa40", "fedcba98",
		"0000000b" + hex.EncodeToString([]byte("example.org")),
		"00000002" + "6832", "00000006" + hex.EncodeToString([]byte("tenant")), "04",
		"00000012" + "00000004" + "6c656166" + "00000006" + "697373756572",
		"00000006" + "737461706c65",
		"0000001c" + "00000005" + "6669727374" + "00000006" + "7365636f6e64" + "00000005" + "7468697264",
	}, "")
	if got := hex.EncodeToString(testSession().append(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestALifetimeIsEncodedInWholeSecondsUpToSevenDays(t *testing.T) {
	for _, c := range []struct{ lifetime, want time.Duration }{
		{1999 * time.Millisecond, time.Second},
		{-time.Second, 0},
		{maxTicketLifetime + time.Second, maxTicketLifetime},
	} {
		s := plainSession()
		s.lifetime = c.lifetime
		got, err := parseSession(s.append(nil))
		if err != nil || got.lifetime != c.want {
			t.Errorf("%v: %v, %v", c.lifetime, got, err)
		}
	}
}

func TestNoStrictPrefixIsASession(t *testing.T) {
	whole := testSession().append(nil)
	for n := range whole {
		if s, err := parseSession(whole[:n]); err == nil || !strings.HasPrefix(err.Error(), "session: ") || s != nil {
			t.Fatalf("of %d bytes: %v, %v", n, s, err)
		}
	}
}

func TestWhatIsNoSession(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(s *session)
		raw    func(b []byte) []byte // in place of change, on the encoding
		want   string
	}{
		{name: "a byte too many", raw: func(b []byte) []byte { return append(b, 0) }, want: "session: end: 1 bytes too many"},
		{name: "a format from the future", raw: func(b []byte) []byte { b[0] = 2; return b }, want: "session: format: 2 is unknown"},
		{name: "no format", raw: func(b []byte) []byte { b[0] = 0; return b }, want: "session: format"},
		{name: "nothing", raw: func([]byte) []byte { return nil }, want: "session: format"},
		{name: "TLS 1.1", change: func(s *session) { s.version = tls.VersionTLS11 }, want: "session: version: 0x0302"},
		{name: "no PSK", change: func(s *session) { s.psk = nil }, want: "session: psk: 0 bytes"},
		{name: "a PSK of no hash's length", change: func(s *session) { s.psk = secretBytes(47) }, want: "session: psk: 47 bytes"},
		{name: "a PSK of another hash's length", change: func(s *session) { s.psk = secretBytes(32) },
			want: "session: psk: 32 bytes, the suite's hash has 48"},
		{name: "a length beyond the end", raw: func(b []byte) []byte { b[5] = 0xff; return b }, want: "session: psk: cut off"},
		{name: "issued before 1970", change: func(s *session) { s.created = time.UnixMilli(-1) }, want: "session: created"},
		{name: "issued never", change: func(s *session) { s.created = time.Time{} }, want: "session: created"},
		{name: "authenticated before 1970", change: func(s *session) { s.authenticated = time.Time{} }, want: "session: authenticated"},
		{name: "a lifetime of more than seven days", raw: func(b []byte) []byte { b[5+4+48+16+1] = 0x10; return b }, want: "session: lifetime"},
		{name: "a policy that there is not", change: func(s *session) { s.clientAuth++ }, want: "session: client auth: 5"},
		{name: "an empty certificate", change: func(s *session) { s.chain[1] = nil }, want: "session: chain: an empty item"},
		{name: "an empty timestamp", change: func(s *session) { s.scts[0] = nil }, want: "session: scts: an empty item"},
		{name: "more certificates than a peer may send",
			change: func(s *session) { s.chain = slicesOf(maxPeerCertificates+1, "cert") }, want: "session: chain: more than 64"},
		{name: "two raw public keys", change: func(s *session) { s.rawKey = true }, want: "session: chain: 2 raw public keys"},
		{name: "no raw public key", change: func(s *session) { s.chain, s.rawKey = nil, true }, want: "session: chain: 0 raw public keys"},
		{name: "a certificate beyond its list", raw: func(b []byte) []byte {
			b[bytes.Index(b, []byte("issuer"))-1]++
			return b
		}, want: "session: chain: cut off"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := testSession()
			if c.change != nil {
				c.change(s)
			}
			b := s.append(nil)
			if c.raw != nil {
				b = c.raw(b)
			}
			got, err := parseSession(b)
			if err == nil || !strings.HasPrefix(err.Error(), c.want) || got != nil {
				t.Errorf("%v, %v", got, err)
			}
		})
	}
}

// slicesOf returns n slices with the text.
func slicesOf(n int, text string) [][]byte {
	list := make([][]byte, n)
	for i := range list {
		list[i] = []byte(text)
	}
	return list
}

func TestWhatFitsATicket(t *testing.T) {
	for _, c := range []struct {
		name string
		s    session
		fits bool
	}{
		{"no certificates", session{}, true},
		{"sixteen certificates", session{chain: slicesOf(16, "cert")}, true},
		{"seventeen certificates", session{chain: slicesOf(17, "cert")}, false},
		{"all the bytes there are", session{chain: [][]byte{make([]byte, maxTicketState-62)}}, true},
		{"a byte more", session{chain: [][]byte{make([]byte, maxTicketState-61)}}, false},
		{"a long staple", session{ocsp: make([]byte, maxTicketState)}, false},
		{"a long scope", session{scope: strings.Repeat("s", maxTicketState)}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.s.fitsTicket(); got != c.fits {
				t.Errorf("fits is %v with %d bytes", got, c.s.size())
			}
		})
	}
}

func TestAClientKeepsSessionsBeyondTheProcess(t *testing.T) {
	s := &Session{session: *testSession(), ticket: []byte("ticket")}
	b, err := s.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(b, s.append(nil)) {
		t.Error("it does not begin as a session")
	}
	got := new(Session)
	if err := got.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if err := got.UnmarshalBinary(b[:n]); err == nil || !strings.HasPrefix(err.Error(), "tlsconn: session: ") {
			t.Fatalf("of %d bytes: %v", n, err)
		}
	}
	if err := got.UnmarshalBinary(append(bytes.Clone(b), 0)); err == nil {
		t.Error("a byte too many was accepted")
	}
	clear(b)
	if !reflect.DeepEqual(got, s) {
		t.Errorf("got %+v\nwant %+v", got, s)
	}
}

func TestATicketIsNeitherEmptyNorTooLong(t *testing.T) {
	if _, err := new(Session).MarshalBinary(); err == nil {
		t.Error("the zero value was encoded")
	}
	for _, n := range []int{0, 1 << 16} {
		b := appendString(appendString(testSession().append(nil), make([]byte, n)), []byte(nil))
		if err := new(Session).UnmarshalBinary(b); err == nil || !strings.Contains(err.Error(), "ticket") {
			t.Errorf("of %d bytes: %v", n, err)
		}
	}
}

// FuzzSession: what is a session has one encoding, and no part of it is the
// caller's. What is none is refused with nothing but an error.
func FuzzSession(f *testing.F) {
	f.Add(testSession().append(nil))
	f.Add(plainSession().append(nil))
	withTicket, err := (&Session{session: *testSession(), ticket: []byte("ticket")}).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(withTicket)
	f.Fuzz(func(t *testing.T, data []byte) {
		given := bytes.Clone(data)
		s, err := parseSession(given)
		var client Session
		clientErr := client.UnmarshalBinary(given)
		if !bytes.Equal(given, data) {
			t.Fatal("the caller's bytes changed")
		}
		clear(given)
		if (s == nil) != (err != nil) {
			t.Fatalf("%v, %v", s, err)
		}
		if s != nil {
			if got := s.append(nil); !bytes.Equal(got, data) || len(got) != s.size() {
				t.Fatalf("size %d, encoded again as %x", s.size(), got)
			}
		}
		if clientErr == nil {
			if got, err := client.MarshalBinary(); err != nil || !bytes.Equal(got, data) {
				t.Fatalf("encoded again as %x, %v", got, err)
			}
		}
	})
}
