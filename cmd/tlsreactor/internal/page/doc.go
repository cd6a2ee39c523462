// Package page is what the program serves when it is given nothing else to do: one page that
// tells the visitor the facts of the connection that it came over.
//
// # Design
//
// A Session is the HTTP/1.1 of one connection as bytes in and bytes out: it knows no socket,
// waits for nothing and keeps a buffer only while a request is incomplete, so that an idle
// keep-alive connection costs three words. net/http is not used, because its server wants a
// goroutine and two buffers per connection, which is what this program is there to avoid.
//
// The page has its facts, and the counters of the moment, without any script; a few lines of it ask for
// counters.json and refresh them. No style or script runs but the page's own, by their hashes.
//
// It parses what RFC 9112 lets a client send and refuses the rest, with a bound on everything:
// a request's head has 8 KiB, a body is never read (the connection ends after the answer), and
// the next pipelined request waits until the last answer was taken.
package page
