// Command bogoshim lets BoGo, BoringSSL's conformance suite (ssl/test/runner in
// its repository), test package tlsconn. The runner starts it once for each test,
// with flags that describe one side of a connection, and plays the other side,
// mostly as a peer that breaks a rule. `make bogo` builds and runs it.
//
// # The contract
//
// The shim dials the runner, says which shim it is, and speaks TLS: as a server
// too it is the one that dials. Exit code 0 says that all went as the flags
// expect; 89 that a flag, or what it takes, is not implemented; 90 that the
// engine broke its own contract, which no test may count as the failure it
// expected; 1 that the connection failed, with the reason on stderr. What it has
// to do step by step is in the runner's PORTING.md and in exchange.go.
//
// # Design
//
// Arguments become settings (flags.go, flagtable.go, settings.go), one set for each
// kind of connection. What the engine cannot do yet is refused in one place
// (unimplemented.go) before anything is dialed. What the connections of a test
// share, time, the ticket key and the client's session, is the process's
// (session.go, ticket.go). Settings become a tlsconn.Config (config.go, client.go,
// server.go) with its credentials (credential.go, identity.go, signer.go) and the
// verification of the peer (verify.go); its callbacks note what they saw. A
// connection runs the steps of the contract (connection.go, exchange.go) and is
// then held against what the test expects (expect.go).
//
// With -async everything that can be re-invoked is. Between the engine and the
// socket stands a transport with a quota of bytes for each direction, both zero at
// first (metered.go): every want is granted one byte. Operations that the engine
// hands out, and the answers of all callbacks, are pending twice before they
// complete (pending.go). After each call the answer is held against Conn.Wants, as
// an event loop would rely on it, and a final error has to come again. No callback
// may be asked the same thing twice.
//
// # Where the shim decides for the engine
//
// Without -async the engine chooses among its own certificates. BoringSSL differs
// from it, and from RFC 8446 4.4.2, where a client has credentials and none fits: it
// fails, as the shim's callback does then. With -async the credentials come from the
// callbacks only, and so does the choice. Preferences that depend on the client
// (-curves-flags) are what the inspection of the ClientHello is for. A peer that was
// verified when a session began is verified again only if the test says so.
package main
