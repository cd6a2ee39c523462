package main

import (
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
	if s.exportLength > 0 {
		if err := x.export(); err != nil {
			return err
		}
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

// export writes keying material, which the runner compares with its own.
func (x *connection) export() error {
	material, err := x.conn.ExportKeyingMaterial(x.set.exportLabel, []byte(x.set.exportContext), x.set.exportLength)
	if err != nil {
		return err
	}
	return x.write(material)
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
			data := make([]byte, size)
			for i := range data {
				data[i] = 0x42
			}
			if err := x.write(data); err != nil {
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
		n, err := x.read(buf)
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

func (x *connection) updateKey() error {
	return x.drive("key update", func() error { return x.conn.KeyUpdate(false) })
}

// shutdown sends close_notify and demands that of the peer.
func (x *connection) shutdown(clean bool) error {
	if err := x.drive("close", x.conn.CloseWrite); err != nil {
		return err
	}
	if x.set.shimShutsDown {
		n, err := x.read(make([]byte, 1))
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
