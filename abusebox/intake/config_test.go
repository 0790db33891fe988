package intake

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConfigListenersMustBeAbleToRun(t *testing.T) {
	good := []string{"127.0.0.1:0", "[::]:25", "[fe80::1%eth0]:25", ":25", "localhost:2525", "mx-1.example.net:25", "mx.example.net.:25"}
	bad := []string{"127.0.0.1:99999", "foo bar:25", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:smtp", "127.0.0.256:25",
		"::1:25", "-mx.example.net:25", "mx..example.net:25", "mx/example:25", ""}
	cfg := DefaultConfig()
	cfg.Recipients = []string{"abuse@example.net"}
	cfg.SMTP, cfg.LMTP = append(good, bad...), append([]string{"/run/spoor/lmtp.sock"}, bad...)
	var want, got []string
	for i := range bad {
		want = append(want, key("smtp", len(good)+i))
	}
	for i := range bad {
		want = append(want, key("lmtp", 1+i))
	}
	cfg.Validate(func(key, problem, write string) {
		if problem == "" || write == "" {
			t.Errorf("%s: problem %q, write %q", key, problem, write)
		}
		got = append(got, key)
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
