package tlsconn

import (
	"crypto/tls"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// State says what a connection awaits, or what it does next. A state either
// consumes a message, or waits for something outside of the engine, or is a step
// of work that needs no input.
type State uint8

// The states of a server, in the order of a handshake.
const (
	// StateExpectClientHello is a server's first state.
	StateExpectClientHello State = iota
	// StateAwaitInspection waits for Config.InspectClientHello.
	StateAwaitInspection
	// StateSelectParameters chooses suite, group and protocol.
	StateSelectParameters
	// StateSendHelloRetryRequest: the client has to send another key share.
	StateSendHelloRetryRequest
	// StateExpectSecondClientHello awaits the answer to a HelloRetryRequest.
	StateExpectSecondClientHello
	// StateAwaitTicket looks for a session among the tickets that the client offers.
	StateAwaitTicket
	// StateSendServerHello makes the shared secret and the flight up to Certificate.
	StateSendServerHello
	// StateSendServerFinished ends the server's flight.
	StateSendServerFinished
	// StateExpectClientFinished awaits the end of the client's last flight.
	StateExpectClientFinished
	// StateSendServerHelloDone ends the server's first flight of TLS 1.2.
	StateSendServerHelloDone
	// StateExpectClientKeyExchange awaits the client's share of TLS 1.2.
	StateExpectClientKeyExchange
)

// The states of a client, in the order of a handshake.
const (
	// StateSendClientHello is the first state of a client without Config.Sessions.
	StateSendClientHello State = iota + 32
	// StateExpectServerHello awaits a ServerHello or HelloRetryRequest.
	StateExpectServerHello
	// StateExpectSecondServerHello awaits the ServerHello after a HelloRetryRequest.
	StateExpectSecondServerHello
	// StateExpectEncryptedExtensions awaits the first protected message.
	StateExpectEncryptedExtensions
	// StateExpectCertificateOrRequest awaits Certificate or CertificateRequest.
	StateExpectCertificateOrRequest
	// StateExpectServerFinished awaits the end of the server's flight.
	StateExpectServerFinished
	// StateSendClientCertificate shows the certificate that the server has asked for.
	StateSendClientCertificate
	// StateSendClientFinished ends the client's last flight.
	StateSendClientFinished
	// StateAwaitFlush waits until the transport has taken the client's last flight.
	StateAwaitFlush
	// StateExpectStatusOrKeyExchange awaits CertificateStatus or ServerKeyExchange of TLS 1.2.
	StateExpectStatusOrKeyExchange
	// StateExpectServerKeyExchange awaits the server's share of TLS 1.2.
	StateExpectServerKeyExchange
	// StateExpectRequestOrDone awaits CertificateRequest or ServerHelloDone of TLS 1.2.
	StateExpectRequestOrDone
	// StateExpectServerHelloDone awaits the end of the server's first flight of TLS 1.2.
	StateExpectServerHelloDone
	// StateSendClientKeyExchange makes the shared secret of TLS 1.2.
	StateSendClientKeyExchange
	// StateExpectNewSessionTicket awaits the ticket that a server of TLS 1.2 has announced.
	StateExpectNewSessionTicket
)

// The states of both.
const (
	// StateAwaitSession looks for a session to resume: a client's first state, and a TLS 1.2
	// server's when the client names one by its id.
	StateAwaitSession State = iota + 64
	// StateAwaitCertificate chooses the own certificate.
	StateAwaitCertificate
	// StateAwaitSignature waits for the private key's operation.
	StateAwaitSignature
	// StateExpectCertificate awaits the peer's Certificate.
	StateExpectCertificate
	// StateAwaitVerification waits for the verification of the peer's chain.
	StateAwaitVerification
	// StateExpectCertificateVerify awaits the proof that the peer has the key.
	StateExpectCertificateVerify
	// StateExpectChangeCipherSpec awaits the record after which a peer of TLS 1.2 protects
	// what it sends.
	StateExpectChangeCipherSpec
	// StateConnected: the handshake is complete. Messages after it are consumed here.
	StateConnected
	// StateFailed: an error sticks.
	StateFailed
)

// stateNames prints states in errors, logs and traces.
var stateNames = map[State]string{
	StateExpectClientHello:          "expectClientHello",
	StateAwaitInspection:            "awaitInspection",
	StateSelectParameters:           "selectParameters",
	StateAwaitTicket:                "awaitTicket",
	StateAwaitSession:               "awaitSession",
	StateSendServerHelloDone:        "sendServerHelloDone",
	StateExpectClientKeyExchange:    "expectClientKeyExchange",
	StateExpectStatusOrKeyExchange:  "expectStatusOrKeyExchange",
	StateExpectServerKeyExchange:    "expectServerKeyExchange",
	StateExpectRequestOrDone:        "expectRequestOrDone",
	StateExpectServerHelloDone:      "expectServerHelloDone",
	StateSendClientKeyExchange:      "sendClientKeyExchange",
	StateExpectNewSessionTicket:     "expectNewSessionTicket",
	StateExpectChangeCipherSpec:     "expectChangeCipherSpec",
	StateSendClientCertificate:      "sendClientCertificate",
	StateSendHelloRetryRequest:      "sendHelloRetryRequest",
	StateExpectSecondClientHello:    "expectSecondClientHello",
	StateAwaitCertificate:           "awaitCertificate",
	StateSendServerHello:            "sendServerHello",
	StateAwaitSignature:             "awaitSignature",
	StateSendServerFinished:         "sendServerFinished",
	StateExpectClientFinished:       "expectClientFinished",
	StateSendClientHello:            "sendClientHello",
	StateExpectServerHello:          "expectServerHello",
	StateExpectSecondServerHello:    "expectSecondServerHello",
	StateExpectEncryptedExtensions:  "expectEncryptedExtensions",
	StateExpectCertificateOrRequest: "expectCertificateOrRequest",
	StateExpectCertificate:          "expectCertificate",
	StateAwaitVerification:          "awaitVerification",
	StateExpectCertificateVerify:    "expectCertificateVerify",
	StateExpectServerFinished:       "expectServerFinished",
	StateSendClientFinished:         "sendClientFinished",
	StateAwaitFlush:                 "awaitFlush",
	StateConnected:                  "connected",
	StateFailed:                     "failed",
}

// String returns the name of the state, such as "expectClientHello".
func (s State) String() string {
	if name, ok := stateNames[s]; ok {
		return name
	}
	return "noState"
}

// accepts lists the messages that a state consumes; none for a state that works
// or waits. The driver refuses every other message before a handler sees it.
func (s State) accepts(role Role, version uint16) []wire.MessageType {
	switch s {
	case StateExpectClientHello, StateExpectSecondClientHello:
		return clientHelloOnly
	case StateExpectClientFinished, StateExpectServerFinished:
		return finishedOnly
	case StateExpectServerHello, StateExpectSecondServerHello:
		return serverHelloOnly
	case StateExpectEncryptedExtensions:
		return encryptedExtensionsOnly
	case StateExpectCertificateOrRequest:
		return certificateOrRequest
	case StateExpectCertificate:
		return certificateOnly
	case StateExpectCertificateVerify:
		return certificateVerifyOnly
	case StateExpectClientKeyExchange:
		return clientKeyExchangeOnly
	case StateExpectStatusOrKeyExchange:
		return statusOrKeyExchange
	case StateExpectServerKeyExchange:
		return serverKeyExchangeOnly
	case StateExpectRequestOrDone:
		return requestOrDone
	case StateExpectServerHelloDone:
		return serverHelloDoneOnly
	case StateExpectNewSessionTicket:
		return newSessionTicketOnly
	case StateExpectChangeCipherSpec:
		return noMessage
	case StateConnected:
		switch {
		case role == RoleServer && version == tls.VersionTLS12:
			return afterHandshake12Server
		case role == RoleServer:
			return afterHandshakeServer
		case version == tls.VersionTLS12:
			return afterHandshake12Client
		}
		return afterHandshakeClient
	case StateSendServerHelloDone, StateSendClientKeyExchange,
		StateAwaitInspection, StateSelectParameters, StateAwaitTicket, StateAwaitSession, StateSendClientCertificate,
		StateSendHelloRetryRequest, StateAwaitCertificate, StateSendServerHello, StateAwaitSignature,
		StateSendServerFinished, StateSendClientHello, StateAwaitVerification, StateSendClientFinished,
		StateAwaitFlush, StateFailed:
	}
	return nil
}

var (
	clientHelloOnly         = []wire.MessageType{wire.TypeClientHello}
	finishedOnly            = []wire.MessageType{wire.TypeFinished}
	serverHelloOnly         = []wire.MessageType{wire.TypeServerHello}
	encryptedExtensionsOnly = []wire.MessageType{wire.TypeEncryptedExtensions}
	certificateOrRequest    = []wire.MessageType{wire.TypeCertificateRequest, wire.TypeCertificate}
	certificateOnly         = []wire.MessageType{wire.TypeCertificate}
	certificateVerifyOnly   = []wire.MessageType{wire.TypeCertificateVerify}
	clientKeyExchangeOnly   = []wire.MessageType{wire.TypeClientKeyExchange}
	statusOrKeyExchange     = []wire.MessageType{wire.TypeCertificateStatus, wire.TypeServerKeyExchange}
	serverKeyExchangeOnly   = []wire.MessageType{wire.TypeServerKeyExchange}
	requestOrDone           = []wire.MessageType{wire.TypeCertificateRequest, wire.TypeServerHelloDone}
	serverHelloDoneOnly     = []wire.MessageType{wire.TypeServerHelloDone}
	newSessionTicketOnly    = []wire.MessageType{wire.TypeNewSessionTicket}
	noMessage               = []wire.MessageType{} // but a record of another type
	afterHandshake12Server  = []wire.MessageType{wire.TypeClientHello}
	afterHandshake12Client  = []wire.MessageType{wire.TypeHelloRequest}
	afterHandshakeServer    = []wire.MessageType{wire.TypeKeyUpdate}
	afterHandshakeClient    = []wire.MessageType{wire.TypeKeyUpdate, wire.TypeNewSessionTicket}
)

// consumesMessage tells whether the state needs a message to go on.
func (s State) consumesMessage() bool { return s.accepts(RoleServer, tls.VersionTLS13) != nil }
