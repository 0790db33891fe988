package control

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"spoor/abusebox/stats"
)

// TestJSONManual holds docs/json.md against the objects that the control socket answers with: every key of an object
// is told in the section of its command.
func TestJSONManual(t *testing.T) {
	page, err := os.ReadFile("../../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	for section, values := range map[string][]any{
		"spoor check":       {Finding{}},
		"spoor lookup":      {Lookup{}, RegistryHolder{}, RegistryRoute{}, RegistryStep{}, RegistryLease{}},
		"spoor registry":    {RegistryNetwork{}, RegistryChange{}, RegistrySource{}, RegistryProblem{}, RegistryPolled{}, RegistryNode{}, RegistryLink{}, RegistryImported{}},
		"spoor stats":       {stats.Report{}},
		"spoor store stats": {StoreStats{}, StoreSpool{}, StoreFile{}, StoreBucket{}, StoreOutbox{}, StoreSetAside{}, StoreKeep{}},
	} {
		_, text, ok := strings.Cut(string(page), "\n## "+section+"\n")
		if !ok {
			t.Errorf("docs/json.md has no section %s", section)
			continue
		}
		text, _, _ = strings.Cut(text, "\n## ")
		for _, v := range values {
			typ := reflect.TypeOf(v)
			for i := range typ.NumField() {
				name, _, _ := strings.Cut(typ.Field(i).Tag.Get("json"), ",")
				if name != "" && name != "-" && !strings.Contains(text, "`"+name+"`") && !strings.Contains(text, `"`+name+`"`) {
					t.Errorf("docs/json.md, %s, does not tell %s of %s", section, name, typ.Name())
				}
			}
		}
	}
}
