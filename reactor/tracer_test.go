package reactor

import (
	"crypto/tls"
	"net"
	"slices"
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// A traced probe writes down the handshake of its connection.
type traced struct {
	*probe
	states []string // the loop's, until the connection has ended
	wants  map[string]bool
}

func newTraced() *traced { return &traced{probe: newProbe(), wants: make(map[string]bool)} }

func (h *traced) Handshaking(_ *Conn, state tlsconn.State, want tlsconn.Want) {
	if want == 0 {
		h.states = append(h.states, state.String())
		return
	}
	h.wants[state.String()+" wants "+want.String()] = true
}

// Closed asks for what is said to stay known.
func (h *traced) Closed(c *Conn, reason Reason, err error) {
	if c.ConnectionState().ServerName != "" {
		h.states = append(h.states, "closed: "+c.ConnectionState().ServerName)
	}
	h.probe.Closed(c, reason, err)
}

func TestATracerSeesEachStateAndWant(t *testing.T) {
	up := []string{"expectClientHello", "selectParameters", "awaitCertificate", "sendServerHello", "awaitSignature", "sendServerFinished",
		"expectClientFinished", "connected", "closed: localhost"}
	// What the peer or a worker has ready in time is waited for in vain, or not at all.
	may := []string{"expectClientHello wants read", "expectSecondClientHello wants read", "awaitSignature wants app",
		"expectClientFinished wants read"}
	for _, tt := range []struct {
		name   string
		server *tlsconn.Config
		want   []string
	}{
		{"a key that signs on the loop", serverConfig(), up},
		{"a key that signs elsewhere", rsaServerConfig(), up},
		{"a second ClientHello", retryServerConfig(), slices.Insert(slices.Clone(up), 2, "sendHelloRetryRequest", "expectSecondClientHello")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newReactor(t, Config{})
			h := newTraced()
			h.onOpened = (*Conn).Close
			conn := tls.Client(dialTCP(t, serve(t, r, tt.server, h)), &tls.Config{
				InsecureSkipVerify: true, ServerName: "localhost", CurvePreferences: []tls.CurveID{tls.X25519, tls.CurveP256},
			})
			must(t, conn.Handshake())
			must(t, conn.Close())
			h.wantClosed(t, ReasonClosed)
			if !slices.Equal(h.states, tt.want) {
				t.Errorf("states\n%q, want\n%q", h.states, tt.want)
			}
			if !h.wants[may[0]] {
				t.Errorf("wants %v, want the first, %q", h.wants, may[0])
			}
			for w := range h.wants {
				if !slices.Contains(may, w) {
					t.Errorf("%s", w)
				}
			}
		})
	}
}

// retryServerConfig asks clients that begin with X25519 for another share.
func retryServerConfig() *tlsconn.Config {
	config := server(ecdsaKey())
	config.CurvePreferences = []tls.CurveID{tls.CurveP256}
	return config
}

func TestATracerSeesADialedHandshakeFail(t *testing.T) {
	r := newReactor(t, Config{})
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	h := newTraced()
	dial(t, r, "tcp", ln.Addr().String(), clientConfig(), h)
	conn, err := ln.Accept()
	must(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte{21, 3, 3, 0, 2, 2, 40}) // handshake_failure
	must(t, err)
	h.wantClosed(t, ReasonPeerAlert)
	if want := []string{"sendClientHello", "expectServerHello", "failed"}; !slices.Equal(h.states, want) {
		t.Errorf("states %q, want %q", h.states, want)
	}
	if !h.wants["sendClientHello wants write"] {
		t.Errorf("wants %v, want the first", h.wants)
	}
}
