package notify

import "testing"

func TestConfigSmarthostMustBeReachable(t *testing.T) {
	for smarthost, good := range map[string]bool{
		"": true, "127.0.0.1:25": true, "[2001:db8::25]:587": true, "localhost:25": true, "mail.example.net:25": true, "mail.example.net.:65535": true,
		"nohost:99999": false, ":25": false, "foo bar:25": false, "mail.example.net": false, "mail.example.net:": false, "mail.example.net:0": false,
		"mail.example.net:smtp": false, "192.0.2.256:25": false, "2001:db8::25:25": false, "mail..example.net:25": false, "mail.example.net:-25": false,
	} {
		cfg, told := DefaultConfig(), false
		cfg.Smarthost = smarthost
		cfg.Validate(func(key, problem, write string) {
			told = true
			if key != "smarthost" || problem == "" || write == "" {
				t.Errorf("%q: key %q, problem %q, write %q", smarthost, key, problem, write)
			}
		})
		if told == good {
			t.Errorf("%q: reported %t", smarthost, told)
		}
	}
}
