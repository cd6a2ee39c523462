package tlsconn

import (
	"crypto/tls"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Clients of others resume TLS 1.2 with us: with session ids, and with tickets, for which
// they are given others.
func TestPeersResumeTLS12WithUs(t *testing.T) {
	ca := newPeerCA(t, keyECDSA)
	for _, tt := range []struct {
		name    string
		openssl []string // options that make the clients do so
		gnutls  string
		set     func(*Config)
	}{
		{"tickets", nil, "", func(c *Config) { c.Tickets = NewTicketKeys(time.Now) }},
		{"ids of a client that knows no tickets", []string{"-no_ticket"}, ":%NO_TICKETS", func(*Config) {}},
		{"ids of a server without tickets", nil, "", func(c *Config) { c.SessionTicketsDisabled = true }},
	} {
		config := &Config{Certificates: serverFor(ca.certify(t, keyECDSA, "example.org")).Certificates,
			MinVersion: tls.VersionTLS12, MaxVersion: tls.VersionTLS12, ServerSessions: NewSessionStore(0)}
		tt.set(config)
		t.Run("OpenSSL, "+tt.name, func(t *testing.T) {
			s := serve(t, always(config), echoing)
			v := newVisit(t, s, ca)
			v.version = tls.VersionTLS12
			had := filepath.Join(t.TempDir(), "session") // it writes none of a resumption
			visit := func(says string, resumed bool, options ...string) {
				t.Helper()
				output, err := sClientVisits(t, v, "example.org", slices.Concat(tt.openssl, options)...)
				if err != nil || !strings.Contains(output, says) {
					t.Fatalf("%v, no %q in the output:\n%s", err, says, output)
				}
				s.want(resumed)
			}
			visit("New, TLSv1.2", false, "-sess_out", had)
			visit("Reused, TLSv1.2", true, "-sess_in", had)
			visit("Reused, TLSv1.2", true, "-sess_in", had)
		})
		t.Run("GnuTLS, "+tt.name, func(t *testing.T) {
			s := serve(t, always(config), echoing)
			v := newVisit(t, s, ca)
			v.version, v.times, v.priority = tls.VersionTLS12, 2, tt.gnutls
			output, err := gnutlsVisits(t, v)
			if says := "*** This is a resumed session"; err != nil || !strings.Contains(output, says) {
				t.Fatalf("%v, no %q in the output:\n%s", err, says, output)
			}
			s.want(false)
			s.want(true)
		})
	}
}
