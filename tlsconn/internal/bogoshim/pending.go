package main

// pending holds the operation that the engine has handed out
// (tlsconn.WorkspaceConfig.Offload) until it is to complete.
type pending struct {
	task  func()
	asked int // how often the engine has said that it waits for task
	begun int // tasks handed out so far
	woken int // calls of the engine's wake function so far
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
