// Package certs gets the program its certificates: from the files that --cert and --key name,
// or, without them, by making one for localhost that lives as long as the process.
//
// # Design
//
// The engine's own complaints come too late and name nothing that an operator typed. So what
// can be wrong with a file is found here, before a socket is opened, and each error says which
// flag, which file, what is wrong with it and, where there is one, the command that mends it.
// What works but probably was not meant (a key that anyone may read, a chain out of order, a
// certificate that has expired) is a warning.
package certs
