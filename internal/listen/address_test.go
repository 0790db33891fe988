package listen

import "testing"

func TestParseAddress(t *testing.T) {
	for s, want := range map[string]string{
		"127.0.0.1:25": "127.0.0.1", "[::]:25": "::", "[fe80::1%eth0]:25": "fe80::1%eth0", ":25": "", "localhost:25": "localhost",
		"mx-1.example.net:25": "mx-1.example.net", "mx.example.net.:25": "mx.example.net.", "my_host:25": "my_host",
	} {
		if host, port, ok := ParseAddress(s); host != want || port != 25 || !ok {
			t.Errorf("%q: %q, %d, %t", s, host, port, ok)
		}
	}
	for _, s := range []string{"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:-1", "127.0.0.1:65536", "127.0.0.1:smtp", "127.0.0.256:25", "::1:25",
		"foo bar:25", "-mx.example.net:25", "mx..example.net:25", "mx/example:25"} {
		if host, port, ok := ParseAddress(s); ok {
			t.Errorf("%q: %q, %d", s, host, port)
		}
	}
	if _, port, ok := ParseAddress("[::]:0"); port != 0 || !ok {
		t.Error("port 0 is the kernel's choice")
	}
}
