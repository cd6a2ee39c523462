package main

import "github.com/tlsreactor/tlsreactor/tlsconn"

// pending holds the operation that the engine waits for until it is to end: one
// that it has handed out (tlsconn.WorkspaceConfig.Offload), or that a callback of
// its Config is to answer.
type pending struct {
	async bool           // callbacks answer later; else at once
	calls map[string]int // of callbacks, by what they are asked
	task  func()
	asked int // how often the engine has said that it waits for task
	begun int // tasks taken over so far
	woken int // calls of the engine's wake function so far
}

// answer has a callback's Completion answered with result: at once, or when the
// engine has said twice that it waits. A callback must not be asked the same thing
// again, pending or answered.
func answer[T any](p *pending, what string, c *tlsconn.Completion[T], result func() (T, error)) {
	end := func() {
		if value, err := result(); err != nil {
			c.Fail(err)
		} else {
			c.Complete(value)
		}
	}
	if p.calls == nil {
		p.calls = make(map[string]int)
	}
	p.calls[what]++
	switch {
	case p.calls[what] > 1:
		c.Fail(broken("%s was asked for twice", what))
	case p.async:
		p.offload(end)
	default:
		end()
	}
}

// offload takes an operation over.
func (p *pending) offload(task func()) bool {
	p.task, p.asked = task, 0
	p.begun++
	return true
}

func (p *pending) wake() { p.woken++ }

// advance is called each time the engine says that it waits. The first time
// nothing happens: the call is repeated while the operation is still pending.
// The second time it completes.
func (p *pending) advance() error {
	if p.task == nil {
		return broken("the engine waits for an operation, but none is pending")
	}
	if p.asked++; p.asked < 2 {
		return nil
	}
	task := p.task
	p.task = nil
	task()
	if p.woken != p.begun {
		return broken("%d operations were handed out and have ended, but the owner was woken %d times", p.begun, p.woken)
	}
	return nil
}
