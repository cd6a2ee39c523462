package wire

// maxKept is the capacity, in entries, up to which a message that is decoded
// into again keeps a list. It is above what honest peers send. Without it a
// peer could make a message that lives as long as its event loop grow a
// different list with each connection, and keep them all: the entries of a
// certificate_list alone could pin 50 MiB.
const maxKept = 128

// emptied returns list without its entries, for another use of its capacity.
// The entries are cleared: they alias an earlier message, and would keep its
// buffer alive.
func emptied[T any](list []T) []T {
	clear(list)
	if cap(list) > maxKept {
		return nil
	}
	return list[:0]
}
