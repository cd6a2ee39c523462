package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
)

// profileWritten is what a profiled server logs when it has done what it was told.
const profileWritten = "profile written"

// A profile can only be taken from within a process, and `tlsreactor serve` has no door for that:
// whoever could open it could read the keys out of the heap. So the servers that are profiled are
// this program's: the echo server on package reactor, which is the same handler on the same library,
// and that of crypto/tls. They obey their standard input.

// runProfiled is an echo server of a program, which obeys lines of commands:
//
//	heap FILE   collect, and write a profile of the heap
//	cpu FILE    begin a profile of the processor
//	stop        end it
func runProfiled(program, certFile, keyFile string, commands io.Reader) error {
	cert, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	log := serverLog()
	if program == ours {
		_, addr, err := startReactorEcho(reactorConfig(cert))
		if err != nil {
			return err
		}
		log.Info("serving", "listen", addr)
	} else {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		go (&peer{config: serverConfig(cert)}).serve(listener)
		log.Info("serving", "listen", listener.Addr().String())
	}
	var cpu *os.File
	for lines := bufio.NewScanner(commands); lines.Scan(); {
		var verb, name string
		fmt.Sscan(lines.Text(), &verb, &name) // an unknown verb is refused below
		switch verb {
		case "heap":
			err = writeHeap(name)
		case "cpu":
			if cpu, err = os.Create(name); err == nil {
				err = pprof.StartCPUProfile(cpu)
			}
		case "stop":
			pprof.StopCPUProfile()
			err = cpu.Close()
		default:
			err = fmt.Errorf("there is no command %q", verb)
		}
		if err != nil {
			return err
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		log.Info(profileWritten, "mallocs", m.Mallocs, "alloc_bytes", m.TotalAlloc, "collections", m.NumGC,
			"live", m.HeapAlloc, "heap_in_use", m.HeapInuse, "stacks", m.StackInuse)
	}
	return nil
}

// writeHeap writes what is live: two collections, because a finalizer keeps what it is for until the next.
func writeHeap(name string) error {
	runtime.GC()
	runtime.GC()
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	return pprof.Lookup("heap").WriteTo(file, 0)
}
