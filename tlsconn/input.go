package tlsconn

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/record"
)

// whole tells whether all of a record has arrived, by its declared length.
func (in *inbound) whole() bool {
	if in.w-in.r < record.HeaderLen {
		return false
	}
	h := record.ParseHeader(in.buf.data[in.r:])
	return in.w-in.r >= record.HeaderLen+h.Length
}

// midMessage tells whether part of a handshake message waits for its rest.
func (in *inbound) midMessage() bool { return in.messages != nil && !in.messages.Empty() }

// fill reads from the transport once. It is called only when no plaintext and no
// whole record are left, so there always is room. It returns nil when bytes
// have arrived, and the transport's answer otherwise.
func (c *Conn) fill() error {
	in := &c.in
	switch {
	case in.buf == nil:
		in.buf = c.ws.buffers.take(bufferClasses[largest])
		in.r, in.w = 0, 0
	case in.buf.class < fullOne:
		// A buffer that holds the beginning of a record may not have room for its end.
		in.buf = c.ws.buffers.move(in.buf, in.buf.data[in.r:in.w], bufferClasses[largest])
		in.r, in.w = 0, in.w-in.r
	case in.r > 0:
		in.w = copy(in.buf.data, in.buf.data[in.r:in.w])
		in.r = 0
	}
	in.plain, in.plainEnd = 0, 0
	n, err := c.transport.Read(in.buf.data[in.w:])
	if n > 0 {
		in.w += n
		in.buf.used = max(in.buf.used, in.w)
		in.idleReads = 0
		return nil // an error that came along comes again
	}
	if err == ErrWouldBlock {
		c.polled = true
	}
	if err == nil {
		if in.idleReads++; in.idleReads > maxNoProgress {
			return io.ErrNoProgress
		}
		return ErrWouldBlock
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF // RFC 8446 6.1: closure without close_notify is a truncation
	}
	return err
}

// await maps what fill returned for the caller of a verb: a want, or the end.
func (c *Conn) await(err error) error {
	switch {
	case err == ErrWouldBlock:
		return ErrWantRead
	case isTimeout(err):
		return err
	}
	c.end(err)
	return err
}

// receive consumes one whole record, if there is one (ok). Application data is
// opened into dst if dst holds the record's plaintext with its type and padding
// (n bytes of it are data), and else left in place for Read. Handshake bytes are
// fed to the reassembler; the caller then calls advance.
func (c *Conn) receive(dst []byte) (n int, ok bool, err error) {
	in := &c.in
	h, ok, err := c.header()
	if err != nil || !ok {
		return 0, false, err
	}
	body := in.r + record.HeaderLen
	rec := in.buf.data[in.r : body+h.Length]
	in.r += len(rec)
	switch {
	case h.Type == record.ChangeCipherSpec:
		return 0, true, c.receiveChangeCipherSpec(rec[record.HeaderLen:])
	case h.Type == record.ApplicationData && !in.on() && !in.midMessage() && c.skip(len(rec)):
		return 0, true, nil
	case !in.on():
		return 0, true, c.dispatch(h.Type, body, h.Length)
	case h.Type != record.ApplicationData && in.protection == protected13:
		return 0, true, unprotected(h, rec[record.HeaderLen:])
	}

	body += int(in.prefix) - record.HeaderLen
	inner := h.Length - tagLen // content; in TLS 1.3 type and padding; in TLS 1.2 part of the nonce
	// What comes within a handshake message goes to dispatch, which refuses it.
	direct := inner > 0 && inner <= len(dst) && !in.midMessage() && h.Type == record.ApplicationData
	if direct {
		dst = dst[:inner:inner]
	} else {
		dst = nil
	}
	content, typ, err := c.open(dst, rec)
	switch {
	case err != nil || typ == 0: // typ 0: skipped
		return 0, true, err
	case !direct:
		return 0, true, c.dispatch(typ, body, len(content))
	case typ != record.ApplicationData:
		// Not the caller's: back to where the record lay.
		copy(in.buf.data[body:], content)
		clear(dst)
		return 0, true, c.dispatch(typ, body, len(content))
	}
	clear(dst[len(content):])
	return len(content), true, c.countData(len(content))
}

// tagLen is the length of the tag of every AEAD that we have.
const tagLen = 16

