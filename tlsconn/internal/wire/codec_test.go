package wire

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
)

// message is what every message of the package is.
type message interface {
	Unmarshal(body []byte) error
	Append(b []byte) []byte
}

// sample is a message with every field in use. The Extensions of a sample are
// those it has once decoded: Append does not look at them.
type sample struct {
	name string
	kind MessageType
	message
}

// fresh returns a zero message of the sample's kind.
func (s sample) fresh() message {
	return reflect.New(reflect.TypeOf(s.message).Elem()).Interface().(message)
}

// samples are the messages of both versions.
func samples() []sample { return append(samples13(), samples12()...) }

func samples13() []sample {
	return []sample{
		{"client_hello with every extension", TypeClientHello, fullClientHello()},
		{"client_hello of TLS 1.2 without extensions", TypeClientHello, &ClientHello{
			LegacyVersion: 0x0303, CipherSuites: []uint16{0xC02B}, CompressionMethods: []byte{0},
		}},
		{"client_hello with an empty key_share", TypeClientHello, func() message {
			m := &ClientHello{CipherSuites: []uint16{0x1301}, CompressionMethods: []byte{0},
				Extensions: []ExtensionType{ExtKeyShare}}
			m.Offer(ExtKeyShare)
			return m
		}()},
		{"server_hello of TLS 1.3", TypeServerHello, fullServerHello13()},
		{"server_hello of TLS 1.2", TypeServerHello, fullServerHello12()},
		{"server_hello without extensions", TypeServerHello, &ServerHello{LegacyVersion: 0x0303, CipherSuite: 0xC02B}},
		{"hello_retry_request", TypeServerHello, &ServerHello{
			LegacyVersion: 0x0303, Random: HelloRetryRequestRandom, SessionID: filled(32, 4), CipherSuite: 0x1302,
			Extensions:       []ExtensionType{ExtSupportedVersions, ExtKeyShare, ExtCookie},
			SupportedVersion: 0x0304, SelectedGroup: 0x11EC, Cookie: filled(40, 5),
		}},
		{"encrypted_extensions", TypeEncryptedExtensions, &EncryptedExtensions{
			Extensions: []ExtensionType{ExtServerName, ExtALPN, ExtSupportedGroups, ExtClientCertificateType, ExtRecordSizeLimit, ExtEarlyData},
			ALPN:       []byte("h2"), ServerNameAck: true, EarlyData: true,
			SupportedGroups: []uint16{0x11EC, 0x001D}, ClientCertificateType: []byte{0}, RecordSizeLimit: 16385,
		}},
		{"encrypted_extensions without any", TypeEncryptedExtensions, &EncryptedExtensions{}},
		{"certificate_request", TypeCertificateRequest, &CertificateRequest{
			Context: []byte{1, 2, 3},
			Extensions: []ExtensionType{ExtStatusRequest, ExtSCT, ExtSignatureAlgorithms,
				ExtSignatureAlgorithmsCert, ExtCertificateAuthorities},
			SignatureAlgorithms: []uint16{0x0403, 0x0804}, SignatureAlgorithmsCert: []uint16{0x0401},
			CertificateAuthorities: [][]byte{filled(30, 6), filled(1, 7)},
			StatusRequest:          true, SCT: true,
		}},
		{"certificate", TypeCertificate, &Certificate{Context: []byte{9}, Entries: []CertificateEntry{
			{Data: filled(700, 8), Extensions: []ExtensionType{ExtStatusRequest, ExtSCT},
				OCSPStaple: filled(50, 9), SCTs: [][]byte{filled(3, 1), filled(4, 2)}},
			{Data: filled(1, 8)},
		}}},
		{"certificate without any", TypeCertificate, &Certificate{}},
		{"certificate_verify", TypeCertificateVerify, &CertificateVerify{Algorithm: 0x0403, Signature: filled(71, 3)}},
		{"end_of_early_data", TypeEndOfEarlyData, &EndOfEarlyData{}},
		{"key_update that requests one", TypeKeyUpdate, &KeyUpdate{RequestUpdate: true}},
		{"key_update that does not", TypeKeyUpdate, &KeyUpdate{}},
		{"new_session_ticket", TypeNewSessionTicket, &NewSessionTicket{
			Lifetime: 604800, AgeAdd: 0xDEADBEEF, Nonce: []byte{0, 1}, Ticket: filled(200, 1),
			Extensions: []ExtensionType{ExtEarlyData}, HasEarlyData: true, MaxEarlyData: 16384,
		}},
	}
}

