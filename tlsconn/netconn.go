package tlsconn

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/tlsreactor/tlsreactor/tlsconn/internal/wire"
)

// This file is where the package meets package net: crypto/tls's callbacks are
// made of its types, and it tells addresses from names.

// isTimeout tells a passed deadline from a failure, such as ETIMEDOUT, which is
// the end of a TCP connection.
func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// addresses is a net.Conn that only knows its addresses: what a callback gets
// instead of the connection, which is not its to use.
type addresses struct {
	local, remote net.Addr
}

var errNotYours = errors.New("tlsconn: the connection of a ClientHelloInfo only tells addresses")

func (a addresses) LocalAddr() net.Addr                { return a.local }
func (a addresses) RemoteAddr() net.Addr               { return a.remote }
func (a addresses) Read([]byte) (int, error)           { return 0, errNotYours }
func (a addresses) Write([]byte) (int, error)          { return 0, errNotYours }
func (a addresses) Close() error                       { return errNotYours }
func (a addresses) SetDeadline(t time.Time) error      { return errNotYours }
func (a addresses) SetReadDeadline(t time.Time) error  { return errNotYours }
func (a addresses) SetWriteDeadline(t time.Time) error { return errNotYours }

// unknownAddr stands for the address of a transport that does not tell.
type unknownAddr struct{}

func (unknownAddr) Network() string { return "unknown" }
func (unknownAddr) String() string  { return "unknown" }

// addressesOf asks the transport for its addresses, which it may know as a
// net.Conn does. Neither is ever nil.
func addressesOf(transport Transport) addresses {
	a := addresses{unknownAddr{}, unknownAddr{}}
	t, ok := transport.(interface {
		LocalAddr() net.Addr
		RemoteAddr() net.Addr
	})
	if !ok {
		return a
	}
	if local := t.LocalAddr(); local != nil {
		a.local = local
	}
	if remote := t.RemoteAddr(); remote != nil {
		a.remote = remote
	}
	return a
}

// sniOf returns the server_name to send for a name without the dot of the root:
// none for an IP address (RFC 6066 3).
func sniOf(name string) []byte {
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return nil
	}
	return []byte(name)
}

// helloInfo makes what GetCertificate is asked with; nothing in it aliases m.
func helloInfo(c *Conn, m *wire.ClientHello) *tls.ClientHelloInfo {
	info := &tls.ClientHelloInfo{
		CipherSuites:      append([]uint16(nil), m.CipherSuites...),
		ServerName:        c.facts.serverName,
		SupportedPoints:   append([]uint8(nil), m.PointFormats...),
		SupportedVersions: append([]uint16(nil), m.SupportedVersions...),
		Conn:              addressesOf(c.transport),
		HelloRetryRequest: c.facts.retried,
	}
	for _, g := range m.SupportedGroups {
		info.SupportedCurves = append(info.SupportedCurves, tls.CurveID(g))
	}
	for _, s := range m.SignatureAlgorithms {
		info.SignatureSchemes = append(info.SignatureSchemes, tls.SignatureScheme(s))
	}
	for _, p := range m.ALPN {
		info.SupportedProtos = append(info.SupportedProtos, string(p))
	}
	for _, e := range m.Extensions {
		info.Extensions = append(info.Extensions, uint16(e))
	}
	return info
}
