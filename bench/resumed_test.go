package main

import (
	"crypto/tls"
	"strings"
	"testing"
)

func TestTheLoadRefusesWhatDoesNotResume(t *testing.T) {
	_, cert, agreed := agreedFiles(t)
	none := serverConfig(cert)
	none.SessionTicketsDisabled = true
	forgetful := serverConfig(cert)
	forgetful.UnwrapSession = func([]byte, tls.ConnectionState) (*tls.SessionState, error) { return nil, nil }
	for _, tt := range []struct {
		name          string
		config        *tls.Config
		prime, resume string // a part of the error; "" for none
	}{
		{"a server that issues tickets and takes them", serverConfig(cert), "", ""},
		{"a server without tickets", none, "0 tickets", "with 0 tickets"},
		{"a server that issues tickets and does not take them", forgetful, "", "not a resumed one"},
	} {
		c := crewOf(t, listening(t, (&peer{config: tt.config}).serve), agreed)
		for _, job := range []struct {
			name, want string
			err        error
		}{{"prime", tt.prime, c.prime(4)}, {"resume", tt.resume, c.resumed(12, 4)}} {
			if err := job.err; (err != nil) != (job.want != "") || err != nil && !strings.Contains(err.Error(), job.want) {
				t.Errorf("%s: %s: %v, want an error with %q", tt.name, job.name, err, job.want)
			}
		}
	}
}
