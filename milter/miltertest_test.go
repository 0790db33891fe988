package milter

import (
	"os/exec"
	"path/filepath"
	"testing"

	"spoor/internal/peers"
)

// OpenDKIM's miltertest is an MTA's side of the protocol that is not ours.
func TestMiltertestScripts(t *testing.T) {
	miltertest := peers.Need(t, "miltertest")
	cfg := testConfig()
	cfg.Rules = []RuleConfig{
		{Name: "many", Action: ActionReject, Recipients: 3},
		{Name: "body", Action: ActionReject, Body: []string{"reject this body"}},
	}
	r := start(t, cfg, Deps{})
	scripts, err := filepath.Glob("testdata/miltertest/*.lua")
	must(t, err)
	if len(scripts) == 0 {
		t.Fatal("no scripts")
	}
	for _, script := range scripts {
		t.Run(filepath.Base(script), func(t *testing.T) {
			cmd := exec.Command(miltertest, "-v", "-v", "-D", "socket=unix:"+r.socket, "-s", script)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
