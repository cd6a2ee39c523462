package probe

import "net/netip"

// A family of IP addresses.
type family int

const (
	ipv6 family = iota // the first to be tried, RFC 8305 4
	ipv4
	familyCount
)

// String returns "IPv6" or "IPv4".
func (f family) String() string {
	if f == ipv6 {
		return "IPv6"
	}
	return "IPv4"
}

// network is what package net's resolver calls the family.
func (f family) network() string {
	if f == ipv6 {
		return "ip6"
	}
	return "ip4"
}

func (f family) other() family { return ipv6 + ipv4 - f }

// A race says which address is to be tried next, by RFC 8305: the families alternate, beginning with
// IPv6, each in the resolver's order (which is RFC 6724's). It knows no time and no sockets. Addresses
// that are answered late take their family's turns from then on (RFC 8305 3).
type race struct {
	untried [familyCount][]netip.Addr
	awaited [familyCount]bool // the family's look-up is running
	turn    family            // whose turn it is
}

// answer ends the look-up of a family.
func (r *race) answer(f family, addrs []netip.Addr) {
	r.awaited[f] = false
	r.untried[f] = addrs[:min(len(addrs), maxAddresses)]
}

// mayBegin says whether the first address may be tried before the Resolution Delay is over: with one of
// IPv6, or when it is known that there is none (RFC 8305 3).
func (r *race) mayBegin() bool {
	return len(r.untried[ipv6]) > 0 || !r.awaited[ipv6]
}

// next takes the address to be tried next.
func (r *race) next() (netip.Addr, bool) {
	f := r.turn
	if len(r.untried[f]) == 0 {
		f = f.other()
	}
	if len(r.untried[f]) == 0 {
		return netip.Addr{}, false
	}
	at := r.untried[f][0]
	r.untried[f] = r.untried[f][1:]
	r.turn = f.other()
	return at, true
}

// exhausted says that nothing is left to be tried, and nothing will come.
func (r *race) exhausted() bool {
	for f := range familyCount {
		if r.awaited[f] || len(r.untried[f]) > 0 {
			return false
		}
	}
	return true
}
