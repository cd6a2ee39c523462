package tlsconn

import "crypto/tls"

// tls12Flows are those of TLS 1.2.
var tls12Flows = []flow{
	{
		name: "TLS 1.2: full handshake, data, close_notify both ways",
		set:  only12,

		script:     exchange,
		everySplit: true,
	},
	{
		name: "TLS 1.2: RSA, a client certificate, and a client that knows TLS 1.3 too",
		set: func(s *scene) {
			only12(s)
			s.client.MaxVersion = 0
			s.server.Certificates = []tls.Certificate{s.rsa}
			s.client.Certificates = []tls.Certificate{s.clientRSA}
			s.server.ClientAuth, s.server.ClientCAs = tls.RequireAndVerifyClientCert, s.ca.pool
		},
		script: exchange,
	},
	{
		name: "TLS 1.2: ChaCha20-Poly1305 and no certificate of the client's",
		set: func(s *scene) {
			only12(s)
			s.client.CipherSuites = []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}
			s.server.ClientAuth = tls.RequestClientCert
		},
		script: exchange,
	},
}

// only12 leaves a scene nothing but TLS 1.2.
func only12(s *scene) {
	for _, c := range []*Config{s.client, s.server} {
		c.MinVersion, c.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	}
}
