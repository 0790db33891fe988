package notify

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"text/template"
)

//go:embed templates
var builtin embed.FS

// Languages lists the languages that notices are written in without templates of your own.
func Languages() []string { return []string{"en", "zh-TW"} }

// templateNames are the mails we write; each template begins with its Subject line.
var templateNames = []string{"notice", "digest", "reminder", "escalation", "desk", "acknowledge", "education", "outward", "traced"}

// Templates are the texts of all mails in all languages.
type Templates struct {
	texts map[string]*template.Template // by language/name
	words map[string]map[string]string  // by language: names of types
	tips  map[string]string             // by language/type
}

// LoadTemplates reads the built-in templates, and in their place those of a folder that has the same layout
// (en/notice.txt, en/advice/spam.txt, en/types.txt), if dir is not empty. It reports every mistake.
func LoadTemplates(dir string) (*Templates, error) {
	t := &Templates{texts: map[string]*template.Template{}, words: map[string]map[string]string{}, tips: map[string]string{}}
	sub, err := fs.Sub(builtin, "templates")
	if err != nil {
		return nil, err
	}
	errs := []error{t.load(sub)}
	if dir != "" {
		errs = append(errs, t.load(os.DirFS(dir)))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	return t, nil
}

// maxTemplate bounds one template file.
const maxTemplate = 64 << 10

func (t *Templates) load(files fs.FS) error {
	var errs []error
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path.Ext(name) != ".txt" {
			return err
		}
		data, err := fs.ReadFile(files, name)
		if err == nil && len(data) > maxTemplate {
			err = fmt.Errorf("%s: longer than %d bytes", name, maxTemplate)
		}
		if err == nil {
			err = t.add(strings.TrimSuffix(name, ".txt"), string(data))
		}
		errs = append(errs, err)
		return nil
	})
	return errors.Join(append(errs, err)...)
}

func (t *Templates) add(name, text string) error {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	lang, rest, ok := strings.Cut(name, "/")
	switch {
	case !ok:
		return fmt.Errorf("%s.txt: put it into a folder named by its language", name)
	case rest == "types":
		t.words[lang] = readWords(text, t.words[lang])
		return nil
	case strings.HasPrefix(rest, "advice/"):
		t.tips[lang+"/"+strings.TrimPrefix(rest, "advice/")] = strings.TrimSpace(text)
		return nil
	}
	parsed, err := template.New(name).Option("missingkey=error").Funcs(template.FuncMap{"indent": indent}).Parse(text)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(text, "Subject: ") {
		return fmt.Errorf("%s.txt: the first line must begin with \"Subject: \"", name)
	}
	t.texts[name] = parsed
	return nil
}

// readWords reads lines of the form "spam = Spam".
func readWords(text string, into map[string]string) map[string]string {
	if into == nil {
		into = map[string]string{}
	}
	for line := range strings.Lines(text) {
		if name, word, ok := strings.Cut(line, "="); ok {
			into[strings.TrimSpace(name)] = strings.TrimSpace(word)
		}
	}
	return into
}

func indent(by int, s string) string {
	pad := strings.Repeat(" ", by)
	return pad + strings.ReplaceAll(s, "\n", "\n"+pad)
}

// what names a type in words.
func (t *Templates) what(lang, category, typ string) string {
	for _, words := range []map[string]string{t.words[lang], t.words["en"]} {
		for _, name := range []string{category + "/" + typ, typ, category} {
			if w := words[name]; w != "" {
				return w
			}
		}
	}
	return strings.ReplaceAll(typ, "-", " ")
}

// advice is what to check for a type.
func (t *Templates) advice(lang, typ string) string {
	for _, name := range []string{lang + "/" + typ, lang + "/other", "en/" + typ} {
		if tip := t.tips[name]; tip != "" {
			return tip
		}
	}
	return t.tips["en/other"]
}

// render fills a template in, in the language or else in English, and returns its subject and text.
func (t *Templates) render(lang, name string, v View) (subject, text string, err error) {
	tmpl := t.texts[lang+"/"+name]
	if tmpl == nil {
		tmpl = t.texts["en/"+name]
	}
	if tmpl == nil {
		return "", "", fmt.Errorf("no template %q", name)
	}
	var b strings.Builder
	if err := tmpl.Execute(&b, v); err != nil {
		return "", "", fmt.Errorf("template %s: %w", tmpl.Name(), err)
	}
	head, text, _ := strings.Cut(b.String(), "\n")
	subject = oneLine(strings.TrimPrefix(head, "Subject: "))
	return subject, strings.TrimLeft(text, "\n"), nil
}

func oneLine(s string) string {
	return strings.Join(strings.Fields(visible(s)), " ")
}

// Check renders every template with a made-up case, so that a mistake shows before a mail is due.
func (t *Templates) Check() error {
	c := Case{ID: "S-1", Addr: "192.0.2.25", What: "Spam", Samples: []Sample{{Note: "x", Lines: []string{"x"}, Seal: "x"}}, Left: 1, Own: []string{"x"},
		Chain: []string{"x"}, Why: []string{"x"}, Advice: "x", Chart: "x", Subject: "x", Holder: "x"}
	var errs []error
	full := View{Site: "x", Case: "S-1", Contact: "x", Policy: "x", Why: "x", Blocked: "x", Cases: []Case{c, c}, First: c, More: 1, Left: 1}
	for name := range t.texts {
		lang, kind, _ := strings.Cut(name, "/")
		for _, v := range []View{full, {Case: "S-1", Cases: []Case{{}}}, {}} { // with everything, with one bare case, with none
			_, _, err := t.render(lang, kind, v)
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