// open removes the protection of one record. While a server drops the 0-RTT data
// that it refused, a record that does not open is skipped: content nil, typ 0.
func (c *Conn) open(dst, rec []byte) (content []byte, typ record.Type, err error) {
	in := &c.in
	content, typ, err = c.ws.key(&in.halfConn, c.facts.suite).open(dst, rec, in.seq)
	switch {
	case err == nil:
		if in.seq++; in.seq == 0 {
			// RFC 8446 5.3: sequence numbers must not wrap.
			return nil, 0, abort(AlertInternalError, "record: sequence number wraps")
		}
		in.skipping = false // the client has come to its second flight
		return content, typ, nil
	case errors.Is(err, record.ErrOverflow):
		return nil, 0, abort(AlertRecordOverflow, "record: plaintext is longer than %d bytes", record.MaxPlaintext)
	case errors.Is(err, record.ErrNoContentType):
		// RFC 8446 5.4: no non-zero octet in the cleartext is unexpected_message.
		return nil, 0, abort(AlertUnexpectedMessage, "record: plaintext has no content type")
	case c.skip(len(rec)):
		return nil, 0, nil
	}
	return nil, 0, abort(AlertBadRecordMAC, "record: authentication failed")
}

// header checks the header of the next record as soon as its five bytes are
// there, so that a bad one is not waited for; ok when all of the record is.
func (c *Conn) header() (h record.Header, ok bool, err error) {
	in := &c.in
	if in.w-in.r < record.HeaderLen {
		return h, false, nil
	}
	b := in.buf.data[in.r:in.w]
	h = record.ParseHeader(b)
	switch h.Type {
	case record.ChangeCipherSpec, record.Alert, record.Handshake, record.ApplicationData:
	default:
		if c.state == StateExpectClientHello && looksLikeHTTP(b) {
			return h, false, c.abortNotTLS(AlertUnexpectedMessage, b, "record: this is a plain HTTP request, not TLS")
		}
		return h, false, c.abortNotTLS(AlertUnexpectedMessage, b, fmt.Sprintf("record: type %d is not of TLS", uint8(h.Type)))
	}
	// RFC 8446 5.1: legacy_record_version must be ignored, but what does not even
	// begin like TLS is something else.
	if h.Version>>8 != 3 || in.on() && h.Version != 0x0303 {
		return h, false, c.abortNotTLS(AlertProtocolVersion, b, fmt.Sprintf("record: version %#04x is not of TLS", h.Version))
	}
	limit := record.MaxPlaintext
	switch {
	case in.protection == protected12:
		limit = record.MaxCiphertext12
	case in.on() || in.skipping && h.Type == record.ApplicationData:
		limit = record.MaxCiphertext13
	}
	if h.Length > limit {
		return h, false, abort(AlertRecordOverflow, "record: length %d is over %d", h.Length, limit)
	}
	return h, len(b) >= record.HeaderLen+h.Length, nil
}

// abortNotTLS ends a connection for a record header that is not of TLS; b is what
// arrived, which is told if nothing of TLS came before it.
func (c *Conn) abortNotTLS(a Alert, b []byte, reason string) error {
	if c.state != StateExpectClientHello && c.state != StateExpectServerHello || c.in.midMessage() || c.in.changeCipherSpecs > 0 {
		return abort(a, "%s", reason)
	}
	return abort(a, "%w", &NotTLSError{Start: bytes.Clone(b[:min(len(b), maxNotTLS)]), reason: reason})
}

// looksLikeHTTP recognizes the mistake that operators make most.
func looksLikeHTTP(b []byte) bool {
	for _, method := range []string{"GET ", "POST ", "PUT ", "HEAD ", "OPTIONS ", "CONNECT ", "DELETE "} {
		if n := min(len(b), len(method)); n >= record.HeaderLen && bytes.HasPrefix(b, []byte(method[:n])) {
			return true
		}
		if len(method) <= len(b) && bytes.HasPrefix(b, []byte(method)) {
			return true
		}
	}
	return false
}

// unprotected refuses a record without protection where protection is on. Its type
// is in what the AEAD authenticates (RFC 8446 5.2: additional_data, with opaque_type
// always 23), so it is a record that fails its check: bad_record_mac, as BoGo's
// UnencryptedEncryptedExtensions demands. A peer that refused our first flight has
// no keys and sends its alert like this; we cannot believe it, but it is worth a
// line in the log.
func unprotected(h record.Header, body []byte) error {
	if h.Type == record.Alert && len(body) == 2 {
		return abort(AlertBadRecordMAC, "record: unprotected alert %v where records are protected", Alert(body[1]))
	}
	return abort(AlertBadRecordMAC, "record: unprotected %v where records are protected", h.Type)
}

