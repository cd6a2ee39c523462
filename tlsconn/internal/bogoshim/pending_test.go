package main

import (
	"testing"

	"github.com/tlsreactor/tlsreactor/tlsconn"
)

func TestPendingOperationCompletesWhenAskedTwice(t *testing.T) {
	var p pending
	if err := p.advance(); exitCode(err) != exitBroken {
		t.Fatalf("nothing is pending: %v", err)
	}
	runs := 0
	p.offload(func() { runs++; p.wake() })
	for asked, want := range []int{0, 1} {
		if err := p.advance(); err != nil || runs != want {
			t.Fatalf("asked %d times: ran %d times, %v", asked+1, runs, err)
		}
	}
	p.offload(func() {})
	_ = p.advance() // the first of two
	if err := p.advance(); exitCode(err) != exitBroken {
		t.Fatalf("an operation that does not wake its owner: %v", err)
	}
}

func TestCallbackIsAnsweredAtOnceOrWhenTheEngineHasAskedTwice(t *testing.T) {
	answered := 0
	result := func() (int, error) { answered++; return 0, nil }
	var p pending
	answer(&p, "a thing", new(tlsconn.Completion[int]), result)
	if answered != 1 {
		t.Fatalf("at once: answered %d times", answered)
	}
	p, answered = pending{async: true}, 0
	answer(&p, "a thing", new(tlsconn.Completion[int]), result)
	p.wake() // as the engine's Completion does
	for asked, want := range []int{0, 1} {
		if err := p.advance(); err != nil || answered != want {
			t.Fatalf("asked %d times: answered %d times, %v", asked+1, answered, err)
		}
	}
}

func TestCallbackIsNotAnsweredASecondTime(t *testing.T) {
	var p pending
	answered := 0
	for range 2 {
		answer(&p, "a thing", new(tlsconn.Completion[int]), func() (int, error) { answered++; return 0, nil })
	}
	if answered != 1 {
		t.Errorf("answered %d times", answered)
	}
}
