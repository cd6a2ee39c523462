package record

import "golang.org/x/sys/cpu"

// HardwareGCM tells whether this machine has AES and carry-less multiplication
// in hardware, without which AES-GCM is several times slower than
// ChaCha20-Poly1305. It decides an order of preference, nothing else.
func HardwareGCM() bool {
	switch {
	case cpu.X86.HasAES && cpu.X86.HasPCLMULQDQ && cpu.X86.HasSSE41 && cpu.X86.HasSSSE3:
		return true
	case cpu.ARM64.HasAES && cpu.ARM64.HasPMULL:
		return true
	case cpu.S390X.HasAES && cpu.S390X.HasAESCTR && cpu.S390X.HasGHASH:
		return true
	}
	return false
}
