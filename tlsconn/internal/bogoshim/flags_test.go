package main

import (
	"slices"
	"testing"
)

func TestFlagsApplyToTheConnectionsThatTheirPrefixNames(t *testing.T) {
	tests := []struct {
		name                   string
		args                   []string
		initial, resume, retry string // of -host-name
	}{
		{"none: to all", []string{"-host-name", "a"}, "a", "a", "a"},
		{"initial: to the first", []string{"-on-initial-host-name", "a"}, "a", "", ""},
		{"resume: to the later ones", []string{"-on-resume-host-name", "a"}, "", "a", ""},
		{"retry: to the second attempt", []string{"-on-retry-host-name", "a"}, "", "", "a"},
		{"shim: as without", []string{"-on-shim-host-name", "a"}, "a", "a", "a"},
		{"shim and initial: to the first", []string{"-on-shim-on-initial-host-name", "a"}, "a", "", ""},
		{"handshaker: to none, with its value", []string{"-on-handshaker-host-name", "a", "-server"}, "", "", ""},
		{"the last one counts", []string{"-host-name", "a", "-on-resume-host-name", "b"}, "a", "b", "a"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			sets, err := parse(tt.args)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{sets.initial.hostName, sets.resume.hostName, sets.retry.hostName}
			if want := []string{tt.initial, tt.resume, tt.retry}; !slices.Equal(got, want) {
				t.Errorf("host names %q, want %q", got, want)
			}
		})
	}
}

func TestListsAndCredentialsAccumulate(t *testing.T) {
	sets, err := parse([]string{
		"-cert-file", "default", "-signing-prefs", "1027",
		"-new-x509-credential", "-cert-file", "first", "-signing-prefs", "2052", "-signing-prefs", "2053",
		"-new-x509-credential", "-cert-file", "second",
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &sets.initial
	if s.credential.certFile != "default" || !slices.Equal(s.credential.signingPrefs, []uint16{1027}) {
		t.Errorf("default credential %+v", s.credential)
	}
	if len(s.credentials) != 2 || s.credentials[0].certFile != "first" || s.credentials[1].certFile != "second" ||
		!slices.Equal(s.credentials[0].signingPrefs, []uint16{2052, 2053}) {
		t.Errorf("credentials %+v", s.credentials)
	}
}

func TestWhatIsNotImplementedEndsWithItsExitCode(t *testing.T) {
	for _, args := range [][]string{
		{"-no-such-flag"},
		{"-port"},
		{"-port", "many"},
		{"-ocsp-response", "no base64"},
		{"-use-client-ca-list", "no hex"},
		{"-on-resume-no-such-flag"},
		{"-max-version", "770"},
		{"-resume-count", "1", "-on-resume-no-tls13", "-on-resume-no-tls12"},
		{"-no-tls13", "-no-tls12"},
		{"-curves", "1"},
		{"-expect-early-data-reason", "accepted"},
		{"-ticket-key", "AAAA"},
	} {
		if code := exitCode(run(args)); code != exitUnimplemented {
			t.Errorf("%q: exit code %d, want %d", args, code, exitUnimplemented)
		}
	}
}

func TestTimestampsThatNobodyMaySendFail(t *testing.T) {
	for _, list := range []string{"", "AAA=", "AAEA", "AAIAAA==", "AAYABAUGBwgA"} {
		if code := exitCode(run([]string{"-signed-cert-timestamps", list})); code != exitFailed {
			t.Errorf("%q: exit code %d, want %d", list, code, exitFailed)
		}
	}
	sets, err := parse([]string{"-signed-cert-timestamps", "AAYABAUGBwg="})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sets.initial.credential.scts, [][]byte{{5, 6, 7, 8}}; !sameOctets(got, want) {
		t.Errorf("timestamps %x, want %x", got, want)
	}
}

func TestNamesAreAListInHexadecimal(t *testing.T) {
	for value, want := range map[string][][]byte{
		"<NULL>": nil, "<EMPTY>": nil, "3000": {{0x30, 0}}, "3000,3001": {{0x30, 0}, {0x30, 1}},
	} {
		sets, err := parse([]string{"-use-client-ca-list", value})
		if err != nil {
			t.Fatal(err)
		}
		if got := sets.initial.clientCAs; !sameOctets(got, want) {
			t.Errorf("%s: names %x, want %x", value, got, want)
		}
	}
}
