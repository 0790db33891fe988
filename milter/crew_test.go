package milter

import (
	"strings"
	"sync"
	"testing"

	"spoor/milter/miltertest"
)

func (c *crew) size() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waiting)
}

// A session that serves one connection after another carries nothing over: neither the peer nor the login, the
// terms, a half-told message or its forged fields.
func TestNextConnectionKnowsNothingOfTheLast(t *testing.T) {
	cfg := testConfig()
	cfg.Rules = []RuleConfig{{Name: "account", Action: ActionHeader, Header: "X-Submitted: yes", Is: []string{"authenticated"}}}
	r := start(t, cfg, Deps{})
	first := dialOffering(t, r, 0x3f, 0x7f&^miltertest.NoBody) // it wants replies everywhere
	connect(t, first, "192.0.2.7")
	must(t, first.Macros('M', "i", "old", "{auth_authen}", "alice"))
	_, err := first.Mail("old@example.org")
	must(t, err)
	_, err = first.Header("X-Spoor-Origin", "forged")
	must(t, err)
	must(t, first.Macros('M', "{auth_authen}", "alice"))
	must(t, first.Close())
	waitFor(t, func() bool { return r.crew.size() == 1 })

	second := dial(t, r)
	must(t, second.Send('M', []byte("<new@example.org>\x00"))) // before any Connect, even
	reply, changes, err := second.End()
	must(t, err)
	if reply.Code != 'c' || len(values(changes, "X-Submitted")) != 0 || strings.Contains(values(changes, fieldOrigin)[0], "192.0.2.7") {
		t.Errorf("reply %q, %v", reply.Code, changes)
	}
	must(t, second.Abort())
	connect(t, second, "192.0.2.8")
	_, changes = deliver(t, second, letterTo(1))
	if got := values(changes, fieldOrigin); len(got) != 1 || !strings.HasPrefix(got[0], " mail.example.net; ip=192.0.2.8;") {
		t.Errorf("origin %q", got)
	}
	for _, change := range changes {
		if change.Code == 'm' || change.Name == "X-Submitted" {
			t.Errorf("left over: %v", change)
		}
	}
	if n := r.metric(t, "messages_total", "aborted"); n != 1 {
		t.Errorf("%v aborted, want 1", n)
	}
}

// However many connections come and go, few sessions wait for the next, and none when the server has ended.
func TestCrewIsBounded(t *testing.T) {
	r := start(t, testConfig(), Deps{})
	for range 20 {
		c := dial(t, r)
		connect(t, c, "192.0.2.7")
		deliver(t, c, letterTo(1))
		must(t, c.Close())
		waitFor(t, func() bool { return r.crew.size() == 1 })
	}
	var wg sync.WaitGroup
	gate := make(chan struct{})
	for range maxWaiting + 20 {
		c := dial(t, r)
		wg.Go(func() {
			<-gate
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	close(gate)
	wg.Wait()
	waitFor(t, func() bool { return r.metric(t, "connections") == 0 && r.crew.size() == maxWaiting })
	r.stop()
	if n := r.crew.size(); n != 0 {
		t.Errorf("%d sessions still wait", n)
	}
	if l := r.crew.wait(make(chan *link, 1)); l != nil {
		t.Error("a session waits for a server that has ended")
	}
}
