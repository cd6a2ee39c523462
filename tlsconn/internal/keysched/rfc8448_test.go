package keysched

import (
	"bufio"
	"bytes"
	"crypto"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
)

// An entry is one message or derivation of testdata/rfc8448.txt.
type entry struct {
	name   string
	fields map[string][]byte
}

type trace struct {
	name    string
	entries []entry
}

func readTraces(t *testing.T) []trace {
	t.Helper()
	f, err := os.Open("testdata/rfc8448.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var traces []trace
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "" || line[0] == '#':
		case strings.HasPrefix(line, "section "):
			traces = append(traces, trace{name: line})
		case line[0] != ' ':
			tr := &traces[len(traces)-1]
			tr.entries = append(tr.entries, entry{line, map[string][]byte{}})
		default:
			tr := &traces[len(traces)-1]
			field, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			b, err := hex.DecodeString(value)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			tr.entries[len(tr.entries)-1].fields[field] = b
		}
	}
	if lines.Err() != nil || len(traces) != 5 {
		t.Fatalf("%d traces, error %v", len(traces), lines.Err())
	}
	return traces
}

// helloRetryRequest begins a HelloRetryRequest: a ServerHello with this random (RFC 8446 4.1.3).
var helloRetryRequest, _ = hex.DecodeString(
	"cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")

// schedule replays a trace: it knows the handshake's messages and, from the early and handshake
// extractions, the PSK and the shared secret; all else it derives, as an engine would.
type schedule struct {
	d                        *Deriver
	transcript               []byte
	early, handshake, master Secret
	resumption               Secret
	derived                  map[string]*Secret
}

func (s *schedule) transcriptHash() []byte {
	h := sha256.Sum256(s.transcript)
	return h[:]
}

func (s *schedule) message(m []byte) {
	if m[0] == 2 && bytes.Equal(m[6:38], helloRetryRequest) {
		// "the value of ClientHello1 is replaced with a special synthetic handshake message of
		// handshake type "message_hash" containing Hash(ClientHello1)" (RFC 8446 4.4.1).
		h := s.transcriptHash()
		s.transcript = append([]byte{254, 0, 0, byte(len(h))}, h...)
	}
	s.transcript = append(s.transcript, m...)
}

// source is the secret that label is derived from in RFC 8446 7.1's diagram.
func (s *schedule) source(label string) *Secret {
	switch label {
	case LabelClientEarly, LabelEarlyExporter, LabelResumptionBinder:
		return &s.early
	case LabelClientHandshake, LabelServerHandshake:
		return &s.handshake
	}
	return &s.master
}

func (s *schedule) replay(t *testing.T, e entry) {
	f, d := e.fields, s.d
	equal := func(what string, got, want []byte) {
		t.Helper()
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %s is\n%x, the RFC's\n%x", e.name, what, got, want)
		}
	}
	kind, name, _ := strings.Cut(e.name, " ")
	switch kind {
	case "message":
		s.message(f["bytes"])
	case "extract":
		switch name {
		case "early":
			if psk := f["ikm"]; bytes.Equal(psk, make([]byte, 32)) {
				d.Early(&s.early, nil)
			} else {
				d.Early(&s.early, psk)
			}
			equal(name, s.early[:32], f["secret"])
		case "handshake":
			d.Handshake(&s.handshake, &s.early, f["ikm"])
			equal(name, s.handshake[:32], f["secret"])
		case "master":
			d.Master(&s.master, &s.handshake)
			equal(name, s.master[:32], f["secret"])
		}
		var out Secret
		d.Extract(&out, f["salt"], f["ikm"])
		equal("extraction from the RFC's inputs", out[:32], f["secret"])
	case "derive":
		var out Secret
		if name == LabelDerived {
			copy(out[:], f["prk"])
			d.DeriveSecret(&out, &out, name, d.EmptyHash())
			equal("hash", d.EmptyHash(), f["hash"])
			equal("secret", out[:32], f["expanded"])
			return
		}
		hash := s.transcriptHash()
		equal("transcript hash", hash, f["hash"])
		equal("source", s.source(name)[:32], f["prk"])
		d.DeriveSecret(&out, s.source(name), name, hash)
		equal("secret", out[:32], f["expanded"])
		s.derived[name] = &out
	case "traffic":
		labels := map[string]string{
			"client early":       LabelClientEarly,
			"client handshake":   LabelClientHandshake,
			"server handshake":   LabelServerHandshake,
			"client application": LabelClientApplication,
			"server application": LabelServerApplication,
		}
		secret := s.derived[labels[name]]
		equal("traffic secret", secret[:32], f["prk"])
		key, iv := make([]byte, 16), make([]byte, 12)
		d.TrafficKey(key, iv, secret)
		equal("key", key, f["key"])
		equal("iv", iv, f["iv"])
	case "finished":
		secret := s.derived[name[:1]+" hs traffic"]
		equal("base key", secret[:32], f["prk"])
		key := make([]byte, 32)
		d.ExpandLabel(key, secret[:32], "finished", nil)
		equal("finished key", key, f["expanded"])
		equal("verify_data", d.FinishedMAC(nil, secret, s.transcriptHash()), f["finished"])
	case "binder":
		var binderKey Secret
		d.DeriveSecret(&binderKey, &s.early, LabelResumptionBinder, d.EmptyHash())
		equal("binder key", binderKey[:32], f["prk"])
		hash := sha256.Sum256(f["prefix"])
		equal("hash of the truncated ClientHello", hash[:], f["hash"])
		equal("binder", d.FinishedMAC(nil, &binderKey, hash[:]), f["finished"])
	case "resumption":
		var psk Secret
		equal("resumption secret", s.derived[LabelResumption][:32], f["prk"])
		d.ResumptionPSK(&psk, s.derived[LabelResumption], f["nonce"])
		equal("PSK", psk[:32], f["expanded"])
		s.resumption = psk
	default:
		t.Fatalf("unknown entry %q", e.name)
	}
}

func TestEveryDerivationOfRFC8448(t *testing.T) {
	var resumption Secret // of section 3, which section 4 resumes
	for _, tr := range readTraces(t) {
		t.Run(tr.name, func(t *testing.T) {
			s := schedule{d: New(crypto.SHA256), derived: map[string]*Secret{}}
			for i, e := range tr.entries {
				t.Run(fmt.Sprintf("%d %s", i, e.name), func(t *testing.T) { s.replay(t, e) })
			}
			switch {
			case strings.HasPrefix(tr.name, "section 3"):
				resumption = s.resumption
			case strings.HasPrefix(tr.name, "section 4"):
				var early Secret
				s.d.Early(&early, resumption[:32])
				if early != s.early {
					t.Error("the PSK of section 3's ticket does not lead to section 4's early secret")
				}
			}
		})
	}
}
