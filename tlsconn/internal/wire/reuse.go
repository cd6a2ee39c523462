package wire

// emptied returns list without its entries, for another use of its capacity,
// up to maxKept. The entries are cleared: they alias an earlier message, and
// would keep its buffer alive.
func emptied[T any](list []T) []T {
	clear(list)
	if cap(list) > maxKept {
		return nil
	}
	return list[:0]
}
