package main

import (
	"strconv"
	"strings"
)

// flag is an argument of the runner's: what it does to the settings of a
// connection, and whether its value is the next argument.
type flag struct {
	value bool
	set   func(s *settings, value string) error
}

// The kinds of flags, by what they set.

func on(field func(*settings) *bool) flag {
	return flag{set: func(s *settings, _ string) error {
		*field(s) = true
		return nil
	}}
}

func text(field func(*settings) *string) flag {
	return flag{value: true, set: func(s *settings, v string) error {
		*field(s) = v
		return nil
	}}
}

func number(field func(*settings) *int) flag {
	return flag{value: true, set: func(s *settings, v string) (err error) {
		*field(s), err = strconv.Atoi(v)
		return err
	}}
}

func optionalNumber(field func(*settings) **int) flag {
	return flag{value: true, set: func(s *settings, v string) error {
		n, err := strconv.Atoi(v)
		*field(s) = &n
		return err
	}}
}

// list is a flag that is repeated for each member.
func list(field func(*settings) *[]uint16) flag {
	return flag{value: true, set: func(s *settings, v string) error {
		n, err := strconv.ParseUint(v, 10, 16)
		*field(s) = append(*field(s), uint16(n))
		return err
	}}
}

// without is a flag that asks for nothing the engine would have to do; each use
// says why.
func without(value bool) flag {
	return flag{value: value, set: func(*settings, string) error { return nil }}
}

// flags are all that the shim honours. A flag that is not here ends it as
// unimplemented.
var flags = map[string]flag{
	"-port":         number(func(s *settings) *int { return &s.port }),
	"-shim-id":      number(func(s *settings) *int { return &s.shimID }),
	"-ipv6":         on(func(s *settings) *bool { return &s.ipv6 }),
	"-resume-count": number(func(s *settings) *int { return &s.resumeCount }),

	"-server":             on(func(s *settings) *bool { return &s.server }),
	"-async":              on(func(s *settings) *bool { return &s.async }),
	"-implicit-handshake": on(func(s *settings) *bool { return &s.implicitHandshake }),

	"-min-version": number(func(s *settings) *int { return &s.minVersion }),
	"-max-version": number(func(s *settings) *int { return &s.maxVersion }),
	"-no-tls1":     on(func(s *settings) *bool { return &s.noTLS1 }),
	"-no-tls11":    on(func(s *settings) *bool { return &s.noTLS11 }),
	"-no-tls12":    on(func(s *settings) *bool { return &s.noTLS12 }),
	"-no-tls13":    on(func(s *settings) *bool { return &s.no13 }),

	"-curves":              list(func(s *settings) *[]uint16 { return &s.curves }),
	"-host-name":           text(func(s *settings) *string { return &s.hostName }),
	"-advertise-alpn":      text(func(s *settings) *string { return &s.advertiseALPN }),
	"-select-alpn":         text(func(s *settings) *string { return &s.selectALPN }),
	"-decline-alpn":        on(func(s *settings) *bool { return &s.declineALPN }),
	"-reject-alpn":         on(func(s *settings) *bool { return &s.rejectALPN }),
	"-use-early-callback":  on(func(s *settings) *bool { return &s.useEarlyCallback }),
	"-fail-early-callback": on(func(s *settings) *bool { return &s.failEarlyCallback }),
	"-fail-cert-callback":  on(func(s *settings) *bool { return &s.failCert }),

	"-cert-file":                  text(func(s *settings) *string { return &s.current().certFile }),
	"-key-file":                   text(func(s *settings) *string { return &s.current().keyFile }),
	"-signing-prefs":              list(func(s *settings) *[]uint16 { return &s.current().signingPrefs }),
	"-new-x509-credential":        {set: addCredential},
	"-expect-selected-credential": optionalNumber(func(s *settings) **int { return &s.expectSelectedCredential }),

	"-trust-cert":                     text(func(s *settings) *string { return &s.trustCert }),
	"-verify-peer":                    on(func(s *settings) *bool { return &s.verifyPeer }),
	"-verify-fail":                    on(func(s *settings) *bool { return &s.verifyFail }),
	"-require-any-client-certificate": on(func(s *settings) *bool { return &s.requestAnyCert }),
	"-use-custom-verify-callback":     on(func(s *settings) *bool { return &s.customVerify }),
	"-expect-verify-result":           on(func(s *settings) *bool { return &s.expectVerifyRes }),

	"-export-keying-material":       number(func(s *settings) *int { return &s.exportLength }),
	"-export-label":                 text(func(s *settings) *string { return &s.exportLabel }),
	"-export-context":               text(func(s *settings) *string { return &s.exportContext }),
	"-shim-writes-first":            on(func(s *settings) *bool { return &s.shimWritesFirst }),
	"-shim-initial-write":           text(func(s *settings) *string { return &s.initialWrite }),
	"-repeat-shim-initial-write":    number(func(s *settings) *int { return &s.repeatInitialWrite }),
	"-shim-shuts-down":              on(func(s *settings) *bool { return &s.shimShutsDown }),
	"-read-size":                    number(func(s *settings) *int { return &s.readSize }),
	"-read-with-unfinished-write":   on(func(s *settings) *bool { return &s.unfinishedWrite }),
	"-key-update":                   on(func(s *settings) *bool { return &s.keyUpdate }),
	"-key-update-before-read":       on(func(s *settings) *bool { return &s.keyUpdateBeforeRead }),
	"-check-close-notify":           on(func(s *settings) *bool { return &s.checkCloseNotify }),
	"-no-op-extra-handshake":        on(func(s *settings) *bool { return &s.noOpExtraHandshake }),
	"-handshake-twice":              on(func(s *settings) *bool { return &s.handshakeTwice }),
	"-use-exporter-between-reads":   on(func(s *settings) *bool { return &s.exporterBetweenReads }),
	"-write-different-record-sizes": on(func(s *settings) *bool { return &s.differentSizes }),

	"-expect-version":                  number(func(s *settings) *int { return &s.expectVersion }),
	"-expect-curve-id":                 number(func(s *settings) *int { return &s.expectCurve }),
	"-expect-peer-signature-algorithm": number(func(s *settings) *int { return &s.expectScheme }),
	"-expect-cipher":                   number(func(s *settings) *int { return &s.expectCipher }),
	"-expect-cipher-aes":               number(func(s *settings) *int { return &s.expectCipherAES }),
	"-expect-cipher-no-aes":            number(func(s *settings) *int { return &s.expectCipherSoft }),
	"-expect-hrr":                      on(func(s *settings) *bool { return &s.expectHRR }),
	"-expect-no-hrr":                   on(func(s *settings) *bool { return &s.expectNoHRR }),
	"-expect-server-name":              text(func(s *settings) *string { return &s.expectServerName }),
	"-expect-no-server-name":           on(func(s *settings) *bool { return &s.expectNoServerName }),
	"-expect-alpn":                     text(func(s *settings) *string { return &s.expectALPN }),
	"-expect-advertised-alpn":          text(func(s *settings) *string { return &s.expectAdvertisedALPN }),
	"-expect-peer-verify-pref":         list(func(s *settings) *[]uint16 { return &s.expectPeerVerifyPrefs }),
	"-expect-peer-cert-file":           text(func(s *settings) *string { return &s.expectPeerCertFile }),
	"-expect-no-peer-cert":             on(func(s *settings) *bool { return &s.expectNoPeerCert }),
	"-expect-extended-master-secret":   on(func(s *settings) *bool { return &s.expectExtendedMasterSecret }),
	"-expect-secure-renegotiation":     on(func(s *settings) *bool { return &s.expectReneg }),

	// In TLS 1.3 the exporter of an empty context is that of none (RFC 8446 7.5).
	"-use-export-context": without(false),
	// The list is of TLS 1.2's suites; BoringSSL does not configure those of TLS 1.3.
	"-cipher": without(true),
	// This engine issues no tickets.
	"-no-ticket": without(false),
}

