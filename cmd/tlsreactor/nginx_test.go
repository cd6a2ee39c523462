package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// startNginx starts nginx, with nothing outside of a folder of its own, and returns its address. It gets a
// socket that listens already, as in an upgrade of its binary: so the port is surely free, and nobody has
// to wait until nginx is ready.
func startNginx(t *testing.T, certFile, keyFile, settings string) string {
	t.Helper()
	ln := loopback(t)
	socket, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	dir := t.TempDir()
	config := fmt.Sprintf(`
		daemon off; worker_processes 1; pid %[1]s/pid;
		events { worker_connections 64; }
		http {
			access_log off;
			client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c;
			uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
			server {
				listen %[2]s ssl http2;
				ssl_certificate %[3]s; ssl_certificate_key %[4]s;
				%[5]s
			}
		}`, dir, ln.Addr(), certFile, keyFile, settings)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("nginx", "-p", dir, "-e", "stderr", "-c", file)
	cmd.ExtraFiles = []*os.File{socket} // is 3 there
	cmd.Env = append(os.Environ(), "NGINX=3;")
	p := launchCommand(t, cmd)
	t.Cleanup(func() { // SIGKILL would leave its worker behind
		p.signal(syscall.SIGTERM)
		p.wait()
	})
	return ln.Addr().String()
}

func TestProbeOfNginx(t *testing.T) {
	certFile, keyFile := certificateFiles(t, nil)
	for _, tt := range []struct {
		name, settings string
		status         int
		outcome        string
		message        string
		group          string
		retried, asked bool
	}{
		{"its defaults", "ssl_protocols TLSv1.2 TLSv1.3;", 0, "ok", "certificate trusted", "X25519", false, false}, // or with MLKEM768
		{"P-384 alone: another hello", "ssl_protocols TLSv1.3; ssl_ecdh_curve secp384r1;", 0, "ok", "certificate trusted", "P-384", true, false},
		{"TLS 1.2 alone", "ssl_protocols TLSv1.2;", 0, "ok", "TLS 1.2 with ", "X25519", false, false},
		{"TLS 1.2, and a client certificate that it asks for", "ssl_protocols TLSv1.2; ssl_verify_client optional_no_ca;", 0, "ok", "TLS 1.2 with ", "X25519", false, true},
		{"no server of that name", "ssl_protocols TLSv1.3; ssl_reject_handshake on;", 6, "refused", "alert unrecognized_name", "", false, false},
		{"a client certificate that it asks for", "ssl_protocols TLSv1.3; ssl_verify_client optional_no_ca;", 0, "ok", "", "X25519", false, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			addr := startNginx(t, certFile, keyFile, tt.settings)
			p := probeJSON(t, "--ca", certFile, "--alpn", "h2,http/1.1", localhost(t, addr))
			p.want(t, tt.status, tt.outcome, tt.message)
			if !strings.HasPrefix(p.facts.Group, tt.group) || p.facts.HelloRetryRequest != tt.retried || tt.status == 0 && p.facts.ALPN != "h2" {
				t.Errorf("facts %+v", p.facts)
			}
			if p.facts.ClientCertificate != tt.asked {
				t.Errorf("facts %+v", p.facts)
			}
		})
	}
}