// dispatch routes the n bytes of content of one record, which lie at offset at
// of the read buffer.
func (c *Conn) dispatch(typ record.Type, at, n int) error {
	content := c.in.buf.data[at : at+n : at+n]
	if typ != record.Handshake && c.in.midMessage() {
		// RFC 8446 5.1: "Handshake messages MUST NOT be interleaved with other record types."
		return abort(AlertUnexpectedMessage, "record: %v within a handshake message", typ)
	}
	switch typ {
	case record.Handshake:
		return c.receiveHandshake(content)
	case record.Alert:
		return c.receiveAlert(content)
	case record.ApplicationData:
		return c.receiveData(at, n)
	case record.ChangeCipherSpec:
		// RFC 8446 5: a protected change_cipher_spec is an unexpected message.
		return abort(AlertUnexpectedMessage, "record: protected change_cipher_spec")
	}
	return abort(AlertUnexpectedMessage, "record: inner type %d is not of TLS", uint8(typ))
}

func (c *Conn) receiveHandshake(content []byte) error {
	if len(content) == 0 {
		// RFC 8446 5.1: "Implementations MUST NOT send zero-length fragments of Handshake types".
		return abort(AlertUnexpectedMessage, "record: empty handshake record")
	}
	if c.in.messages == nil {
		c.in.messages = new(record.Reassembler)
	}
	c.in.messages.Feed(content)
	return nil
}

// receiveData takes application data that was opened in place: it waits there
// for Read.
func (c *Conn) receiveData(at, n int) error {
	if c.state != StateConnected {
		return abort(AlertUnexpectedMessage, "record: application data in state %v", c.state)
	}
	c.in.plain, c.in.plainEnd = at, at+n
	return c.countData(n)
}

// countData resets the counts of records that get nowhere, or counts an empty one.
func (c *Conn) countData(n int) error {
	in := &c.in
	if n == 0 {
		if in.emptyRecords++; in.emptyRecords > maxEmptyRecords {
			return abort(AlertUnexpectedMessage, "record: more than %d empty records in a row", maxEmptyRecords)
		}
		return nil
	}
	in.emptyRecords, in.warningAlerts, in.keyUpdates, in.tickets = 0, 0, 0, 0
	return nil
}

// receiveAlert obeys RFC 8446 6: close_notify ends the stream, user_canceled is
// only said before it, and everything else is the peer's end.
func (c *Conn) receiveAlert(content []byte) error {
	if len(content) == 0 {
		// RFC 8446 5.4: an empty one is unexpected_message.
		return abort(AlertUnexpectedMessage, "record: empty alert record")
	}
	if len(content) != 2 {
		// RFC 8446 5.1: an alert record holds exactly one whole message.
		return abort(AlertDecodeError, "alert: %d bytes instead of 2", len(content))
	}
	c.traceMessage(false, record.Alert, content)
	alert := Alert(content[1])
	if err := c.checkAlertLevel(content[0], alert); err != nil {
		return err
	}
	switch alert {
	case AlertCloseNotify:
		if c.state != StateConnected {
			return &PeerAlertError{Alert: alert}
		}
		// RFC 8446 6.1: "Any data received after a closure alert has been received MUST be
		// ignored." It is not kept either.
		c.in.eof = true
		c.in.r = c.in.w
		return nil
	case AlertUserCanceled:
		return c.countWarning()
	}
	if content[0] == alertLevelWarning && c.version() == tls.VersionTLS12 {
		return c.countWarning() // RFC 5246 7.2.2 leaves it to us, and it says nothing that we need
	}
	if content[0] == alertLevelWarning && alert == AlertUnrecognizedName && c.state == StateExpectServerHello && c.offers12() {
		// RFC 6066 3: a server of TLS 1.2 may say so before its ServerHello, and go on.
		return c.countWarning()
	}
	return &PeerAlertError{Alert: alert}
}

// offers12 tells whether the peer may be one of TLS 1.2.
func (c *Conn) offers12() bool {
	p, _ := c.config.prepare()
	return p.minVersion == tls.VersionTLS12
}

// countWarning counts an alert that does not end the connection.
func (c *Conn) countWarning() error {
	if c.in.warningAlerts++; c.in.warningAlerts > maxWarningAlerts {
		return abort(AlertUnexpectedMessage, "alert: more than %d warnings in a row", maxWarningAlerts)
	}
	return nil
}

