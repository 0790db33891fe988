package bolt

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"spoor/abusebox"
	"spoor/abusebox/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, place string) abusebox.Store {
	t.Helper()
	s, err := Open(filepath.Join(place, "mail.db"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) { storetest.Run(t, storetest.Engine{Open: open}) }
