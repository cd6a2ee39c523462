package main

import (
	"bufio"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// maxKeyQuestions bounds the requests that a server has not got an answer to: a key process that does
// not answer must not collect them for ever.
const maxKeyQuestions = 4096

var errKeyBusy = fmt.Errorf("the key's process has %d requests that it has not answered", maxKeyQuestions)

// A remoteKey is a private key in another process: a tlsconn.AsyncSigner whose requests share one
// connection. SignMessage, on an event loop, only queues; one goroutine writes, another reads.
type remoteKey struct {
	public crypto.PublicKey
	conn   net.Conn
	queue  chan keyRequest // as long as waiting may be large, so that it always has room
	gone   chan struct{}

	mu      sync.Mutex
	waiting map[uint64]*tlsconn.Completion[[]byte]
	next    uint64
	err     error // why there will be no more answers
}

// newRemoteKey asks for signatures over conn, which it closes in the end.
func newRemoteKey(conn net.Conn, public crypto.PublicKey) *remoteKey {
	k := &remoteKey{
		public:  public,
		conn:    conn,
		queue:   make(chan keyRequest, maxKeyQuestions),
		gone:    make(chan struct{}),
		waiting: make(map[uint64]*tlsconn.Completion[[]byte]),
	}
	go k.write()
	go k.read()
	return k
}

// Public returns the key that the certificate has.
func (k *remoteKey) Public() crypto.PublicKey { return k.public }

// SignMessage queues a request; the answer completes it, or the end of the key's process fails it.
func (k *remoteKey) SignMessage(message []byte, scheme tls.SignatureScheme, answer *tlsconn.Completion[[]byte]) {
	if err := k.ask(message, scheme, answer); err != nil {
		answer.Fail(err)
	}
}

func (k *remoteKey) ask(message []byte, scheme tls.SignatureScheme, answer *tlsconn.Completion[[]byte]) error {
	if keyRequestHeader+len(message) > maxKeyFrame {
		return fmt.Errorf("%d bytes to be signed are too many", len(message))
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return k.err
	}
	if len(k.waiting) >= maxKeyQuestions {
		return errKeyBusy
	}
	k.waiting[k.next] = answer
	k.queue <- keyRequest{k.next, uint16(scheme), message} // never blocks: what it holds is waiting too
	k.next++
	return nil
}

// write sends what is queued, many requests in one write when they come together.
func (k *remoteKey) write() {
	out := bufio.NewWriter(k.conn)
	var frame []byte
	for {
		select {
		case r := <-k.queue:
			frame = r.appendTo(frame[:0])
			_, err := out.Write(frame)
			if err == nil && len(k.queue) == 0 {
				err = out.Flush()
			}
			if err != nil {
				k.end(err)
				return
			}
		case <-k.gone:
			return
		}
	}
}

// read completes what is answered, until the key's process ends or says what is no answer.
func (k *remoteKey) read() {
	in := bufio.NewReader(k.conn)
	for {
		a, err := readKeyAnswer(in)
		if err != nil {
			k.end(err)
			return
		}
		k.mu.Lock()
		answer := k.waiting[a.id]
		delete(k.waiting, a.id)
		k.mu.Unlock()
		switch {
		case answer == nil:
			k.end(fmt.Errorf("it answers request %d, which nobody made", a.id))
			return
		case a.signature == nil:
			answer.Fail(errors.New("the key's process: " + a.refusal))
		default:
			answer.Complete(a.signature)
		}
	}
}

// end fails everything that waits, and what will be asked, with the first reason.
func (k *remoteKey) end(reason error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.err != nil {
		return
	}
	k.err = fmt.Errorf("the key's process is gone: %w", reason)
	close(k.gone)
	k.conn.Close()
	for id, answer := range k.waiting {
		answer.Fail(k.err)
		delete(k.waiting, id)
	}
}

// runKeyless is an echo server of one loop on package reactor. Its key is its own, or, if there is a
// socket, in the process that listens there, and never in this one.
func runKeyless(certFile, keyFile, socket string) error {
	// The loop, and somebody beside it who hears the answers while it sleeps.
	runtime.GOMAXPROCS(2)
	var cert tls.Certificate
	var err error
	if socket == "" {
		cert, err = tls.LoadX509KeyPair(certFile, keyFile)
	} else {
		cert, err = keyBehind(socket, certFile)
	}
	if err != nil {
		return err
	}
	engine, addr, err := startReactorEcho(reactorConfig(cert))
	if err != nil {
		return err
	}
	serverLog().Info("serving", "listen", addr)
	<-engine.Failed()
	return engine.Err()
}

// keyBehind returns the certificate with the key of the process behind a socket.
func keyBehind(socket, certFile string) (cert tls.Certificate, err error) {
	text, err := os.ReadFile(certFile)
	if err != nil {
		return cert, err
	}
	agreed, err := agreementOn(text)
	if err != nil {
		return cert, err
	}
	leaf, err := x509.ParseCertificate(agreed.leaf)
	if err != nil {
		return cert, err
	}
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return cert, err
	}
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: newRemoteKey(conn, leaf.PublicKey)}, nil
}
