// Package deploy keeps what is shipped to run tlsreactor true: the systemd unit, the Dockerfile,
// and the README beside them. It has no code but its tests.
//
// # Design
//
// A deployment file that nobody runs rots: a renamed flag, a system call more, and it fails on
// somebody's machine first. So the tests run these files as far as that goes without systemd as
// the first process and without Docker's daemon. The Dockerfile is read and carried out, all of
// its few instructions, with folders in place of images; the program that comes out is the one
// that all tests here use, and where they run as root it serves from a root directory that holds
// nothing else. The unit's own ExecStart is run under strace, and what the program asks of the
// kernel is held against what the unit lets it have: the filters' sets are expanded by
// systemd-analyze, which also checks and rates the unit.
package deploy
