package main

import (
	"encoding/base64"
	"encoding/hex"
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

func octets(field func(*settings) *[]byte) flag {
	return flag{value: true, set: func(s *settings, v string) (err error) {
		*field(s), err = base64.StdEncoding.DecodeString(v)
		return err
	}}
}

// timestamps is a SignedCertificateTimestampList of RFC 6962 3.3.
func timestamps(field func(*settings) *[][]byte) flag {
	return flag{value: true, set: func(s *settings, v string) error {
		encoded, err := base64.StdEncoding.DecodeString(v)
		if err != nil {
			return err
		}
		*field(s), err = parseTimestamps(encoded)
		return err
	}}
}

// names is a list of distinguished names, in hexadecimal DER. Two words stand
// for the two ways to have none, which are one here.
func names(field func(*settings) *[][]byte) flag {
	return flag{value: true, set: func(s *settings, v string) error {
		if v == "<NULL>" || v == "<EMPTY>" {
			return nil
		}
		for name := range strings.SplitSeq(v, ",") {
			der, err := hex.DecodeString(name)
			if err != nil {
				return err
			}
			*field(s) = append(*field(s), der)
		}
		return nil
	}}
}

// without is a flag that asks for nothing the engine would have to do; each use
// says why.
func without(value bool) flag {
	return flag{value: value, set: func(*settings, string) error { return nil }}
}

func addCredential(s *settings, _ string) error {
	s.credentials = append(s.credentials, credential{})
	return nil
}

func addRawKey(s *settings, _ string) error {
	s.credentials = append(s.credentials, credential{rawKey: true})
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
				return nil, badFlag(arg, value, err)
			}
		}
	}
	return sets, nil
}

// badFlag says what is wrong with a flag's value. One test shows a list that must
// be refused; any other value that is not understood is unimplemented.
func badFlag(arg, value string, err error) error {
	if err == errTimestamps {
		return err
	}
	return unimplemented("flag %s %q: %v", arg, value, err)
}

// cutPrefix takes a prefix of the runner's off a flag, but for its dash.
func cutPrefix(name, prefix string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(name, prefix); ok {
		return "-" + rest, true
	}
	return name, false
}
