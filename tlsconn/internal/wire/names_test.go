package wire

import (
	"crypto/sha256"
	"testing"
)

func TestNamesAreThoseOfTheRFCs(t *testing.T) {
	for _, c := range []struct {
		got  interface{ String() string }
		want string
	}{
		{TypeClientHello, "client_hello"},
		{TypeEncryptedExtensions, "encrypted_extensions"},
		{TypeKeyUpdate, "key_update"},
		{TypeMessageHash, "message_hash"},
		{TypeHelloRequest, "hello_request"},
		{TypeServerKeyExchange, "server_key_exchange"},
		{TypeServerHelloDone, "server_hello_done"},
		{TypeClientKeyExchange, "client_key_exchange"},
		{TypeCertificateStatus, "certificate_status"},
		{MessageType(3), "hello_verify_request"},
		{MessageType(99), "handshake_type(99)"},
		{ExtServerName, "server_name"},
		{ExtALPN, "application_layer_protocol_negotiation"},
		{ExtRenegotiationInfo, "renegotiation_info"},
		{ExtensionType(0x0A0A), "extension(0x0a0a)"},
	} {
		if c.got.String() != c.want {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}

func TestErrorsNameTheMessageAndTheField(t *testing.T) {
	for _, c := range []struct {
		err  Error
		want string
	}{
		{Error{Message: TypeClientHello, Field: "key_share.client_shares", Reason: "truncated"}, "client_hello: key_share.client_shares: truncated"},
		{Error{Message: TypeKeyUpdate, Reason: "trailing bytes"}, "key_update: trailing bytes"},
	} {
		if c.err.Error() != c.want {
			t.Errorf("%s, want %s", c.err.Error(), c.want)
		}
	}
}

// RFC 8446 section 4.1.3.
func TestSpecialRandomsAreThoseOfTheRFC(t *testing.T) {
	if HelloRetryRequestRandom != sha256.Sum256([]byte("HelloRetryRequest")) {
		t.Error("HelloRetryRequestRandom is not the SHA-256 of its name")
	}
	if DowngradeTLS12 != [8]byte{0x44, 0x4F, 0x57, 0x4E, 0x47, 0x52, 0x44, 0x01} {
		t.Errorf("DowngradeTLS12 = %x", DowngradeTLS12)
	}
	if DowngradeTLS11 != [8]byte{0x44, 0x4F, 0x57, 0x4E, 0x47, 0x52, 0x44, 0x00} {
		t.Errorf("DowngradeTLS11 = %x", DowngradeTLS11)
	}
}

// RFC 8446 sections 4.4.1 and 4.4.4.
func TestMessagesOfAHashAreTheHeaderAndTheHash(t *testing.T) {
	if got := AppendMessageHash([]byte("b"), []byte("hash")); string(got) != "b\xfe\x00\x00\x04hash" {
		t.Errorf("message_hash %x", got)
	}
	if got := AppendFinished([]byte("b"), []byte("hash")); string(got) != "b\x14\x00\x00\x04hash" {
		t.Errorf("finished %x", got)
	}
}
