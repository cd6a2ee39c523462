package wire

import (
	"errors"
	"slices"
	"testing"
)

// fuzz decodes bodies of one kind of message. Nothing panics; every refusal is
// an *Error that names the message; and what is accepted can be encoded, and
// is the same once decoded again but for what is not kept: unknown extensions,
// and the order of the others.
func fuzz(f *testing.F, kind MessageType) { fuzzMessage(f, kind, malformed, newMessage[kind]) }

// fuzz12 is fuzz for the form that a message has in TLS 1.2.
func fuzz12(f *testing.F, kind MessageType) { fuzzMessage(f, kind, malformed12, newMessage12[kind]) }

func fuzzMessage(f *testing.F, kind MessageType, malformed []malformedBody, fresh func() message) {
	for _, s := range samples() {
		if s.kind == kind { // of the other version too: no valid form is more alike
			f.Add(s.Append(nil)[HeaderLen:])
		}
	}
	for _, c := range malformed {
		if c.kind == kind {
			f.Add([]byte(c.body))
		}
	}
	reused := fresh()
	f.Fuzz(func(t *testing.T, data []byte) {
		first := fresh()
		err := first.Unmarshal(data)
		if again := reused.Unmarshal(data); (again == nil) != (err == nil) {
			t.Fatalf("%v, and decoded into again %v", err, again)
		}
		if err != nil {
			if e := (*Error)(nil); !errors.As(err, &e) || e.Message != kind {
				t.Fatalf("the error %v", err)
			}
			return
		}
		if got, want := contents(reused), contents(first); got != want {
			t.Fatalf("decoded into again\n%s\nwant\n%s", got, want)
		}
		encoded := first.Append(nil)
		second := fresh()
		if err := second.Unmarshal(body(t, kind, encoded)); err != nil {
			t.Fatalf("what was accepted is refused once encoded: %v", err)
		}
		forgetExtensions(first)
		forgetExtensions(second)
		if got, want := contents(second), contents(first); got != want {
			t.Fatalf("decoded, encoded and decoded\n%s\nwant\n%s", got, want)
		}
		if got, want := known(second), known(first); !slices.Equal(got, want) {
			t.Fatalf("decoded, encoded and decoded has %v, want %v", got, want)
		}
	})
}

// known returns which extensions a hello has of those that it can encode.
func known(m message) (types []ExtensionType) {
	switch m := m.(type) {
	case *ClientHello:
		for _, e := range clientHelloOrder {
			if m.Has(e) {
				types = append(types, e)
			}
		}
	case *ServerHello:
		for _, e := range serverHelloOrder {
			if m.Has(e) {
				types = append(types, e)
			}
		}
	}
	return types
}

// forgetExtensions empties the record of what was decoded.
func forgetExtensions(m message) {
	switch m := m.(type) {
	case *ClientHello:
		m.Extensions = nil
	case *ServerHello:
		m.Extensions = nil
	case *EncryptedExtensions:
		m.Extensions = nil
	case *CertificateRequest:
		m.Extensions = nil
	case *NewSessionTicket:
		m.Extensions = nil
	case *Certificate:
		for i := range m.Entries {
			m.Entries[i].Extensions = nil
		}
	}
}

func FuzzClientHello(f *testing.F)         { fuzz(f, TypeClientHello) }
func FuzzServerHello(f *testing.F)         { fuzz(f, TypeServerHello) }
func FuzzEncryptedExtensions(f *testing.F) { fuzz(f, TypeEncryptedExtensions) }
func FuzzCertificateRequest(f *testing.F)  { fuzz(f, TypeCertificateRequest) }
func FuzzCertificate(f *testing.F)         { fuzz(f, TypeCertificate) }
func FuzzCertificateVerify(f *testing.F)   { fuzz(f, TypeCertificateVerify) }
func FuzzEndOfEarlyData(f *testing.F)      { fuzz(f, TypeEndOfEarlyData) }
func FuzzKeyUpdate(f *testing.F)           { fuzz(f, TypeKeyUpdate) }
func FuzzNewSessionTicket(f *testing.F)    { fuzz(f, TypeNewSessionTicket) }

func FuzzHelloRequest(f *testing.F)         { fuzz12(f, TypeHelloRequest) }
func FuzzNewSessionTicket12(f *testing.F)   { fuzz12(f, TypeNewSessionTicket) }
func FuzzCertificate12(f *testing.F)        { fuzz12(f, TypeCertificate) }
func FuzzServerKeyExchange(f *testing.F)    { fuzz12(f, TypeServerKeyExchange) }
func FuzzCertificateRequest12(f *testing.F) { fuzz12(f, TypeCertificateRequest) }
func FuzzServerHelloDone(f *testing.F)      { fuzz12(f, TypeServerHelloDone) }
func FuzzClientKeyExchange(f *testing.F)    { fuzz12(f, TypeClientKeyExchange) }
func FuzzCertificateStatus(f *testing.F)    { fuzz12(f, TypeCertificateStatus) }

func FuzzRawPublicKey12(f *testing.F) {
	fuzzMessage(f, TypeCertificate, malformed12, func() message { return new(RawPublicKey12) })
}
