package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// exchange runs the steps of a connection, as the runner expects them.
func (x *connection) exchange() error {
	s := x.set
	if !s.implicitHandshake {
		if err := x.handshake(); err != nil {
			return err
		}
	}
	if err := x.export(); err != nil {
		return err
	}
	if s.sendAlert {
		return x.abort()
	}
	unfinished, err := x.writeFirst()
	if err != nil {
		return err
	}
	clean := false // the peer has sent close_notify
	if !s.shimShutsDown && !s.differentSizes {
		if clean, err = x.echo(unfinished); err != nil {
			return err
		}
	}
	if err := x.expectSession(); err != nil {
		return err
	}
	if err := x.expectMessages(); err != nil {
		return err
	}
	if !s.checkCloseNotify {
		return nil // close_notify is neither sent nor demanded
	}
	return x.shutdown(clean)
}

// handshake completes the handshake and holds its result against the settings.
func (x *connection) handshake() error {
	if err := x.driveToEnd("handshake", x.conn.Handshake); err != nil {
		return err
	}
	if err := x.expect(); err != nil {
		return err
	}
	if x.set.handshakeTwice {
		if err := x.drive("second handshake", x.conn.Handshake); err != nil {
			return err
		}
	}
	if x.set.noOpExtraHandshake {
		if err := x.conn.Handshake(); err != nil {
			return broken("a handshake after the handshake is no no-op: %v", err)
		}
	}
	return nil
}

// export writes what the runner compares with its own: keying material, and the
// traffic secrets of both directions with their length, little-endian, before them.
func (x *connection) export() error {
	if n := x.set.exportLength; n > 0 {
		var context []byte
		if x.set.useContext {
			context = []byte(x.set.exportContext)
		}
		material, err := x.conn.ExportKeyingMaterial(x.set.exportLabel, context, n)
		if err != nil {
			return err
		}
		if err := x.write(material); err != nil {
			return err
		}
	}
	if !x.set.exportTrafficSecrets {
		return nil
	}
	secrets, err := x.conn.TrafficSecrets()
	if err != nil {
		return err
	}
	read, write := secrets.Receive.Secret, secrets.Send.Secret
	out := binary.LittleEndian.AppendUint16(nil, uint16(len(read)))
	return x.write(append(append(out, read...), write...))
}

// abort ends the connection with an alert of the runner's choice.
func (x *connection) abort() error {
	const decompressionFailure tlsconn.Alert = 30
	reason := errors.New("the test wants it to end")
	return x.drive("abort", func() error { return x.conn.Abort(decompressionFailure, reason) })
}

// writeFirst writes before anything is read, if the test says so. unfinished is
// true if all but the first byte of that is still pending.
func (x *connection) writeFirst() (unfinished bool, err error) {
	s := x.set
	switch {
	case s.unfinishedWrite:
		if x.metered == nil {
			return false, errors.New("-read-with-unfinished-write needs -async")
		}
		x.metered.writeable++
		n, err := x.conn.Write([]byte(s.initialWrite))
		if n != len(s.initialWrite) || err != nil || x.conn.Wants()&tlsconn.WantWrite == 0 {
			return false, broken("unfinished write: %d bytes, %v, wants %v", n, err, x.conn.Wants())
		}
		return true, nil
	case s.differentSizes:
		for _, size := range []int{0, 1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769} {
			if err := x.write(bytes.Repeat([]byte{0x42}, size)); err != nil {
				return false, err
			}
		}
	case s.shimWritesFirst:
		for range s.repeatInitialWrite {
			if err := x.write([]byte(s.initialWrite)); err != nil {
				return false, err
			}
		}
	}
	return false, nil
}

// echo answers what it reads, inverted, until the peer ends. It tells whether
// that was by close_notify; a transport that just ends is as good here.
func (x *connection) echo(unfinished bool) (clean bool, err error) {
	buf := make([]byte, x.set.readSize)
	for {
		if x.set.keyUpdateBeforeRead {
			if err := x.updateKey(); err != nil {
				return false, err
			}
		}
		n, err := x.receive(buf)
		switch err {
		case nil:
		case io.EOF:
			return true, nil
		case io.ErrUnexpectedEOF:
			return false, nil
		default:
			return false, err
		}
		if x.set.exporterBetweenReads {
			if _, err := x.conn.ExportKeyingMaterial("", nil, 1); err != nil {
				return false, err
			}
		}
		if unfinished {
			unfinished = false
			if err := x.drive("flush", x.conn.Flush); err != nil {
				return false, err
			}
		}
		if x.set.keyUpdate {
			if err := x.updateKey(); err != nil {
				return false, err
			}
		}
		for i := range buf[:n] {
			buf[i] ^= 0xff
		}
		if err := x.write(buf[:n]); err != nil {
			return false, err
		}
	}
}

// receive reads once into buf, with -peek-then-read after it has looked at the
// same bytes twice.
func (x *connection) receive(buf []byte) (int, error) {
	if !x.set.peekThenRead {
		return x.read("read", x.conn.Read, buf)
	}
	n, err := x.read("peek", x.conn.Peek, buf)
	if err != nil {
		return n, err
	}
	for _, call := range []func([]byte) (int, error){x.conn.Peek, x.conn.Read} {
		again := make([]byte, n)
		if m, err := call(again); m != n || err != nil || !bytes.Equal(again, buf[:n]) {
			return 0, broken("after a peek of %q: got %q, %v", buf[:n], again[:m], err)
		}
	}
	return n, nil
}

func (x *connection) updateKey() error {
	return x.drive("key update", func() error { return x.conn.KeyUpdate(false) })
}

// shutdown sends close_notify and demands that of the peer.
func (x *connection) shutdown(clean bool) error {
	if err := x.drive("close", x.conn.CloseWrite); err != nil {
		return err
	}
	if x.set.shimShutsDown {
		n, err := x.read("read", x.conn.Read, make([]byte, 1))
		if n > 0 {
			return errors.New("shutdown: application data instead of close_notify")
		}
		if err != io.EOF {
			return fmt.Errorf("shutdown: no close_notify: %w", err)
		}
		clean = true
	}
	if !clean {
		return errors.New("shutdown: the peer ended without close_notify")
	}
	return nil
}
