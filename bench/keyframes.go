package main

import (
	"encoding/binary"
	"fmt"
	"io"
)

// The protocol between a server and the process that has its key, over one connection of a Unix
// socket: frames of a length and that many bytes, all numbers big-endian. Any number of requests may
// be under way; answers come in any order and name the request.
//
//	request: uint32 length | uint64 id | uint16 signature scheme (RFC 8446 4.2.3) | what to sign
//	answer:  uint32 length | uint64 id | uint8 0, or else the request was refused | signature, or why not

// maxKeyFrame bounds a frame's length: what TLS 1.3 signs has at most 162 bytes (RFC 8446 4.4.3), and
// a signature with RSA-8192 has 1,024.
const maxKeyFrame = 2048

// The fixed parts of requests and answers, without the length.
const (
	keyRequestHeader = 8 + 2
	keyAnswerHeader  = 8 + 1
)

type keyRequest struct {
	id      uint64
	scheme  uint16
	message []byte
}

func (r *keyRequest) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(keyRequestHeader+len(r.message)))
	b = binary.BigEndian.AppendUint64(b, r.id)
	b = binary.BigEndian.AppendUint16(b, r.scheme)
	return append(b, r.message...)
}

func readKeyRequest(from io.Reader) (r keyRequest, err error) {
	frame, err := readKeyFrame(from, keyRequestHeader)
	if err != nil {
		return r, err
	}
	return keyRequest{binary.BigEndian.Uint64(frame), binary.BigEndian.Uint16(frame[8:]), frame[keyRequestHeader:]}, nil
}

type keyAnswer struct {
	id        uint64
	signature []byte
	refusal   string // why there is no signature
}

func (a *keyAnswer) appendTo(b []byte) []byte {
	refused, rest := byte(0), a.signature
	if rest == nil {
		refused, rest = 1, []byte(a.refusal)
		rest = rest[:min(len(rest), maxKeyFrame-keyAnswerHeader)]
	}
	b = binary.BigEndian.AppendUint32(b, uint32(keyAnswerHeader+len(rest)))
	b = binary.BigEndian.AppendUint64(b, a.id)
	return append(append(b, refused), rest...)
}

func readKeyAnswer(from io.Reader) (a keyAnswer, err error) {
	frame, err := readKeyFrame(from, keyAnswerHeader)
	if err != nil {
		return a, err
	}
	a.id = binary.BigEndian.Uint64(frame)
	if rest := frame[keyAnswerHeader:]; frame[8] == 0 {
		a.signature = rest
	} else {
		a.refusal = string(rest)
	}
	return a, nil
}

// readKeyFrame reads one frame, of at least so many bytes. io.EOF is the end between two frames.
func readKeyFrame(from io.Reader, least int) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(from, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < uint32(least) || n > maxKeyFrame {
		return nil, fmt.Errorf("a frame of %d bytes, between %d and %d are allowed", n, least, maxKeyFrame)
	}
	frame := make([]byte, n)
	if _, err := io.ReadFull(from, frame); err == io.EOF {
		return nil, io.ErrUnexpectedEOF
	} else if err != nil {
		return nil, err
	}
	return frame, nil
}
