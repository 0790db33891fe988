package milter

import "sync"

// maxWaiting bounds the sessions that wait for a connection.
const maxWaiting = 64

// A crew is the sessions whose connection has ended: each waits for another one. A new goroutine for every connection
// would have to grow its stack again and again, which costs more than all else that a short connection needs.
type crew struct {
	mu      sync.Mutex
	waiting []chan *link
	over    bool
	resting sync.WaitGroup
}

// give hands a connection to the session that came last, whose memory is the warmest, if one waits.
func (c *crew) give(l *link) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.waiting) - 1
	if last < 0 {
		return false
	}
	c.waiting[last] <- l // it has room: each channel stands here once
	c.waiting = c.waiting[:last]
	return true
}

// wait returns the next connection for the session whose channel, with room for one, turn is; nil if it may go.
func (c *crew) wait(turn chan *link) *link {
	c.mu.Lock()
	if c.over || len(c.waiting) >= maxWaiting {
		c.mu.Unlock()
		return nil
	}
	c.waiting = append(c.waiting, turn)
	c.resting.Add(1)
	c.mu.Unlock()
	defer c.resting.Done()
	return <-turn
}

// dismiss lets all go, and returns when none waits any more.
func (c *crew) dismiss() {
	c.mu.Lock()
	c.over = true
	for _, turn := range c.waiting {
		close(turn)
	}
	c.waiting = nil
	c.mu.Unlock()
	c.resting.Wait()
}
