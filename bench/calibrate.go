package main

import (
	"crypto/ecdh"
	"crypto/rand"
	"time"
)

// referenceDerivation is the X25519 derivation of the machine that figures "at50" are for.
const referenceDerivation = 50 * time.Microsecond

// derivationTime returns how long one X25519 derivation of the standard library takes here and now:
// the least mean of a few batches, since anything that disturbs one only makes it longer.
func derivationTime() (time.Duration, error) {
	const batches, size = 10, 40 // 10 * 40 * 50 us are 20 ms
	ours, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return 0, err
	}
	theirs, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		return 0, err
	}
	least := time.Hour
	for range batches {
		start := time.Now()
		for range size {
			if _, err := ours.ECDH(theirs.PublicKey()); err != nil {
				return 0, err
			}
		}
		least = min(least, time.Since(start)/size)
	}
	return least, nil
}

// at50 scales a time of CPU to the machine on which a derivation takes 50 us, so that figures of
// different machines, and of one that changes its clock, can be set beside each other.
func at50(cpu, derivation time.Duration) time.Duration {
	return time.Duration(float64(cpu) * float64(referenceDerivation) / float64(derivation))
}
