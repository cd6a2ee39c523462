package probe

// Usage is the answer to `tlsreactor probe --help`. Tests check that it has every flag with its
// default, every exit status, and every field of the JSON lines.
const Usage = `Usage: tlsreactor probe [flags] HOST:PORT

Makes one TLS connection and prints, as it happens, each address that is tried, each state that
the handshake passes and each want that it reports; then what is known about the connection, its
certificates with all that is wrong with them, and where the time went. It sends no request.
IPv6 and IPv4 addresses are tried in turns, 250 ms apart, and the first that connects is taken
(RFC 8305).

  --servername NAME  send NAME as server_name and check the certificate for it (HOST);
                     an empty NAME sends none
  --alpn NAMES       offer these application protocols, such as h2,http/1.1
  --ca FILE          trust the PEM certificates in FILE, not the system's
  --groups NAMES     offer these groups, the first with a key share
                     (X25519MLKEM768,X25519,P-256,P-384,P-521)
  --tls-min VERSION  offer nothing before this version (1.2)
  --tls-max VERSION  offer nothing behind this version (1.3)
  --suites NAMES     offer these suites, such as TLS_AES_128_GCM_SHA256 (all that the engine has: of
                     TLS 1.2 those with ECDHE and an AEAD), and no version that has none of them
  --timeout TIME     for everything (10s)
  --4, --6           only IPv4, or only IPv6
  --json             one JSON object a line

Exit status
  0  all is well
  1  the probe itself failed
  2  the command was not understood, or --ca cannot be used
  3  the name has no address
  4  no address takes a connection
  5  the time was up
  6  the server refused the handshake with an alert, which is named
  7  the handshake failed because the server does not obey the protocol
  8  the handshake is complete, but the certificate is not to be trusted
  9  the server closed or reset the connection within the handshake
  10 the server speaks no version of TLS that was offered
  11 the server does not speak TLS

JSON lines: each has "event", and "ms" since the start; what is unknown is left out.
  resolved    family (IPv6, IPv4), addresses, error
  connecting, connected, abandoned (another was faster): address
  failed      address, error
  state       state (of the handshake)
  want        want (read, write or app); repeated: how many alike were not shown before it
  facts       address, version, suite, group, signature_scheme, alpn, server_name,
              hello_retry_request, client_certificate_requested
  certificate index (0 is the server's own), subject, names, issuer, serial, not_before, not_after,
              key, signature_algorithm, sha256, unused (not on the path to a root),
              wrong (a list, empty if nothing is)
  times       resolve_ms, connect_ms, handshake_ms, of which server_hello_ms (from our first hello)
              and verify_ms; total_ms
  result      outcome, status (the exit status), message, wrong (of all certificates)

Examples
  tlsreactor probe example.com:443
  tlsreactor probe --ca ca.pem --servername api.internal 10.0.0.7:8443
  tlsreactor probe --json --alpn h2 '[::1]:8443' | jq 'select(.event == "result")'
`
