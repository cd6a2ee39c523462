package tlsconn

import "crypto/tls"

// sessionOf returns the session that a ticket's state says, if a server may resume it
// here and now as far as that does not depend on the version; else nil. A ticket never
// gets over a trust policy (CVE-2025-23419, CVE-2025-68121). It clears state.
func (c *Conn) sessionOf(state []byte) *session {
	if len(state) == 0 {
		return nil
	}
	s, err := parseSession(state)
	clear(state)
	if err != nil {
		return nil // sealed by another version of this program
	}
	if !c.permits(s) {
		clear(s.psk)
		return nil
	}
	return s
}

// permits tells whether a session is what would be agreed on now, under the policy of
// now.
func (c *Conn) permits(s *session) bool {
	p, _ := c.config.prepare()
	f := &c.facts
	if !s.fresh(p.now()) || s.serverName != f.serverName || s.protocol != f.protocol ||
		s.scope != c.config.SessionScope || s.clientAuth != c.config.ClientAuth {
		return false
	}
	if len(s.chain) > 0 && !p.takes(s.clientType()) {
		return false
	}
	switch c.config.ClientAuth {
	case tls.RequireAnyClientCert, tls.RequireAndVerifyClientCert:
		return len(s.chain) > 0
	case tls.NoClientCert, tls.RequestClientCert, tls.VerifyClientCertIfGiven:
	}
	return true
}