func fullClientHello() *ClientHello {
	m := &ClientHello{
		LegacyVersion: 0x0303, Random: [32]byte(filled(32, 1)), SessionID: filled(32, 2),
		CipherSuites: []uint16{0x1301, 0x1303, 0xC02B, 0x0A0A}, CompressionMethods: []byte{0},
		Extensions:        clientHelloOrder[:],
		ServerName:        []byte("server.example"),
		SupportedVersions: []uint16{0x0304, 0x0303}, SupportedGroups: []uint16{0x11EC, 0x001D},
		SignatureAlgorithms: []uint16{0x0403}, SignatureAlgorithmsCert: []uint16{0x0804, 0x0401},
		PointFormats: []byte{0}, KeyShares: []KeyShare{{0x001D, filled(32, 3)}, {0x0017, filled(65, 4)}},
		ALPN: [][]byte{[]byte("h2"), []byte("http/1.1")}, Cookie: filled(20, 5), PSKModes: []byte{1, 0},
		PSKIdentities:          []PSKIdentity{{filled(100, 6), 12345}, {filled(1, 7), 0}},
		PSKBinders:             [][]byte{filled(32, 8), filled(48, 9)},
		CertificateAuthorities: [][]byte{filled(30, 1)}, RecordSizeLimit: 64,
		SessionTicket: filled(10, 2), RenegotiationInfo: filled(12, 3), ServerCertificateTypes: []byte{2, 0},
		ClientCertificateTypes: []byte{0, 2},
	}
	for _, t := range []ExtensionType{ExtExtendedMasterSecret, ExtStatusRequest, ExtSCT, ExtPostHandshakeAuth, ExtEarlyData} {
		m.Offer(t)
	}
	return m
}

func fullServerHello13() *ServerHello {
	m := &ServerHello{
		LegacyVersion: 0x0303, Random: [32]byte(filled(32, 1)), SessionID: filled(32, 2), CipherSuite: 0x1301,
		Extensions:       []ExtensionType{ExtSupportedVersions, ExtKeyShare, ExtPreSharedKey},
		SupportedVersion: 0x0304, KeyShare: KeyShare{0x001D, filled(32, 3)},
	}
	m.Answer(ExtPreSharedKey) // the first identity
	return m
}

func fullServerHello12() *ServerHello {
	m := &ServerHello{
		LegacyVersion: 0x0303, Random: [32]byte(filled(32, 1)), SessionID: filled(1, 2), CipherSuite: 0xC02B,
		Extensions: serverHelloOrder[4:],
		ALPN:       []byte("h2"), PointFormats: []byte{0}, RenegotiationInfo: filled(24, 3), SCTs: [][]byte{filled(9, 4)},
		ClientCertificateType: []byte{2}, RecordSizeLimit: 16384,
	}
	for _, t := range []ExtensionType{ExtServerName, ExtExtendedMasterSecret, ExtSessionTicket, ExtStatusRequest} {
		m.Answer(t)
	}
	return m
}

// filled returns n bytes that count up from first.
func filled(n int, first byte) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

// contents renders every exported field, an empty list as an absent one.
func contents(m message) string {
	v := reflect.ValueOf(m).Elem()
	var s []string
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			s = append(s, fmt.Sprintf("%s: %+v", f.Name, v.Field(i).Interface()))
		}
	}
	return fmt.Sprintf("%q", s)
}

// body returns the message without its header, having checked that.
func body(t *testing.T, kind MessageType, encoded []byte) []byte {
	t.Helper()
	if len(encoded) < HeaderLen {
		t.Fatalf("%d bytes are no message", len(encoded))
	}
	want := AppendHeader(nil, kind, len(encoded)-HeaderLen)
	if got := encoded[:HeaderLen]; !bytes.Equal(got, want) {
		t.Fatalf("header %x, want %x", got, want)
	}
	return encoded[HeaderLen:]
}

func TestWhatIsEncodedDecodesToTheSame(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			before := []byte("before")
			encoded := s.Append(before)
			if !bytes.HasPrefix(encoded, before) {
				t.Fatal("Append did not append")
			}
			encoded = encoded[len(before):]
			m := s.fresh()
			if err := m.Unmarshal(body(t, s.kind, encoded)); err != nil {
				t.Fatal(err)
			}
			if got, want := contents(m), contents(s.message); got != want {
				t.Errorf("decoded\n%s\nwant\n%s", got, want)
			}
			if again := m.Append(nil); !bytes.Equal(again, encoded) {
				t.Errorf("encoded again\n%x\nwant\n%x", again, encoded)
			}
		})
	}
}

