package probe

import "time"

const (
	// attemptDelay is how long an address is tried before the next one is tried beside it (RFC 8305 8:
	// "Connection Attempt Delay ... recommended 250 milliseconds").
	attemptDelay = 250 * time.Millisecond

	// resolutionDelay is how long IPv4 addresses wait for the answer about IPv6 (RFC 8305 8:
	// "Resolution Delay ... recommended 50 milliseconds").
	resolutionDelay = 50 * time.Millisecond

	// maxAddresses bounds what is tried of each family: a name with a thousand addresses would fill the
	// screen.
	maxAddresses = 16

	// maxRepeats bounds the lines about one and the same want: a server that sends its flight byte by
	// byte would make one of each.
	maxRepeats = 16

	// verdictTime is how long a server that asked for a client certificate may take to refuse us for
	// having none. Most answer within a round trip; one that does not mind may never say anything.
	verdictTime = time.Second

	// closeTime is how long the connection may take to end in order after everything is said.
	closeTime = 500 * time.Millisecond

	// maxLines bounds the lines that wait to be written. All that a probe can say fits.
	maxLines = 1024

	// maxTimeout is the longest --timeout: beyond a day it is a mistake.
	maxTimeout = 24 * time.Hour
)
