package reactor

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

// socket is a Conn seen as a tlsconn.Transport: the raw, non-blocking descriptor. It is the same memory,
// so a connection has no second object for it.
type socket Conn

// LocalAddr and RemoteAddr are what tlsconn tells callbacks as a ClientHelloInfo's Conn.
func (s *socket) LocalAddr() net.Addr  { return (*Conn)(s).LocalAddr() }
func (s *socket) RemoteAddr() net.Addr { return (*Conn)(s).RemoteAddr() }

// Read is read(2). After a short read it says ErrWouldBlock for the rest of the turn without asking: the
// socket was empty, and epoll tells when it is not.
func (s *socket) Read(p []byte) (int, error) {
	if s.dryTurn == s.loop.turn {
		return 0, tlsconn.ErrWouldBlock
	}
	for {
		n, err := unix.Read(int(s.fd), p)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			s.dryTurn = s.loop.turn
			return 0, tlsconn.ErrWouldBlock
		case err != nil:
			return 0, err
		case n == 0 && len(p) > 0 && s.resetTold:
			return 0, unix.ECONNRESET
		case n == 0 && len(p) > 0:
			return 0, io.EOF
		}
		if n < len(p) {
			s.dryTurn = s.loop.turn
		}
		s.readLeft -= int32(n) // what the peer made us take, be it records of one byte
		s.moved()
		return n, nil
	}
}

// Write is write(2). When the socket takes less than it is offered, the count comes with ErrWouldBlock;
// asking again at once would only say the same. The runtime turns SIGPIPE into EPIPE for sockets.
func (s *socket) Write(p []byte) (int, error) {
	for {
		n, err := unix.Write(int(s.fd), p)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EAGAIN:
			n = 0
		case err != nil:
			// The kernel tells a reset once, and then lets reads end as if by a FIN. EPIPE is different:
			// the FIN was there before the reset (tcp_reset in the kernel's net/ipv4/tcp_input.c).
			s.resetTold = err != unix.EPIPE
			return 0, err
		}
		if n > 0 {
			s.moved()
		}
		if n < len(p) {
			s.full = true
			return n, tlsconn.ErrWouldBlock
		}
		s.full = false
		return n, nil
	}
}

// moved puts the idle timeout off, which data of a handshake must not do with its deadline.
func (s *socket) moved() {
	if s.phase == phaseOpen {
		s.active = s.loop.now
	}
}

// isReset tells the errors of a peer that is gone from all others.
func isReset(err error) bool {
	return errors.Is(err, unix.ECONNRESET) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ETIMEDOUT)
}

// shutdownWrite sends FIN. A connection that the peer has reset meanwhile has nothing to shut down.
func shutdownWrite(fd int) error {
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil && err != unix.ENOTCONN {
		return err
	}
	return nil
}

// resetOnClose makes the close of fd send RST (SO_LINGER with time zero, socket(7)). A unix socket knows
// no reset; its peer sees the end.
func resetOnClose(fd int) {
	// An error means that the socket is not connected any more, which is as good.
	_ = unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1})
}

// peek reports whether reading fd would give data or the end of input (recv(2)).
func peek(fd int) bool {
	var b [1]byte
	_, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err == nil
}

// closeDescriptor closes fd. Linux frees the number whatever close(2) returns, so the error is of no use.
func closeDescriptor(fd int) { _ = unix.Close(fd) }

// tuneStream sets on a TCP socket what package net sets for everyone: no delay for small segments, and
// keep-alive. Linux hands these on from a listener to the connections that it accepts.
func tuneStream(fd int) error {
	for _, o := range []struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, keepAliveIdle},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, keepAliveInterval},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, keepAliveCount},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// localAddress is our address of fd, the zero value if it has none.
func localAddress(fd int) netip.AddrPort {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	return addressOf(sa)
}

// addressOf converts the kernel's form; an IPv4 peer of a dual-stack socket is shown as IPv4. What is no
// IP address gives the zero value.
func addressOf(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr).Unmap()
		if sa.ZoneId != 0 && addr.Is6() {
			addr = addr.WithZone(strconv.Itoa(int(sa.ZoneId)))
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port))
	}
	return netip.AddrPort{}
}
