"""A TLS peer of Python, for the interoperation matrix:

    server VERSION CERT KEY [CLIENTCA]                     prints its port
    client HOST PORT VERSION TIMES CHUNKS CA [CERT KEY]    prints what it finds
"""
import socket, ssl, sys

CHUNK = b"0123456789" * 1599 + b"012345678\n"


def about(conn):
    name = dict(pair for (pair,) in (conn.getpeercert() or {}).get("subject", ()))
    return "%s %s CN=%s" % (conn.version(), "resumed" if conn.session_reused else "full", name.get("commonName"))


def only(context, version):
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version.replace(".", "_")]


def server(version, cert, key, ca=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    only(context, version)
    context.load_cert_chain(cert, key)
    if ca:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(ca)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print("port %d." % listener.getsockname()[1], flush=True)
        while True:
            raw, _ = listener.accept()
            try:
                with context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=False) as conn:
                    conn.sendall((about(conn) + "\n").encode())
                    while data := conn.recv(65536):
                        conn.sendall(data)
                    conn.unwrap()
            except OSError:
                pass  # a client that has gone, or that was refused: it is the one to tell


def client(host, port, version, times, chunks, ca, *own):
    context = ssl.create_default_context(cafile=ca)
    only(context, version)
    if own:
        context.load_cert_chain(*own)
    session = None
    for _ in range(int(times)):
        with socket.create_connection((host, int(port))) as raw:
            with context.wrap_socket(raw, server_hostname="example.org", suppress_ragged_eofs=False, session=session) as conn:
                print(about(conn))
                for _ in range(int(chunks)):
                    conn.sendall(CHUNK)
                    got = b""
                    while len(got) < len(CHUNK):
                        data = conn.recv(len(CHUNK) - len(got))
                        assert data, "the echo is not whole"
                        got += data
                    assert got == CHUNK, "the echo is not what was sent"
                session = conn.session
                conn.unwrap()


{"server": server, "client": client}[sys.argv[1]](*sys.argv[2:])
