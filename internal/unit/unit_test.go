package unit

import (
	"testing"
	"time"
)

func TestDurationRoundTrip(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"30s": 30 * time.Second, "5m": 5 * time.Minute, "1h": time.Hour, "1h30m": 90 * time.Minute,
		"7d": 168 * time.Hour, "250ms": 250 * time.Millisecond, "0s": 0,
	} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.Std() != want {
			t.Errorf("%q reads as %v, %v; want %v", text, d.Std(), err, want)
		}
		if got := d.String(); got != text {
			t.Errorf("%v prints as %q, want %q", want, got, text)
		}
	}
}

func TestDurationRefuses(t *testing.T) {
	for _, text := range []string{"", "5", "d", "-1s", "-3d", "1.5d", "99999999999d", "five minutes"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, d)
		}
	}
}

func TestSizeRoundTrip(t *testing.T) {
	for text, want := range map[string]int64{"0B": 0, "512B": 512, "64KB": 64 << 10, "25MB": 25 << 20, "1GB": 1 << 30, "2TB": 2 << 40} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err != nil || s.Bytes() != want {
			t.Errorf("%q reads as %d, %v; want %d", text, s, err, want)
		}
		if got := s.String(); got != text {
			t.Errorf("%d prints as %q, want %q", want, got, text)
		}
	}
}

func TestSizeRefuses(t *testing.T) {
	for _, text := range []string{"", "MB", "-1", "1.5GB", "99999999999TB", "many"} {
		var s Size
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, s)
		}
	}
}
