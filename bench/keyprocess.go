package main

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// keyUnderWay bounds the requests of one connection that a key process has not answered yet; it reads
// no further meanwhile.
const keyUnderWay = 4096

// A keyHolder is the process that has the private key. It answers each request some time after it has
// come, as a device or a service at a distance would, however many there are.
type keyHolder struct {
	key   *ecdsa.PrivateKey
	delay time.Duration
}

// runKeyHolder serves the key on a Unix socket.
func runKeyHolder(certFile, keyFile, socket string, delay time.Duration) error {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	key, ok := cert.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return fmt.Errorf("a key of type %T, not of ECDSA", cert.PrivateKey)
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	serverLog().Info("serving", "listen", socket)
	return (&keyHolder{key, delay}).serve(listener)
}

// serve serves until the listener fails.
func (h *keyHolder) serve(listener net.Listener) error {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		go h.answer(conn)
	}
}

// answer serves one connection until it ends or sends what is no request.
func (h *keyHolder) answer(conn net.Conn) {
	defer conn.Close()
	var writing sync.Mutex
	underWay := make(chan struct{}, keyUnderWay)
	requests := bufio.NewReader(conn)
	for {
		r, err := readKeyRequest(requests)
		if err != nil {
			return
		}
		underWay <- struct{}{}
		time.AfterFunc(h.delay, func() {
			a := h.sign(r)
			writing.Lock()
			_, _ = conn.Write(a.appendTo(nil)) // a client that is gone ends the reading as well
			writing.Unlock()
			<-underWay
		})
	}
}

// sign makes the signature of a CertificateVerify.
func (h *keyHolder) sign(r keyRequest) keyAnswer {
	var signature []byte
	err := errors.New("the key signs ecdsa_secp256r1_sha256 only")
	if tls.SignatureScheme(r.scheme) == tls.ECDSAWithP256AndSHA256 {
		digest := sha256.Sum256(r.message)
		signature, err = h.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	}
	if err != nil {
		return keyAnswer{id: r.id, refusal: err.Error()}
	}
	return keyAnswer{id: r.id, signature: signature}
}
