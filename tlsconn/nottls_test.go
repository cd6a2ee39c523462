package tlsconn

import (
	"errors"
	"strings"
	"testing"
)

func TestWhatIsNotTLSIsTold(t *testing.T) {
	for _, tt := range []struct{ name, came, start string }{
		{"a greeting", "SSH-2.0-OpenSSH_9.9\r\n", "SSH-2.0-OpenSSH_9.9\r\n"},
		{"what looks like a record of TLS but for its version", "\x16\x01\x01\x00\x05hello", "\x16\x01\x01\x00\x05hello"},
		{"a long one, cut", strings.Repeat("longer", 100), strings.Repeat("longer", 100)[:maxNotTLS]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, role := range []Role{RoleClient, RoleServer} {
				p := standardPair(t)
				s := p.client
				if role == RoleServer {
					s = p.server
				}
				s.inject([]byte(tt.came))
				var notTLS *NotTLSError
				if err := s.conn.Handshake(); !errors.As(err, &notTLS) || string(notTLS.Start) != tt.start {
					t.Errorf("%v: error %v, want what came: %q", role, err, tt.start)
				}
			}
		})
	}
}

func TestWhatFollowsTLSIsNotTakenForAnotherProtocol(t *testing.T) {
	p := standardPair(t)
	if err := p.client.conn.Handshake(); err != ErrWantRead {
		t.Fatal(err)
	}
	p.client.inject([]byte("\x14\x03\x03\x00\x01\x01SSH-2.0"))
	var notTLS *NotTLSError
	if err := p.client.conn.Handshake(); err == ErrWantRead || errors.As(err, &notTLS) {
		t.Errorf("error %v, want one that does not show later bytes", err)
	}
}
