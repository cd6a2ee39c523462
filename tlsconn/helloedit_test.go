package tlsconn

import (
	"crypto/tls"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// A hello taken apart, so that a fuzzer can change what it says and leave every
// length right: a byte flipped anywhere else is a decode_error nearly always. It shares
// nothing with the codec that is under test.

type looseHello struct {
	typ         wire.MessageType
	version     uint16
	random      []byte
	session     []byte
	suites      [][]byte
	compression [][]byte
	noBlock     bool // no extensions at all, not even none
	extensions  []looseExtension
	tail        []byte // behind the extensions, against all rules
}

type looseExtension struct {
	typ  uint16
	body []byte
}

// vector is the form of a list: the bytes of its length, and of each entry the fixed
// bytes ahead of its own length, the bytes of that, and the fixed bytes behind.
type vector struct{ prefix, head, length, tail int }

// vectors are the lists that extensions are made of; a pre_shared_key is of two.
var vectors = map[wire.ExtensionType][]vector{
	wire.ExtServerName:              {{2, 1, 2, 0}},
	wire.ExtSupportedGroups:         {{2, 2, 0, 0}},
	wire.ExtECPointFormats:          {{1, 1, 0, 0}},
	wire.ExtSignatureAlgorithms:     {{2, 2, 0, 0}},
	wire.ExtALPN:                    {{2, 0, 1, 0}},
	wire.ExtServerCertificateType:   {{1, 1, 0, 0}},
	wire.ExtClientCertificateType:   {{1, 1, 0, 0}},
	wire.ExtPreSharedKey:            {{2, 0, 2, 4}, {2, 0, 1, 0}},
	wire.ExtSupportedVersions:       {{1, 2, 0, 0}},
	wire.ExtCookie:                  {{2, 1, 0, 0}},
	wire.ExtPSKModes:                {{1, 1, 0, 0}},
	wire.ExtCertificateAuthorities:  {{2, 0, 2, 0}},
	wire.ExtSignatureAlgorithmsCert: {{2, 2, 0, 0}},
	wire.ExtKeyShare:                {{2, 2, 2, 0}},
}

// number reads a big-endian number of n bytes, and the rest.
func number(b []byte, n int) (v int, rest []byte, ok bool) {
	if len(b) < n {
		return 0, nil, false
	}
	for _, c := range b[:n] {
		v = v<<8 | int(c)
	}
	return v, b[n:], true
}

func appendNumber(b []byte, v, n int) []byte {
	for n--; n >= 0; n-- {
		b = append(b, byte(v>>(8*n)))
	}
	return b
}

// opaqueOf reads a string with a length of n bytes.
func opaqueOf(b []byte, n int) (content, rest []byte, ok bool) {
	v, b, ok := number(b, n)
	if !ok || len(b) < v {
		return nil, nil, false
	}
	return b[:v:v], b[v:], true
}

func appendOpaque(b, content []byte, n int) []byte {
	return append(appendNumber(b, len(content), n), content...)
}

// split takes a list apart.
func (v vector) split(b []byte) (entries [][]byte, rest []byte, ok bool) {
	content, rest, ok := opaqueOf(b, v.prefix)
	for len(content) > 0 && ok {
		if len(content) < v.head {
			return nil, nil, false
		}
		var n int
		if n, _, ok = number(content[v.head:], v.length); !ok {
			return nil, nil, false
		}
		if n += v.head + v.length + v.tail; n > len(content) {
			return nil, nil, false
		}
		entries, content = append(entries, content[:n:n]), content[n:]
	}
	return entries, rest, ok
}

// append writes a list with the length that its entries have.
func (v vector) append(b []byte, entries [][]byte) []byte {
	return appendOpaque(b, slices.Concat(entries...), v.prefix)
}

// fill makes an entry of the form out of any bytes.
func (v vector) fill(b []byte) []byte {
	for len(b) < v.head+v.tail {
		b = append(b, 0)
	}
	if v.length == 0 {
		return b[:v.head+v.tail]
	}
	content := b[v.head : len(b)-v.tail]
	content = content[:min(len(content), 1<<(8*v.length)-1)]
	return slices.Concat(b[:v.head], appendOpaque(nil, content, v.length), b[len(b)-v.tail:])
}

// parseLoose takes a whole message apart, if it is a ClientHello, ServerHello or
// EncryptedExtensions. Of the second suites and compression are one value each, and the
// third is nothing but extensions.
func parseLoose(raw []byte) (h *looseHello, ok bool) {
	typ, b, ok := number(raw, 1)
	if !ok {
		return nil, false
	}
	h = &looseHello{typ: wire.MessageType(typ)}
	b, after, ok := opaqueOf(b, 3)
	if !ok || len(after) > 0 {
		return nil, false
	}
	switch h.typ {
	case wire.TypeClientHello, wire.TypeServerHello:
		if b, ok = h.parseFixed(b); !ok {
			return nil, false
		}
	case wire.TypeEncryptedExtensions:
	default:
		return nil, false
	}
	if h.noBlock = len(b) == 0; h.noBlock {
		return h, true
	}
	block, tail, ok := opaqueOf(b, 2)
	for h.tail = tail; ok && len(block) > 0; {
		var e looseExtension
		var typ int
		if typ, block, ok = number(block, 2); !ok {
			break
		}
		e.typ = uint16(typ)
		e.body, block, ok = opaqueOf(block, 2)
		h.extensions = append(h.extensions, e)
	}
	return h, ok
}

// parseFixed takes what a hello has ahead of its extensions.
func (h *looseHello) parseFixed(b []byte) (rest []byte, ok bool) {
	if len(b) < 34 {
		return nil, false
	}
	h.version, h.random = binary.BigEndian.Uint16(b), b[2:34:34]
	if h.session, b, ok = opaqueOf(b[34:], 1); !ok {
		return nil, false
	}
	if h.typ == wire.TypeServerHello {
		if len(b) < 3 {
			return nil, false
		}
		h.suites, h.compression = [][]byte{b[:2:2]}, [][]byte{b[2:3:3]}
		return b[3:], true
	}
	if h.suites, b, ok = (vector{2, 2, 0, 0}).split(b); !ok {
		return nil, false
	}
	h.compression, b, ok = (vector{1, 1, 0, 0}).split(b)
	return b, ok
}

// encode is the way back.
func (h *looseHello) encode() (b []byte) {
	switch h.typ {
	case wire.TypeClientHello:
		b = h.appendFixed()
		b = (vector{2, 2, 0, 0}).append(b, h.suites)
		b = (vector{1, 1, 0, 0}).append(b, h.compression)
	case wire.TypeServerHello:
		b = append(h.appendFixed(), slices.Concat(slices.Concat(h.suites...), slices.Concat(h.compression...))...)
	default:
	}
	if !h.noBlock || len(h.extensions) > 0 {
		var block []byte
		for _, e := range h.extensions {
			block = binary.BigEndian.AppendUint16(block, e.typ)
			block = appendOpaque(block, e.body, 2)
		}
		b = appendOpaque(b, block, 2)
	}
	return appendOpaque([]byte{byte(h.typ)}, append(b, h.tail...), 3)
}

func (h *looseHello) appendFixed() []byte {
	b := binary.BigEndian.AppendUint16(nil, h.version)
	return appendOpaque(append(b, h.random...), h.session, 1)
}

// maxEdits bounds the edits of one input: what many do, few do too.
const maxEdits = 12

// edit changes h as the fuzzer's bytes say.
func (h *looseHello) edit(k *knobs) {
	for range maxEdits {
		if len(k.b) == 0 || len(h.encode()) > maxClientHello {
			return
		}
		h.editOnce(k)
	}
}

// The kinds of edits, by the first byte of each.
const (
	editDrop = iota
	editRepeat
	editMove
	editBody
	editInsert
	editExtensionList
	editSuites
	editVersion
	editSession
	editCompression
	editFlip
	editNoBlock
	editShare
	editType
	editTail
	editSample
	editKinds
)

func (h *looseHello) editOnce(k *knobs) {
	kind, at := int(k.byte())%editKinds, 0
	if n := len(h.extensions); n > 0 {
		at = int(k.byte()) % n
	} else if kind <= editBody || kind == editExtensionList || kind == editFlip || kind == editType {
		return // nothing to change
	}
	switch kind {
	case editDrop:
		h.extensions = slices.Delete(slices.Clone(h.extensions), at, at+1)
	case editRepeat:
		h.insert(k, h.extensions[at])
	case editMove:
		e := h.extensions[at]
		h.extensions = slices.Delete(slices.Clone(h.extensions), at, at+1)
		h.insert(k, e)
	case editBody:
		h.extensions[at].body = k.bytes(int(k.byte()))
	case editInsert:
		h.insert(k, looseExtension{k.value(), k.bytes(int(k.byte()))})
	case editExtensionList:
		e := &h.extensions[at]
		e.body = editLists(k, vectors[wire.ExtensionType(e.typ)], e.body)
	case editSuites:
		h.suites = editEntries(k, vector{2, 2, 0, 0}, h.suites)
	case editVersion:
		h.version = k.value()
	case editSession:
		h.session = k.bytes(int(k.byte()))
	case editCompression:
		h.compression = editEntries(k, vector{1, 1, 0, 0}, h.compression)
	case editFlip:
		if body := slices.Clone(h.extensions[at].body); len(body) > 0 {
			body[k.below(len(body))] ^= 1 << (k.byte() % 8)
			h.extensions[at].body = body
		}
	case editNoBlock:
		h.extensions, h.noBlock = nil, true
	case editShare:
		h.share(tls.CurveID(k.value()))
	case editType:
		h.extensions[at].typ = k.value()
	case editTail:
		h.tail = k.bytes(int(k.byte()))
	case editSample:
		samples := sampleExtensions()
		h.insert(k, samples[int(k.byte())%len(samples)])
	}
}

// insert puts an extension where the fuzzer likes.
func (h *looseHello) insert(k *knobs, e looseExtension) {
	at := int(k.byte()) % (len(h.extensions) + 1)
	h.extensions = slices.Insert(slices.Clone(h.extensions), at, e)
}

// editLists changes one entry of one of the lists that body is made of.
func editLists(k *knobs, forms []vector, body []byte) []byte {
	if len(forms) == 0 {
		return body
	}
	chosen := int(k.byte()) % len(forms)
	rest := body
	var out []byte
	for i, form := range forms {
		entries, after, ok := form.split(rest)
		if !ok {
			return body
		}
		if i == chosen {
			entries = editEntries(k, form, entries)
		}
		out, rest = form.append(out, entries), after
	}
	return append(out, rest...)
}

// editEntries changes a list by one entry.
func editEntries(k *knobs, form vector, entries [][]byte) [][]byte {
	kind, at, n := k.byte()%7, int(k.byte()), len(entries)
	entries = slices.Clone(entries)
	switch {
	case kind == 0: // one more, of a known number
		value := binary.BigEndian.AppendUint16(nil, k.value())
		return slices.Insert(entries, at%(n+1), form.fill(value[max(0, 2-form.head):]))
	case kind == 1: // one more, of any bytes
		return slices.Insert(entries, at%(n+1), form.fill(k.bytes(int(k.byte()))))
	case kind == 2:
		return nil
	case n == 0:
		return entries
	case kind == 3:
		return slices.Delete(entries, at%n, at%n+1)
	case kind == 4: // one twice
		return slices.Insert(entries, int(k.byte())%(n+1), entries[at%n])
	case kind == 5: // no other
		return entries[at%n : at%n+1]
	}
	other := int(k.byte()) % n
	entries[at%n], entries[other] = entries[other], entries[at%n]
	return entries
}

// share makes key_share have a valid share of a group that we have, beside those that
// it has of others.
func (h *looseHello) share(group tls.CurveID) {
	share, ok := sampleShares()[group]
	if !ok {
		return
	}
	form := vectors[wire.ExtKeyShare][0]
	for i, e := range h.extensions {
		if entries, _, ok := form.split(e.body); ok && e.typ == uint16(wire.ExtKeyShare) {
			h.extensions[i].body = form.append(nil, append(entries, share))
			return
		}
	}
}

// onlyShare answers a HelloRetryRequest for a group.
func (h *looseHello) onlyShare(group uint16) {
	for i, e := range h.extensions {
		if e.typ == uint16(wire.ExtKeyShare) {
			h.extensions[i].body = vectors[wire.ExtKeyShare][0].append(nil, [][]byte{sampleShares()[tls.CurveID(group)]})
		}
	}
}

// sampleShares are KeyShareEntries, one of each group.
var sampleShares = sync.OnceValue(func() map[tls.CurveID][]byte {
	shares := make(map[tls.CurveID][]byte)
	for _, g := range defaultGroups {
		s, err := newClientShare(g, nil)
		if err != nil {
			panic(err)
		}
		shares[g] = appendOpaque(binary.BigEndian.AppendUint16(nil, uint16(g)), s.public(), 2)
	}
	return shares
})

// sampleExtensions are well-formed bodies of extensions that the seeds lack.
var sampleExtensions = sync.OnceValue(func() (samples []looseExtension) {
	for _, s := range []struct {
		typ  wire.ExtensionType
		body string
	}{
		{wire.ExtServerName, "\x00\x0e\x00\x00\x0bexample.org"},
		{wire.ExtServerName, "\x00\x0c\x00\x00\x09other.net"},
		{wire.ExtServerName, "\x00\x0f\x00\x00\x0cexample.org."},
		{wire.ExtServerName, "\x00\x0b\x00\x00\x08a\x00b c\xc3\xa9!"},
		{wire.ExtStatusRequest, "\x01\x00\x00\x00\x00"},
		{wire.ExtStatusRequest, "\x02\x00\x00\x00\x00"},
		{wire.ExtSupportedGroups, "\x00\x04\x00\x1d\x00\x17"},
		{wire.ExtECPointFormats, "\x01\x00"},
		{wire.ExtECPointFormats, "\x01\x01"},
		{wire.ExtSignatureAlgorithms, "\x00\x06\x04\x03\x08\x04\x08\x07"},
		{wire.ExtALPN, "\x00\x0c\x02h2\x08http/1.1"},
		{wire.ExtALPN, "\x00\x09\x08http/1.1"},
		{wire.ExtALPN, "\x00\x05\x04spdy"},
		{wire.ExtSCT, ""},
		{wire.ExtServerCertificateType, "\x01\x02"},
		{wire.ExtPadding, "\x00\x00\x00"},
		{wire.ExtExtendedMasterSecret, ""},
		{wire.ExtRecordSizeLimit, "\x40\x01"},
		{wire.ExtSessionTicket, ""},
		{wire.ExtSessionTicket, "a ticket of somebody else's keys, which is long enough to be one"},
		{wire.ExtEarlyData, ""},
		{wire.ExtSupportedVersions, "\x04\x03\x04\x03\x03"},
		{wire.ExtSupportedVersions, "\x02\x03\x03"},
		{wire.ExtCookie, "\x00\x03abc"},
		{wire.ExtPSKModes, "\x01\x01"},
		{wire.ExtPSKModes, "\x01\x00"},
		{wire.ExtCertificateAuthorities, "\x00\x06\x00\x04\x30\x02\x31\x00"},
		{wire.ExtPostHandshakeAuth, ""},
		{wire.ExtSignatureAlgorithmsCert, "\x00\x02\x04\x03"},
		{wire.ExtKeyShare, "\x00\x00"},
		{wire.ExtRenegotiationInfo, "\x00"},
		{wire.ExtRenegotiationInfo, "\x0cthe last one"},
		{57, "\x01\x02\x43\xe8"}, // quic_transport_parameters
		{0xfe0d, "\x01"},         // encrypted_client_hello, an inner one
		{0x0a0a, ""},             // GREASE
		{wire.ExtPreSharedKey, "\x00\x0c\x00\x06ticket\x00\x00\x00\x00\x00\x21\x20" + "0123456789abcdef0123456789abcdef"},
	} {
		samples = append(samples, looseExtension{uint16(s.typ), []byte(s.body)})
	}
	return samples
})

// knownValues are numbers of versions, groups, signature schemes, suites and extensions
// that mean something to somebody.
var knownValues = []uint16{
	0x0300, 0x0301, 0x0302, 0x0303, 0x0304, 0x0305, 0x7f1c, 0x0200, 0xfefd,
	23, 24, 25, 29, 30, 0x11ec, 0x11eb, 0x11ed, 256, 0x6399,
	0x0403, 0x0503, 0x0603, 0x0804, 0x0805, 0x0806, 0x0807, 0x0808, 0x0809, 0x0401, 0x0501, 0x0601, 0x0201, 0x0203,
	0x1301, 0x1302, 0x1303, 0x1304, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca8, 0xcca9, 0xc009, 0xc013, 0x002f, 0x009c, 0x00ff, 0x5600,
	0, 5, 10, 11, 13, 16, 18, 20, 21, 28, 35, 41, 42, 43, 44, 45, 47, 49, 50, 51, 57, 0xff01, 0xfe0d, 0x0a0a, 0x2a2a, 1, 2, 0xffff,
}

// value returns one of them, or any number at all.
func (k *knobs) value() uint16 {
	if i := int(k.byte()); i < len(knownValues) {
		return knownValues[i]
	}
	return uint16(k.byte())<<8 | uint16(k.byte())
}
