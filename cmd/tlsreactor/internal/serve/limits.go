package serve

// maxUnixPath is what sun_path holds besides its NUL (unix(7)).
const maxUnixPath = 107

// maxJournal is how many log lines wait to be written, some 100 KiB of them: clients that make
// every connection fail could fill the memory otherwise, behind a slow reader of the log.
const maxJournal = 512

// echoChunk is how much is echoed at a time, a record's worth, and so the most that is kept for a
// client that does not read its echo.
const echoChunk = 16 << 10

// visitorChunk is how much of a client's requests is read at a time. They stay in memory until
// they are answered, which a client delays by not reading.
const visitorChunk = 4 << 10
