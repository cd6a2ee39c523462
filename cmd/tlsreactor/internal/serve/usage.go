package serve

// Usage is the answer to `tlsreactor serve --help`. A test checks that it has every flag, with
// its default.
const Usage = `Usage: tlsreactor serve [flags]

Terminates TLS on an event loop per processor, without a goroutine per connection, and
carries the bytes to a backend and back.

What to serve (without any of these: a page that states the connection's facts)
  --backend ADDR            carry the bytes to HOST:PORT or unix:PATH
  --echo                    send them back instead

Where, and as whom
  --listen ADDR             HOST:PORT to listen on (127.0.0.1:8443); an empty HOST is every address
  --cert FILE               PEM certificate chain, leaf first
  --key FILE                PEM private key: ECDSA, Ed25519 or RSA; of the --cert before it. Without
                            it, the file of --cert holds the key as well.
                            Both may be given several times: the client's server name chooses, an
                            exact name before a wildcard; with a name that none has, or without one,
                            the first. Without any, a certificate for localhost is made that lives
                            as long as the process; its fingerprint is printed.
  --alpn LIST               application protocols, the preferred first: h2,http/1.1. A client that
                            names some, but none of these, is refused.
  --tls-min VERSION         speak nothing before this version of TLS (1.2), of which there are suites
                            with ECDHE and an AEAD only
  --tls-max VERSION         speak nothing behind this version (1.3)

Limits
  --handshake-timeout TIME  for the whole handshake, whatever the client sends (10s)
  --connect-timeout TIME    for connecting to the backend (10s)
  --idle-timeout TIME       without a byte in either direction (1h0m0s); 0 for none
  --max-connections N       at once (0: as many as there are file descriptors)
  --drain-timeout TIME      what SIGTERM and SIGINT give open connections to end (30s);
                            a second signal ends them at once

Processors
  --loops N                 event loops (0: one per processor)
  --workers N               threads for RSA signatures, at low priority (0: one for two loops)

Watching
  --log-format FORMAT       text or json, on standard error (text)
  --log-level LEVEL         debug, info, warn or error (INFO)
  --access-log              log a line for each connection that has ended, at level info (true);
                            --access-log=false turns it off
  --keylog FILE             append the secrets of ALL connections, for Wireshark. Whoever reads
                            this file reads the traffic: never in production.
  SIGUSR1                   logs the counters

Examples
  tlsreactor serve
  tlsreactor serve --listen :443 --backend 127.0.0.1:8080 --cert chain.pem --key key.pem
  tlsreactor serve --backend unix:/run/app.sock --cert example.com.pem --cert example.org.pem
`