// checkAlertLevel refuses a level that is none, and an error alert that says it is
// only a warning: RFC 8446 6 has it end the connection all the same ("MUST be
// treated as error alerts when received regardless of the AlertLevel"), and the
// alerts that it ends with are those of BoGo's SendBogusAlertType and
// SendWarningAlerts-TLS13. Before the version is settled, the peer may be one of an
// older TLS, where warnings are; what it says then is the best reason we have.
func (c *Conn) checkAlertLevel(level byte, alert Alert) error {
	switch {
	case level != alertLevelWarning && level != alertLevelFatal:
		return abort(AlertIllegalParameter, "alert: %v with level %d, which is none", alert, level)
	case level == alertLevelWarning && c.version() == tls.VersionTLS13 && alert != AlertCloseNotify && alert != AlertUserCanceled:
		return abort(AlertDecodeError, "alert: %v with the level of a warning", alert)
	}
	return nil
}

// skip drops one record of the 0-RTT data that a server has refused (RFC 8446
// 4.2.10), within the limit, and tells whether it did.
func (c *Conn) skip(n int) bool {
	in := &c.in
	if !in.skipping || int(in.skipped)+n > maxSkippedEarlyData {
		return false
	}
	in.skipped += uint16(n)
	return true
}

// receiveChangeCipherSpec lets a handshake of TLS 1.2 change keys, drops the
// compatibility record of RFC 8446 5 and D.4, and refuses any other.
func (c *Conn) receiveChangeCipherSpec(content []byte) error {
	if c.in.midMessage() {
		return abort(AlertUnexpectedMessage, "record: change_cipher_spec within a handshake message")
	}
	c.traceMessage(false, record.ChangeCipherSpec, content)
	if c.version() == tls.VersionTLS12 {
		return c.changeCipherSpec12(content)
	}
	// RFC 8446 5: expected from the first ClientHello to the peer's Finished.
	if c.state == StateExpectClientHello || c.state == StateConnected {
		return abort(AlertUnexpectedMessage, "record: change_cipher_spec in state %v", c.state)
	}
	if len(content) != 1 || content[0] != 1 {
		return abort(AlertUnexpectedMessage, "record: change_cipher_spec is not the single byte 1")
	}
	if c.in.changeCipherSpecs++; c.in.changeCipherSpecs > maxChangeCipherSpec {
		return abort(AlertUnexpectedMessage, "record: more than %d change_cipher_spec", maxChangeCipherSpec)
	}
	return nil
}

// settleInput ends a call: buffers that hold nothing go back to the Workspace,
// and what is left moves to the smallest class that holds what has arrived, not
// what was declared.
func (c *Conn) settleInput() {
	in := &c.in
	if in.messages != nil {
		if in.messages.Empty() {
			in.messages.Release()
			in.messages = nil
		} else {
			in.messages.Stash()
		}
	}
	if in.buf != nil {
		c.trimInput()
	}
	c.chargeInput()
}

// trimInput gives the read buffer back, or keeps what is left in one that fits.
func (c *Conn) trimInput() {
	in := &c.in
	from := in.r
	if in.plain < in.plainEnd {
		from = in.plain
	}
	left := in.w - from
	if left == 0 {
		c.releaseInput()
		return
	}
	if class := classOf(left); class < in.buf.class {
		in.buf = c.ws.buffers.move(in.buf, in.buf.data[from:in.w], left)
		in.plain, in.plainEnd = max(in.plain-from, 0), max(in.plainEnd-from, 0)
		in.r, in.w = in.r-from, left
	}
}

// chargeInput counts what the connection holds between calls, and ends it if
// that is beyond the Workspace's budget.
func (c *Conn) chargeInput() {
	in, pool := &c.in, &c.ws.buffers
	held := 0
	if in.buf != nil {
		held += len(in.buf.data)
	}
	if in.messages != nil {
		held += in.messages.Buffered()
	}
	if c.hs != nil {
		held += c.hs.kept()
	}
	pool.input += held - int(in.held)
	in.held = int32(held)
	if pool.input > pool.inputBudget && held > 0 && c.err == nil {
		c.fail(abort(AlertInternalError, "record: connections hold more than the %d bytes allowed for input", pool.inputBudget))
	}
}

func (c *Conn) releaseInput() {
	c.ws.buffers.release(c.in.buf)
	c.in.buf = nil
	c.in.r, c.in.w, c.in.plain, c.in.plainEnd = 0, 0, 0, 0
}

// dropInput forgets everything received, and the keys to read more.
func (c *Conn) dropInput() {
	if c.in.buf != nil {
		c.releaseInput()
	}
	if c.in.messages != nil {
		c.in.messages.Release()
		c.in.messages = nil
	}
	c.chargeInput()
	c.ws.clearKeys(&c.in.halfConn)
}
