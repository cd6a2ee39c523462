// Package house keeps the rules of the house as tests: which package may import which, what
// the TLS engine must not touch, how long a file or a function may grow, and what may lie on
// the top level of the repository. It has no code but its tests.
//
// # Design
//
// The rules span all packages, so no package of the library is their place, and the top level
// is closed to a new folder. They live with the program, the one package that is allowed to
// see all others, as an internal package of its own so that `make check` can run them alone
// in a second.
//
// Every rule is a pure function from what was read (a list of imports, a source text, a list
// of names) to violations. The tests feed it the repository, which has to yield none, and a
// small bad example for each rule, which has to yield one: a checker that cannot fail checks
// nothing.
package house