func addCredential(s *settings, _ string) error {
	s.credentials = append(s.credentials, credential{})
	return nil
}

// parse reads the arguments. Prefixes say which connections a flag is for.
func parse(args []string) (*settingsSet, error) {
	sets := &settingsSet{newSettings(), newSettings(), newSettings()}
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name := arg
		if rest, ok := strings.CutPrefix(name, "-on-shim-"); ok {
			name = "-" + rest
		}
		// The handshaker, of the split handshake, is another process.
		name, ignored := cutPrefix(name, "-on-handshaker-")
		targets := []*settings{&sets.initial, &sets.resume, &sets.retry}
		for i, prefix := range []string{"-on-initial-", "-on-resume-", "-on-retry-"} {
			if rest, ok := cutPrefix(name, prefix); ok {
				name, targets = rest, targets[i:i+1]
				break
			}
		}
		f, ok := flags[name]
		if !ok {
			return nil, unimplemented("flag %s", arg)
		}
		value := ""
		if f.value {
			if len(args) == 0 {
				return nil, unimplemented("flag %s without a value", arg)
			}
			value, args = args[0], args[1:]
		}
		if ignored {
			continue
		}
		for _, s := range targets {
			if err := f.set(s, value); err != nil {
				return nil, unimplemented("flag %s %q: %v", arg, value, err)
			}
		}
	}
	return sets, nil
}

// cutPrefix takes a prefix of the runner's off a flag, but for its dash.
func cutPrefix(name, prefix string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(name, prefix); ok {
		return "-" + rest, true
	}
	return name, false
}
