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
		{"-on-resume-no-such-flag"},
		{"-resume-count", "1"},
		{"-max-version", "771"},
		{"-no-tls13"},
		{"-server", "-require-any-client-certificate"},
		{"-cert-file", "of a client"},
		{"-curves", "29", "-curves", "4588"}, // a client's hybrid group that is not the first
		{"-server", "-curves", "514"},
		{"-server", "-signing-prefs", "2054", "-signing-prefs", "2052"},
	} {
		if code := exitCode(run(args)); code != exitUnimplemented {
			t.Errorf("%q: exit code %d, want %d", args, code, exitUnimplemented)
		}
	}
}
