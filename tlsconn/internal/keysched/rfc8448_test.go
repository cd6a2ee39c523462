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

// replay derives what e says and compares it with the RFC's values.
func (s *schedule) replay(t *testing.T, e entry) {
	f := e.fields
	switch kind, name, _ := strings.Cut(e.name, " "); kind {
	case "message":
		s.message(f["bytes"])
	case "extract":
		s.extract(t, name, f)
	case "derive":
		s.derive(t, name, f)
	case "traffic":
		s.traffic(t, name, f)
	case "finished":
		secret := s.derived[name[:1]+" hs traffic"]
		equal(t, "base key", secret[:32], f["prk"])
		key := make([]byte, 32)
		s.d.ExpandLabel(key, secret[:32], "finished", nil)
		equal(t, "finished key", key, f["expanded"])
		equal(t, "verify_data", s.d.FinishedMAC(nil, secret, s.transcriptHash()), f["finished"])
	case "binder":
		var binderKey Secret
		s.d.DeriveSecret(&binderKey, &s.early, LabelResumptionBinder, s.d.EmptyHash())
		equal(t, "binder key", binderKey[:32], f["prk"])
		hash := sha256.Sum256(f["prefix"])
		equal(t, "hash of the truncated ClientHello", hash[:], f["hash"])
		equal(t, "binder", s.d.FinishedMAC(nil, &binderKey, hash[:]), f["finished"])
	case "resumption":
		equal(t, "resumption secret", s.derived[LabelResumption][:32], f["prk"])
		s.d.ResumptionPSK(&s.resumption, s.derived[LabelResumption], f["nonce"])
		equal(t, "PSK", s.resumption[:32], f["expanded"])
	default:
		t.Fatalf("unknown entry %q", e.name)
	}
}

func (s *schedule) extract(t *testing.T, name string, f map[string][]byte) {
	switch name {
	case "early":
		psk := f["ikm"]
		if bytes.Equal(psk, make([]byte, 32)) {
			psk = nil
		}
		s.d.Early(&s.early, psk)
		equal(t, name, s.early[:32], f["secret"])
	case "handshake":
		s.d.Handshake(&s.handshake, &s.early, f["ikm"])
		equal(t, name, s.handshake[:32], f["secret"])
	case "master":
		s.d.Master(&s.master, &s.handshake)
		equal(t, name, s.master[:32], f["secret"])
	}
	var out Secret
	s.d.Extract(&out, f["salt"], f["ikm"])
	equal(t, "extraction from the RFC's inputs", out[:32], f["secret"])
}

func (s *schedule) derive(t *testing.T, label string, f map[string][]byte) {
	var out Secret
	if label == LabelDerived {
		copy(out[:], f["prk"])
		s.d.DeriveSecret(&out, &out, label, s.d.EmptyHash())
		equal(t, "hash", s.d.EmptyHash(), f["hash"])
		equal(t, "secret", out[:32], f["expanded"])
		return
	}
	hash := s.transcriptHash()
	equal(t, "transcript hash", hash, f["hash"])
	equal(t, "source", s.source(label)[:32], f["prk"])
	s.d.DeriveSecret(&out, s.source(label), label, hash)
	equal(t, "secret", out[:32], f["expanded"])
	s.derived[label] = &out
}

func (s *schedule) traffic(t *testing.T, name string, f map[string][]byte) {
	secret := s.derived[map[string]string{
		"client early":       LabelClientEarly,
		"client handshake":   LabelClientHandshake,
		"server handshake":   LabelServerHandshake,
		"client application": LabelClientApplication,
		"server application": LabelServerApplication,
	}[name]]
	equal(t, "traffic secret", secret[:32], f["prk"])
	key, iv := make([]byte, 16), make([]byte, 12)
	s.d.TrafficKey(key, iv, secret)
	equal(t, "key", key, f["key"])
	equal(t, "iv", iv, f["iv"])
}

func equal(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s is\n%x, the RFC's\n%x", what, got, want)
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
