package main

import (
	"strings"
	"testing"
)

// An operator says which versions are spoken; who has none of them is told so, and the log says of whom.
func TestServeSpeaksTheVersionsThatItIsTold(t *testing.T) {
	for _, tt := range []struct {
		name    string
		flags   []string
		client  string
		refused bool
	}{
		{"both by default", nil, "-tls1_2", false},
		{"TLS 1.3 alone", []string{"--tls-min", "1.3"}, "-tls1_2", true},
		{"TLS 1.2 alone", []string{"--tls-max", "1.2"}, "-tls1_3", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := start(t, append(tt.flags, "--echo")...)
			out, err := toolResult(t, "", "openssl", "s_client", "-connect", p.addr, tt.client)
			if (err != nil) != tt.refused || strings.Contains(out, "protocol version") != tt.refused {
				t.Errorf("%v:\n%s", err, out)
			}
			if !tt.refused {
				p.await(`msg=access .*version="TLS 1\.2" suite=TLS_ECDHE_ECDSA_WITH_AES_\S+ group=X25519`)
				return
			}
			p.await(`msg="handshake failed" .*alert protocol_version`)
		})
	}
}
