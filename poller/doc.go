// Package poller tells which file descriptors are ready: epoll, level-triggered, and a [Waker]
// that any goroutine may use to end the wait. It knows nothing of TLS and keeps no table of
// descriptors.
//
// # Level-triggered: the rule
//
// A descriptor is reported by every [Poller.Wait] for as long as it is ready for something in
// its [Interest]. So nothing has to be drained to the end, and a caller may stop reading after its
// budget: the next Wait says so again. The price is that an interest which is not acted upon makes
// Wait return at once, for ever. Therefore: ask for what you will act on when it comes, and for
// nothing else. Ask for [Writable] only while output is waiting, and for [Readable] only while
// there is room for input. Change the interest when it changes, not each turn: Modify is a system
// call, and only the caller, who holds the connection, can remember the last one cheaply.
//
// # What cannot be masked, and who mutes it
//
// epoll reports EPOLLHUP and EPOLLERR whether they were asked for or not (epoll_ctl(2)). A
// descriptor whose owner wants nothing at the moment, whose peer has reset the connection, makes
// Wait return 650,000 times a second. EPOLLRDHUP can be masked, but it stays true once the peer has
// shut down its writing side, and stands even while unread data is in front of it.
//
// The work is divided so:
//   - The poller tells the five facts apart ([Ready]) and makes each silenceable: [HalfClose] is a
//     bit of the interest, so Modify drops it; [HungUp] and [Failed] are silenced by Remove, and
//     come again after Add, because the descriptor is still in that state.
//   - The owner of the table (package reactor) remembers that a fact was reported, and decides
//     from what it wants whether the descriptor has to be muted. A poller that did this by itself
//     would need a table of its own beside the caller's, to be kept in step with it.
//
// # Stale events
//
// One Wait returns a batch. While the first event of a batch is served, the connection of a later
// one may be closed and its descriptor number given to a new one. A [Token] therefore holds the index
// of a slot in the caller's table and the slot's generation; the caller increments the generation
// when it frees the slot, and drops an event whose generation is not the slot's. The descriptor number
// is in no event, on purpose.
//
// # Threads
//
// A Poller belongs to one goroutine. Wait goes through the scheduler-aware wrapper of
// golang.org/x/sys/unix, so a blocked Wait gives its processor away, and it needs no locked thread.
package poller
