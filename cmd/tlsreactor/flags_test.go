package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	tests := []struct {
		name   string
		args   string
		status int
		want   string
	}{
		{"without a command there is usage", "", 2, "Usage: tlsreactor COMMAND"},
		{"help is usage without blame", "help", 0, "Usage: tlsreactor COMMAND"},
		{"a command that does not exist is named", "sevre", 2, `there is no command "sevre"`},
		{"the version is printed", "version", 0, "tlsreactor "},
		{"the version is printed for a flag too", "--version", 0, "linux/"},
		{"serve has usage of its own", "serve --help", 0, "--backend ADDR"},
		{"a wrong flag is named", "serve --prot 1", 2, "tlsreactor serve: unknown flag --prot"},
		{"flags that exclude each other are named", "serve --echo --backend a:1", 2, "--echo and --backend exclude each other"},
		{"an address that is not ours is named", "serve --listen 192.0.2.1:8443", 1, "--listen 192.0.2.1:8443: cannot assign requested address"},
		{"a key log that cannot be opened is named", "serve --listen 127.0.0.1:0 --keylog /no/such/directory/keys", 1, "--keylog /no/such/directory/keys: no such file or directory"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			output, status := runProgram(t, strings.Fields(tt.args)...)
			if status != tt.status || !strings.Contains(output, tt.want) {
				t.Errorf("status %d, output %q; want %d, %q", status, output, tt.status, tt.want)
			}
		})
	}
}

func TestBadFilesAreNamedWithWhatIsWrong(t *testing.T) {
	certFile, keyFile := certificateFiles(t, nil)
	_, otherKey := certificateFiles(t, nil)
	empty := writeFile(t, "empty.pem", nil)
	encrypted := writePEM(t, "encrypted.pem", "ENCRYPTED PRIVATE KEY", []byte{1})
	tests := []struct{ name, cert, key, want string }{
		{"the certificate is missing", "absent.pem", keyFile, "--cert absent.pem: no such file or directory"},
		{"the key is missing", certFile, "absent.pem", "--key absent.pem: no such file or directory"},
		{"the certificate is empty", empty, keyFile, "--cert " + empty + ": the file is empty"},
		{"the files are swapped", keyFile, certFile, "--cert " + keyFile + ": the file holds no CERTIFICATE, only: PRIVATE KEY"},
		{"the key is another's", certFile, otherKey, "--key " + otherKey + ": the key does not match the certificate of --cert " + certFile},
		{"the key is encrypted", certFile, encrypted, "--key " + encrypted + ": the key is encrypted"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			output, status := runProgram(t, "serve", "--listen", "127.0.0.1:0", "--cert", tt.cert, "--key", tt.key)
			if status != 1 || !strings.Contains(output, "tlsreactor serve: "+tt.want) {
				t.Errorf("status %d, output %q; want 1, %q", status, output, tt.want)
			}
		})
	}
}

func TestTheLogMayBeJSON(t *testing.T) {
	p := launch(t, "serve", "--listen", "127.0.0.1:0", "--echo", "--log-format", "json")
	line := p.await(`(?m)^\{.*"msg":"serving".*\}$`)[0]
	var serving struct{ Level, Job, Listen string }
	if err := json.Unmarshal([]byte(line), &serving); err != nil {
		t.Fatal(err)
	}
	if serving.Level != "INFO" || serving.Job != "echo" || !strings.HasPrefix(serving.Listen, "127.0.0.1:") {
		t.Errorf("the line says %+v", serving)
	}
}

func TestAPortThatIsTakenIsNamed(t *testing.T) {
	p := start(t) // whose SO_REUSEPORT would share the port silently
	output, status := runProgram(t, "serve", "--listen", p.addr)
	if want := "--listen " + p.addr + ": address already in use"; status != 1 || !strings.Contains(output, want) {
		t.Errorf("status %d, output %q; want 1, %q", status, output, want)
	}
}
