package reactor

import (
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const socketKind = unix.SOCK_STREAM | unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC

// listenTCP opens n sockets that listen on the same port.
//
// SO_REUSEPORT lets any process of the same user join silently, and would split the connections between
// an old server and a new one started by mistake. So the first socket is bound and listens without it,
// which fails if anybody listens there; only then is the option set on it, which lets the others of
// ours join. (Setting it after listen is what the kernel's reuseport_add_sock provides for.)
func listenTCP(at netip.AddrPort, dual bool, n int) (fds []int, bound netip.AddrPort, err error) {
	defer func() {
		if err != nil {
			for _, fd := range fds {
				closeDescriptor(fd)
			}
			fds = nil
		}
	}()
	for i := range n {
		fd, err := bindTCP(at, dual, i > 0)
		if err == unix.EAFNOSUPPORT && dual { // a kernel without IPv6
			at, dual = netip.AddrPortFrom(netip.IPv4Unspecified(), at.Port()), false
			fd, err = bindTCP(at, dual, i > 0)
		}
		if err != nil {
			return fds, bound, err
		}
		fds = append(fds, fd)
		if err := unix.Listen(fd, backlog()); err != nil {
			return fds, bound, os.NewSyscallError("listen", err)
		}
		if i > 0 {
			continue
		}
		bound = localAddress(fd)
		at = netip.AddrPortFrom(at.Addr(), bound.Port())
		if n > 1 {
			if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
				return fds, bound, os.NewSyscallError("SO_REUSEPORT", err)
			}
		}
	}
	return fds, bound, nil
}

// bindTCP opens a socket and binds it. SO_REUSEADDR allows a restart while connections of the former
// process are in TIME_WAIT; it does not allow two listeners.
func bindTCP(at netip.AddrPort, dual, reusePort bool) (int, error) {
	family := unix.AF_INET
	if at.Addr().Is6() {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, socketKind, unix.IPPROTO_TCP)
	if err != nil {
		return -1, err
	}
	options := []struct{ level, name, value int }{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, 1},
		{unix.SOL_SOCKET, unix.SO_REUSEPORT, truth(reusePort)},
		{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, truth(!dual)},
	}
	if family == unix.AF_INET {
		options = options[:2]
	}
	err = tuneStream(fd)
	for _, o := range options {
		if err == nil {
			err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, o.level, o.name, o.value))
		}
	}
	if err == nil {
		err = os.NewSyscallError("bind", unix.Bind(fd, sockaddrOf(at)))
	}
	if err != nil {
		closeDescriptor(fd)
		return -1, err
	}
	return fd, nil
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// sockaddrOf converts to the kernel's form.
func sockaddrOf(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Addr: a.Addr().As4(), Port: int(a.Port())}
	}
	return &unix.SockaddrInet6{Addr: a.Addr().As16(), Port: int(a.Port()), ZoneId: zoneID(a.Addr().Zone())}
}

// listenUnix opens one listening socket and n-1 duplicates of its descriptor, so that each loop has one
// of its own to close: unix sockets know no SO_REUSEPORT. path beginning with "@" is in the abstract
// namespace (unix(7)).
func listenUnix(path string, n int) (fds []int, err error) {
	fd, err := unix.Socket(unix.AF_UNIX, socketKind, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	fds = []int{fd}
	defer func() {
		if err != nil {
			for _, fd := range fds {
				closeDescriptor(fd)
			}
			fds = nil
		}
	}()
	at := &unix.SockaddrUnix{Name: path}
	err = unix.Bind(fd, at)
	if err == unix.EADDRINUSE && isStale(path) {
		unlink(path)
		err = unix.Bind(fd, at)
	}
	if err != nil {
		return fds, os.NewSyscallError("bind", err)
	}
	if err := unix.Listen(fd, backlog()); err != nil {
		return fds, os.NewSyscallError("listen", err)
	}
	for range n - 1 {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return fds, os.NewSyscallError("dup", err)
		}
		fds = append(fds, dup)
	}
	return fds, nil
}

// isStale reports whether path is a socket that nobody listens on: left by a process that was killed.
func isStale(path string) bool {
	var st unix.Stat_t
	if unix.Lstat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return false
	}
	fd, err := unix.Socket(unix.AF_UNIX, socketKind, 0)
	if err != nil {
		return false
	}
	defer closeDescriptor(fd)
	return unix.Connect(fd, &unix.SockaddrUnix{Name: path}) == unix.ECONNREFUSED
}

// unlink removes the path of a unix socket. That somebody removed it before is no error worth telling.
func unlink(path string) { _ = unix.Unlink(path) }

// backlog is the longest queue of connections that the kernel allows to wait for accept; listen(2)
// cuts what is above it silently.
func backlog() int {
	b, err := os.ReadFile("/proc/sys/net/core/somaxconn")
	if err == nil {
		if n, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil && n > 0 {
			return n
		}
	}
	return unix.SOMAXCONN
}

// An acceptOutcome is what became of one accept4(2).
type acceptOutcome uint8

const (
	acceptedOne        acceptOutcome = iota
	acceptEmpty                      // nothing waits
	acceptGone                       // the one that waited has failed; the next may be sound
	acceptNoDescriptor               // the process or the system has no more
	acceptFailed                     // anything else, which would come again at once
)

// acceptOne accepts a connection, non-blocking and closed on exec.
func acceptOne(listener int) (fd int, remote netip.AddrPort, outcome acceptOutcome) {
	fd, sa, err := unix.Accept4(listener, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
	switch err {
	case nil:
		return fd, addressOf(sa), acceptedOne
	case unix.EAGAIN:
		return -1, remote, acceptEmpty
	case unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM:
		return -1, remote, acceptNoDescriptor
	case unix.ECONNABORTED, unix.EINTR, unix.EPERM, unix.ENETDOWN, unix.EPROTO, unix.ENOPROTOOPT,
		unix.EHOSTDOWN, unix.ENONET, unix.EHOSTUNREACH, unix.EOPNOTSUPP, unix.ENETUNREACH:
		// accept(2): errors of the connection that waited, "should be treated like EAGAIN by retrying".
		return -1, remote, acceptGone
	}
	return -1, remote, acceptFailed
}

// openReserve opens a descriptor to be given up when there are no others, or returns -1.
func openReserve() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

func closeReserve(fd int) {
	if fd >= 0 {
		closeDescriptor(fd)
	}
}
