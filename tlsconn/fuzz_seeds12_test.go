package tlsconn

import "slices"

// fuzzSeeds12 are inputs for each order of TLS 1.2: whole, and with each line of the puppet's
// altered; and with something ahead of the line, where that meets a state for the first time.
func fuzzSeeds12(role Role) (seeds [][]byte) {
	add := func(parts ...[]byte) { seeds = append(seeds, slices.Concat(parts...)) }
	// Data both ways, what TLS 1.2 does not know, an attempt to renegotiate, the end.
	calls := []byte{16, 0, 200, 17, 0, 100, 18, 1, 0, 3, 0, 9, 23, 19, 1, 16, 40, 0, 28, 1, 23, 21, 22, 20, 10, 23}
	flood := []byte{7, 9, 23, 13, 1, 28, 7, 23, 17, 255, 255, 13, 255, 21, 7, 49, 23}
	type key struct {
		at      State
		resumed bool
	}
	met := make(map[key]bool)
	n := byte(0)
	for _, o := range legalOrders12 {
		if !slices.Contains(o.roles, role) {
			continue
		}
		order := n // as orderFor counts
		n++
		for _, bits := range []byte{0, lessRequired, fromBefore, fromBefore | lessRequired} {
			add([]byte{playAfter, inTLS12, order | bits}, calls)
		}
		for kind := range byte(3) { // each key and suite, at once and suspended
			add([]byte{playAfter | kind<<3 | kind, inTLS12, order | lessRequired}, flood)
			add([]byte{playAfter | kind<<3 | (kind+1)%3 | 4 | 32, inTLS12 | 6, order}, calls)
		}
		add([]byte{playAfter | 4 | 32, inTLS12, order | failing}, calls)
		for i, l := range o.order {
			if l.from == role {
				continue
			}
			at, k := byte(i), key{l.at, o.how&(withSession|withoutIt) == withSession}
			for how := range byte(6) {
				switch {
				case l.typ == changeOfKeys:
					add([]byte{playAltered, inTLS12, order, 0, at, how, 1, 2}, calls)
				case !met[k] || how == at%6:
					add([]byte{playAltered, inTLS12, order, 0, at, 0, 0, 40, how, 3}, calls)
				}
			}
			if !met[k] {
				met[k] = true
				// Change_cipher_spec, the keys alone, Finished, the next line and the last, application
				// data, another message, an alert, the end.
				for _, ahead := range [][]byte{{26, 2}, {26, 0}, {27}, {25, 0, at + 1}, {25, 0, byte(len(o.order) - 1)}, {3, 0, 5}, {8, 20}, {5, 1, 100}, {11}} {
					add([]byte{playOther | 4, inTLS12 | 1, order, 0, at}, ahead, []byte{0, 0, 0, 0, 0, 0}, calls)
				}
			}
		}
	}
	return seeds
}
