package reactor

import (
	"net"
	"net/netip"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/tlsreactor/tlsreactor/poller"
)

// connectStart opens a socket and begins to connect it, to path if that is not empty.
func connectStart(at netip.AddrPort, path string) (fd int, err error) {
	family, sa := unix.AF_UNIX, unix.Sockaddr(&unix.SockaddrUnix{Name: path})
	if path == "" {
		family, sa = unix.AF_INET, sockaddrOf(at)
		if at.Addr().Is6() {
			family = unix.AF_INET6
		}
	}
	fd, err = unix.Socket(family, socketKind, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if family != unix.AF_UNIX {
		if err := tuneStream(fd); err != nil {
			closeDescriptor(fd)
			return -1, err
		}
	}
	switch err := unix.Connect(fd, sa); err {
	case nil, unix.EINPROGRESS, unix.EINTR: // connect(2): an interrupted connect goes on by itself
		return fd, nil
	default:
		closeDescriptor(fd)
		return -1, os.NewSyscallError("connect", err)
	}
}

// connectResult tells how a connect ended. A connect to a port of the ephemeral range on this machine
// where nobody listens can meet itself, if the kernel chose that very port for it (simultaneous open,
// RFC 9293 3.5): that is a refusal.
func connectResult(fd int) error {
	if err := poller.SocketError(fd); err != nil {
		return os.NewSyscallError("connect", err)
	}
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return os.NewSyscallError("connect", err)
	}
	if at := addressOf(peer); at.IsValid() && at == localAddress(fd) {
		return os.NewSyscallError("connect", unix.ECONNREFUSED)
	}
	return nil
}

// zoneID is the number of an IPv6 zone given by the interface's name or number, 0 for none.
func zoneID(zone string) uint32 {
	if n, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(n)
	}
	if i, err := net.InterfaceByName(zone); zone != "" && err == nil {
		return uint32(i.Index)
	}
	return 0
}
