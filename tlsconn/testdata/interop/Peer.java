// A TLS peer of the JDK, for the interoperation matrix. It reads commands, one a line, whose
// words are parted by tabs, so that one virtual machine serves many tests:
//
//	server VERSION CERT KEY [CLIENTCA]                     prints its port
//	client HOST PORT VERSION TIMES CHUNKS CA [CERT KEY]    prints what it finds, then "done" or "failed: ..."

import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Security;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashSet;
import java.util.Set;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSession;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

public class Peer {
    static final byte[] CHUNK = ("0123456789".repeat(1599) + "012345678\n").getBytes(StandardCharsets.US_ASCII);

    public static void main(String[] args) throws Exception {
        // The one way to have the JDK send a KeyUpdate: after so many bytes.
        Security.setProperty("jdk.tls.keyLimits", "AES/GCM/NoPadding KeyUpdate 2^15, ChaCha20-Poly1305 KeyUpdate 2^15");
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = commands.readLine()) != null; ) {
            String[] command = line.split("\t");
            try {
                if (command[0].equals("server")) {
                    server(command);
                } else {
                    client(command);
                    System.out.println("done");
                }
            } catch (Exception e) {
                System.out.println("failed: " + e);
            }
        }
        System.exit(0); // whatever the servers do
    }

    static void client(String[] command) throws Exception {
        String host = command[1], version = command[3];
        int port = Integer.parseInt(command[2]), times = Integer.parseInt(command[4]), chunks = Integer.parseInt(command[5]);
        boolean shows = command.length > 7;
        SSLContext context = context(shows ? command[7] : null, shows ? command[8] : null, command[6]);
        Sessions sessions = new Sessions();
        for (int i = 0; i < times; i++) {
            try (SSLSocket socket = (SSLSocket) context.getSocketFactory().createSocket(new Socket(host, port), "example.org", port, true)) {
                SSLParameters parameters = socket.getSSLParameters();
                parameters.setProtocols(new String[] {version});
                parameters.setEndpointIdentificationAlgorithm("HTTPS");
                socket.setSSLParameters(parameters);
                socket.startHandshake();
                System.out.println(sessions.about(socket.getSession()));
                for (int j = 0; j < chunks; j++) {
                    socket.getOutputStream().write(CHUNK);
                    if (!Arrays.equals(socket.getInputStream().readNBytes(CHUNK.length), CHUNK)) {
                        throw new Exception("the echo is not what was sent");
                    }
                }
                socket.shutdownOutput();
                if (socket.getInputStream().read() != -1) {
                    throw new Exception("more than the echo");
                }
            }
        }
    }

    static void server(String[] command) throws Exception {
        SSLContext context = context(command[2], command[3], command.length > 4 ? command[4] : null);
        SSLServerSocket listener = (SSLServerSocket) context.getServerSocketFactory().createServerSocket(0, 10, InetAddress.getLoopbackAddress());
        listener.setEnabledProtocols(new String[] {command[1]});
        listener.setNeedClientAuth(command.length > 4);
        Sessions sessions = new Sessions();
        Thread thread = new Thread(() -> {
            while (true) {
                try (SSLSocket socket = (SSLSocket) listener.accept()) {
                    socket.startHandshake();
                    byte[] greeting = (sessions.about(socket.getSession()) + "\n").getBytes(StandardCharsets.US_ASCII);
                    socket.getOutputStream().write(greeting);
                    byte[] buffer = new byte[CHUNK.length];
                    for (int n; (n = socket.getInputStream().read(buffer)) > 0; ) {
                        socket.getOutputStream().write(buffer, 0, n);
                    }
                    socket.shutdownOutput();
                } catch (Exception e) {
                    // A client that has gone, or that was refused: it is the one to tell.
                }
            }
        });
        thread.setDaemon(true);
        thread.start();
        System.out.println("port " + listener.getLocalPort() + ".");
    }

    // Sessions tells a session that is resumed by the time of its creation, which stays the same.
    static class Sessions {
        private final Set<Long> seen = new HashSet<>();

        String about(SSLSession session) {
            String peer = "";
            try {
                peer = session.getPeerPrincipal().getName();
            } catch (SSLPeerUnverifiedException e) {
                // It showed no certificate.
            }
            return session.getProtocol() + (seen.add(session.getCreationTime()) ? " full " : " resumed ") + peer;
        }
    }

    // context is of a chain with its key, and of an authority to trust; either may be null.
    static SSLContext context(String chainFile, String keyFile, String caFile) throws Exception {
        KeyStore own = KeyStore.getInstance("PKCS12"), trusted = KeyStore.getInstance("PKCS12");
        own.load(null, null);
        trusted.load(null, null);
        if (chainFile != null) {
            own.setKeyEntry("own", key(keyFile), new char[0], certificates(chainFile));
        }
        if (caFile != null) {
            trusted.setCertificateEntry("ca", certificates(caFile)[0]);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(own, new char[0]);
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    static Certificate[] certificates(String file) throws Exception {
        try (FileInputStream in = new FileInputStream(file)) {
            return CertificateFactory.getInstance("X.509").generateCertificates(in).toArray(new Certificate[0]);
        }
    }

    static PrivateKey key(String file) throws Exception {
        String base64 = Files.readString(Path.of(file)).replaceAll("-----[^-]*-----|\\s", "");
        for (String algorithm : new String[] {"EC", "RSA", "EdDSA"}) {
            try {
                return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(Base64.getDecoder().decode(base64)));
            } catch (InvalidKeySpecException e) {
                // It is of another algorithm.
            }
        }
        throw new Exception("no key in " + file);
    }
}
