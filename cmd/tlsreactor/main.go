// Command tlsreactor terminates TLS without a goroutine per connection.
//
// Run it without arguments for its usage.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/tlsreactor/tlsreactor/cmd/tlsreactor/internal/probe"
	"github.com/tlsreactor/tlsreactor/cmd/tlsreactor/internal/serve"
)

const usage = `tlsreactor is TLS without a goroutine per connection.

Usage: tlsreactor COMMAND [flags]

  serve      terminate TLS in front of a backend; without flags, serve a page on 127.0.0.1:8443
  probe      make one TLS connection and tell all about it
  version    print the version
  help       print this

tlsreactor serve --help and tlsreactor probe --help list their flags.
`

// The exit statuses: those of the shell's own commands.
const (
	exitOK    = 0
	exitError = 1 // the command failed
	exitUsage = 2 // the command was not understood
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program without its process: it returns the exit status.
func run(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return exitUsage
	}
	switch command := args[0]; command {
	case "serve":
		return runServe(args[1:], stdout, stderr)
	case "probe":
		return runProbe(args[1:], stdout, stderr)
	case "version", "--version", "-version":
		fmt.Fprintln(stdout, version())
		return exitOK
	case "help", "--help", "-help", "-h":
		fmt.Fprint(stdout, usage)
		return exitOK
	default:
		fmt.Fprintf(stderr, "tlsreactor: there is no command %q\n\n%s", command, usage)
		return exitUsage
	}
}

func runServe(args []string, stdout, stderr io.Writer) int {
	options, err := serve.Parse(args)
	switch {
	case errors.Is(err, serve.ErrHelp):
		fmt.Fprint(stdout, serve.Usage)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "tlsreactor serve: %v\n", err)
		return exitUsage
	}
	if err := serve.Run(options, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "tlsreactor serve: %v\n", err)
		return exitError
	}
	return exitOK
}

func runProbe(args []string, stdout, stderr io.Writer) int {
	options, err := probe.Parse(args)
	switch {
	case errors.Is(err, probe.ErrHelp):
		fmt.Fprint(stdout, probe.Usage)
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "tlsreactor probe: %v\n", err)
		return int(probe.StatusUsage)
	}
	status, err := probe.Run(options, stdout, nil)
	if err != nil {
		fmt.Fprintf(stderr, "tlsreactor probe: %v\n", err)
	}
	return int(status)
}

// version is the module's, and the commit's where the build knows it.
func version() string {
	v := "tlsreactor (unknown version)"
	if info, ok := debug.ReadBuildInfo(); ok {
		v = "tlsreactor " + info.Main.Version
	}
	return fmt.Sprintf("%s %s %s/%s", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
