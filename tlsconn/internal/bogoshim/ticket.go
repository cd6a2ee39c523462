package main

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"fmt"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// ticketKey seals tickets in the form that the runner can open and change, as
// BoringSSL's: the key's name, an IV, an ASN.1 structure under AES-128-CBC, and an
// HMAC-SHA256 of all that. Name, HMAC key and AES key are 16 bytes each.
type ticketKey [48]byte

// newTicketKey takes the key of -ticket-key, or makes one without.
func newTicketKey(configured []byte) (*ticketKey, error) {
	k := new(ticketKey)
	switch len(configured) {
	case len(k):
		copy(k[:], configured)
	case 0:
		rand.Read(k[:])
	default:
		return nil, unimplemented("a ticket key of %d bytes", len(configured))
	}
	return k, nil
}

// ticketContent is what the runner reads of a ticket, and changes: the second and
// third field. The last one is the state of the engine, which begins with its
// format (one byte), the version and the cipher suite (two each).
type ticketContent struct {
	Format  int
	Version int
	Suite   []byte
	State   []byte
}

func (k *ticketKey) name() []byte { return k[:16] }

func (k *ticketKey) mac(sealed []byte) []byte {
	h := hmac.New(sha256.New, k[16:32])
	h.Write(sealed)
	return h.Sum(nil)
}

func (k *ticketKey) block() cipher.Block {
	block, err := aes.NewCipher(k[32:])
	if err != nil {
		panic(err) // 16 bytes are a key
	}
	return block
}

// seal makes a ticket of the engine's state.
func (k *ticketKey) seal(state []byte) ([]byte, error) {
	if len(state) < 5 {
		return nil, fmt.Errorf("a state of %d bytes", len(state))
	}
	return k.encrypt(ticketContent{
		Format:  1,
		Version: int(binary.BigEndian.Uint16(state[1:])),
		Suite:   state[3:5],
		State:   state,
	})
}

func (k *ticketKey) encrypt(content ticketContent) ([]byte, error) {
	plain, err := asn1.Marshal(content)
	if err != nil {
		return nil, err
	}
	pad := aes.BlockSize - len(plain)%aes.BlockSize
	plain = append(plain, bytes.Repeat([]byte{byte(pad)}, pad)...)
	ticket := append([]byte(nil), k.name()...)
	iv := make([]byte, aes.BlockSize)
	rand.Read(iv)
	ticket = append(ticket, iv...)
	cipher.NewCBCEncrypter(k.block(), iv).CryptBlocks(plain, plain)
	ticket = append(ticket, plain...)
	return append(ticket, k.mac(ticket)...), nil
}

// open returns the state in a ticket, with what the runner has changed; nil if the
// ticket is not one of this key's.
func (k *ticketKey) open(ticket []byte) []byte {
	const header = 16 + aes.BlockSize
	n := len(ticket) - sha256.Size
	if n < header+aes.BlockSize || (n-header)%aes.BlockSize != 0 || !bytes.HasPrefix(ticket, k.name()) {
		return nil
	}
	if !hmac.Equal(k.mac(ticket[:n]), ticket[n:]) {
		return nil
	}
	plain := make([]byte, n-header)
	cipher.NewCBCDecrypter(k.block(), ticket[16:header]).CryptBlocks(plain, ticket[header:n])
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize {
		return nil
	}
	var content ticketContent
	if rest, err := asn1.Unmarshal(plain[:len(plain)-pad], &content); err != nil || len(rest) > 0 {
		return nil
	}
	if len(content.State) < 5 || len(content.Suite) != 2 {
		return nil
	}
	binary.BigEndian.PutUint16(content.State[1:], uint16(content.Version))
	copy(content.State[3:5], content.Suite)
	return content.State
}

// tickets is the tlsconn.TicketProtector of one connection.
type tickets struct {
	key     *ticketKey
	skip    bool
	pending *pending
}

func (t *tickets) SealTicket(state []byte) ([]byte, error) {
	if t.skip {
		return nil, nil
	}
	return t.key.seal(state)
}

func (t *tickets) OpenTicket(ticket []byte, c *tlsconn.Completion[[]byte]) {
	answer(t.pending, askTicket, c, func() ([]byte, error) {
		return t.key.open(ticket), nil
	})
}