// A hello without an extension block is whole in TLS 1.2, so the one prefix
// that ends before the block is.
func TestEveryStrictPrefixIsRefused(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			b := body(t, s.kind, s.Append(nil))
			blockless := -1
			switch m := s.message.(type) {
			case *ClientHello:
				blockless = 2 + 32 + 1 + len(m.SessionID) + 2 + 2*len(m.CipherSuites) + 1 + len(m.CompressionMethods)
			case *ServerHello:
				if !m.IsHelloRetryRequest() {
					blockless = 2 + 32 + 1 + len(m.SessionID) + 2 + 1
				}
			}
			for n := range b {
				if err := s.fresh().Unmarshal(b[:n:n]); (err == nil) != (n == blockless) {
					t.Errorf("the first %d of %d bytes: %v", n, len(b), err)
				}
			}
		})
	}
}

func TestATrailingByteIsRefused(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			b := body(t, s.kind, s.Append(nil))
			for _, extra := range []byte{0, 1, 0xFF} {
				if err := s.fresh().Unmarshal(append(b[:len(b):len(b)], extra)); err == nil {
					t.Errorf("accepted with %#x behind it", extra)
				}
			}
		})
	}
}

func TestAMessageDecodedIntoAgainDoesNotAllocate(t *testing.T) {
	for _, s := range samples() {
		t.Run(s.name, func(t *testing.T) {
			b := body(t, s.kind, s.Append(nil))
			m := s.fresh()
			if n := testing.AllocsPerRun(20, func() {
				if err := m.Unmarshal(b); err != nil {
					t.Fatal(err)
				}
			}); n != 0 {
				t.Errorf("%v allocations", n)
			}
		})
	}
}

func TestAMessageDecodedIntoAgainKeepsNothing(t *testing.T) {
	for _, s := range samples() {
		for _, first := range samples() {
			if reflect.TypeOf(s.message) != reflect.TypeOf(first.message) {
				continue
			}
			m := s.fresh()
			for _, x := range []sample{first, s} {
				if err := m.Unmarshal(body(t, x.kind, x.Append(nil))); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := contents(m), contents(s.message); got != want {
				t.Errorf("%s after %s decoded\n%s\nwant\n%s", s.name, first.name, got, want)
			}
		}
	}
}

func TestAppendToALongEnoughBufferDoesNotAllocate(t *testing.T) {
	buffer := make([]byte, 0, 4096)
	for _, s := range samples() {
		if n := testing.AllocsPerRun(20, func() { s.Append(buffer) }); n != 0 {
			t.Errorf("%s: %v allocations", s.name, n)
		}
	}
}

// An append to what was decoded must not reach the bytes behind it.
func TestDecodedBytesAliasTheBodyAndAreClipped(t *testing.T) {
	b := body(t, TypeClientHello, fullClientHello().Append(nil))
	original := bytes.Clone(b)
	var m ClientHello
	if err := m.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	for _, v := range [][]byte{m.SessionID, m.ServerName, m.Cookie, m.SessionTicket, m.KeyShares[0].KeyExchange,
		m.ALPN[0], m.PSKIdentities[0].Identity, m.PSKBinders[0]} {
		_ = append(v, 0xEE)
		if !bytes.Equal(b, original) {
			t.Fatalf("append to %x wrote into the body", v)
		}
	}
	b[2+32+1]++ // the first byte of the session id
	if m.SessionID[0] != original[2+32+1]+1 {
		t.Error("the session id is a copy")
	}
}

func TestAReusedMessageLetsGoOfLongLists(t *testing.T) {
	long := &ClientHello{CipherSuites: []uint16{0x1301}, CompressionMethods: []byte{0}}
	for range 4 * maxKept {
		long.ALPN = append(long.ALPN, []byte{'x'})
	}
	b := body(t, TypeClientHello, long.Append(nil))
	var m ClientHello
	if err := m.Unmarshal(b); err != nil {
		t.Fatal(err)
	}
	m.reset()
	if cap(m.ALPN) > maxKept {
		t.Errorf("a list of %d entries was kept", cap(m.ALPN))
	}
}
