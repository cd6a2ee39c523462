package tlsconn

import (
	"crypto/mlkem"
	"crypto/tls"
)

// MLKEM1024 is the group of ML-KEM-1024 alone (draft-ietf-tls-mlkem), for who must
// have its security category and does not want a hybrid. It is not enabled by default.
const MLKEM1024 tls.CurveID = 0x0202

// kem is the ML-KEM (FIPS 203) in a group.
type kem struct {
	keyLen, ciphertextLen int
	generate              func() (decapsulator, error)
	encapsulate           func(key []byte) (secret, ciphertext []byte, err error)
}

// decapsulator is a private key. public is the encapsulation key.
type decapsulator interface {
	Decapsulate(ciphertext []byte) (secret []byte, err error)
	public() []byte
}

// kemOf returns a group's KEM, nil for a group without one.
func kemOf(g tls.CurveID) *kem {
	switch g {
	case tls.X25519MLKEM768:
		return &mlkem768
	case MLKEM1024:
		return &mlkem1024
	}
	return nil
}

type key768 struct{ *mlkem.DecapsulationKey768 }

func (k key768) public() []byte { return k.EncapsulationKey().Bytes() }

type key1024 struct{ *mlkem.DecapsulationKey1024 }

func (k key1024) public() []byte { return k.EncapsulationKey().Bytes() }

var mlkem768 = kem{
	keyLen:        mlkem.EncapsulationKeySize768,
	ciphertextLen: mlkem.CiphertextSize768,
	generate: func() (decapsulator, error) {
		key, err := mlkem.GenerateKey768()
		return key768{key}, err
	},
	encapsulate: func(key []byte) (secret, ciphertext []byte, err error) {
		public, err := mlkem.NewEncapsulationKey768(key)
		if err != nil {
			return nil, nil, errShare
		}
		secret, ciphertext = public.Encapsulate()
		return secret, ciphertext, nil
	},
}

var mlkem1024 = kem{
	keyLen:        mlkem.EncapsulationKeySize1024,
	ciphertextLen: mlkem.CiphertextSize1024,
	generate: func() (decapsulator, error) {
		key, err := mlkem.GenerateKey1024()
		return key1024{key}, err
	},
	encapsulate: func(key []byte) (secret, ciphertext []byte, err error) {
		public, err := mlkem.NewEncapsulationKey1024(key)
		if err != nil {
			return nil, nil, errShare
		}
		secret, ciphertext = public.Encapsulate()
		return secret, ciphertext, nil
	},
}
