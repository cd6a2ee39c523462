package serve

import (
	"fmt"

	"github.com/tlsreactor/tlsreactor/cmd/tlsreactor/internal/certs"
)

// certFlags collects --cert and --key in the order in which they were given.
type certFlags struct {
	certs []string
	keys  []keyFlag
}

// A keyFlag is a --key behind so many --cert.
type keyFlag struct {
	file  string
	after int
}

func (f *certFlags) addCert(file string) error {
	f.certs = append(f.certs, file)
	return nil
}

func (f *certFlags) addKey(file string) error {
	f.keys = append(f.keys, keyFlag{file, len(f.certs)})
	return nil
}

// pairs gives each --cert its --key: in order if there are as many, wherever they stand; else each
// --key belongs to the --cert before it, and the file of a --cert without one holds both.
func (f *certFlags) pairs() ([]certs.Files, error) {
	var pairs []certs.Files
	for _, cert := range f.certs {
		pairs = append(pairs, certs.Files{Cert: cert})
	}
	inOrder := len(f.keys) == len(f.certs)
	for i, key := range f.keys {
		at := key.after - 1
		if inOrder {
			at = i
		}
		switch {
		case at < 0:
			return nil, fmt.Errorf("--key %s: --cert is missing before it, the file of its certificate (may be the same file)", key.file)
		case pairs[at].Key != "":
			return nil, fmt.Errorf("--key %s: --cert %s has a key already, --key %s", key.file, pairs[at].Cert, pairs[at].Key)
		}
		pairs[at].Key = key.file
	}
	for i := range pairs {
		if pairs[i].Key == "" {
			pairs[i].Key = pairs[i].Cert
		}
	}
	return pairs, nil
}
