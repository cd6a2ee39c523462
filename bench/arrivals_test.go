package main

import (
	"testing"
	"time"
)

func TestDueBy(t *testing.T) {
	tests := []struct {
		name        string
		elapsed     time.Duration
		rate        float64
		done, limit int
		want        int
	}{
		{"nothing is due at the start", 0, 1000, 0, 10, 0},
		{"what the rate says is due", 5 * time.Millisecond, 1000, 0, 10, 5},
		{"less what was done", 5 * time.Millisecond, 1000, 3, 10, 2},
		{"a part of one is not due yet", 5 * time.Millisecond, 300, 1, 10, 0},
		{"a client that was kept away is not to burst", time.Second, 1000, 0, 10, 10},
		{"what was done too early is not undone", 0, 1000, 5, 10, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := dueBy(tt.elapsed, tt.rate, tt.done, tt.limit); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
		})
	}
}

func TestAt50ScalesToTheReferenceMachine(t *testing.T) {
	tests := []struct {
		name            string
		cpu, derivation time.Duration
		want            time.Duration
	}{
		{"on the reference machine nothing changes", 200, 50 * time.Microsecond, 200},
		{"a machine twice as fast would have taken twice as long there", 200, 25 * time.Microsecond, 400},
		{"a slower one less", 200, 100 * time.Microsecond, 100},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := at50(tt.cpu, tt.derivation); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
	if d, err := derivationTime(); err != nil || d <= 0 || d >= time.Hour {
		t.Errorf("a derivation takes %v, %v", d, err)
	}
}
