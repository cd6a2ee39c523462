package serve

import "time"

// maxUnixPath is what sun_path holds besides its NUL (unix(7)).
const maxUnixPath = 107

// maxJournal is how many log lines wait to be written, 2 to 4 MiB of them: thousands of connections
// may end at once, and clients that make every connection fail could fill the memory otherwise, behind a
// slow reader of the log.
const maxJournal = 4096

// journalBatch is how many bytes of lines are written at once, if there are so many.
const journalBatch = 64 << 10

// maxSteps is how many steps of a handshake are kept for the page. A handshake has about 12; a client
// that sends it byte by byte could make each byte a step.
const maxSteps = 32

// echoChunk is how much is echoed at a time, a record's worth, and so the most that is kept for a
// client that does not read its echo.
const echoChunk = 16 << 10

// visitorChunk is how much of a client's requests is read at a time. They stay in memory until
// they are answered, which a client delays by not reading.
const visitorChunk = 4 << 10

// journalPatience is how long a line that matters, or the end of the program, waits for a reader of
// standard error that does not read: it must not keep SIGTERM from having its effect.
const journalPatience = time.Second
