// A TLS peer of Node, for the interoperation matrix:
//
//	server VERSION CERT KEY [CLIENTCA]                     prints its port
//	client HOST PORT VERSION TIMES CHUNKS CA [CERT KEY]    prints what it finds
const fs = require("fs"), tls = require("tls");
const [command, ...args] = process.argv.slice(2);
const chunk = Buffer.from("0123456789".repeat(1599) + "012345678\n");
const about = conn => [conn.getProtocol(), conn.isSessionReused() ? "resumed" : "full", "CN=" + conn.getPeerCertificate()?.subject?.CN].join(" ");

function server(version, ...files) {
    const [cert, key, ca] = files.map(f => fs.readFileSync(f));
    const listener = tls.createServer({cert, key, ca, requestCert: !!ca, minVersion: version, maxVersion: version}, conn => {
        conn.on("error", () => {}); // a client that has gone, or that was refused: it is the one to tell
        conn.write(about(conn) + "\n");
        conn.pipe(conn);
    });
    listener.listen(0, "127.0.0.1", () => console.log("port " + listener.address().port + "."));
}

function client(host, port, version, times, chunks, ...files) {
    const [ca, cert, key] = files.map(f => fs.readFileSync(f));
    connect(times);
    function connect(left, session) {
        const conn = tls.connect({host, port, servername: "example.org", minVersion: version, maxVersion: version, ca, cert, key, session});
        let next, got = 0;
        conn.on("session", s => next = s);
        conn.on("secureConnect", () => {
            console.log(about(conn));
            conn.write(chunk);
        });
        conn.on("data", data => {
            const at = got % chunk.length;
            if (!data.equals(chunk.subarray(at, at + data.length))) throw Error("the echo is not what was sent");
            got += data.length;
            if (got == chunks * chunk.length) conn.end();
            else if (got % chunk.length == 0) conn.write(chunk);
        });
        conn.on("close", () => {
            if (got != chunks * chunk.length) throw Error("the echo is not whole");
            if (left > 1) connect(left - 1, next);
        });
    }
}

({server, client})[command](...args);
