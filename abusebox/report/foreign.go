package report

import "strings"

// functionWords are the commonest words of the languages that this package
// knows. A letter without them is in another.
var functionWords = wordSet(`the and is are was were you your our we us my me this that from have has had for with please to of it be not at by an
	der die das und ist wir sie ihre ihr ihren von nicht mit auf den dem ein eine bitte uns unser zu im
	le la les des est nous vous votre notre une pour dans sur du et avec depuis pas
	el los las que una por su nuestro en con del se es para desde
	het een wij van op voor niet uw onze te dat met
	o os um uma não com ao do da em nosso nossa
	il che di per un una nostro nostra dal della sono
	и в на не мы вы по от из что это для как или
	z na w się jest nie od do przez nasz proszę
	je se na ze že není pro
	och är på som att det vi er på til av og ikke fra med den
	ja on ei se että
	és az egy nem hogy
	ve bir bu ile için
	și de la cu pe nu este din
	και το από στο της
	та і з не що на`)

func wordSet(words string) map[string]bool {
	out := map[string]bool{}
	for _, w := range strings.Fields(words) {
		out[w] = true
	}
	return out
}

// maxForeignText is as far as a text is read to tell its language.
const maxForeignText = 1500

// foreign tells whether a text is a letter in a language of which nothing is
// known here: of its words hardly one is among the commonest of the others.
func (d *document) foreign() bool {
	words, known, wide := 0, 0, 0
	for _, f := range strings.Fields(strings.ToLower(d.body[:min(len(d.body), maxForeignText)])) {
		f = strings.Trim(f, ".,;:!?()[]\"'<>*-_#=|/")
		switch {
		case f == "" || strings.ContainsAny(f, "0123456789@=/:[]{}<>_") || strings.Contains(f, "."):
		case f[0] >= 0xe3 && f[0] <= 0xed:
			wide++ // Chinese, Japanese and Korean have words of their own
		default:
			words++
			if functionWords[f] {
				known++
			}
		}
	}
	return words >= 4 && words > 2*wide && known*8 <= words
}

// inForeign takes the address that a letter in an unknown language names first:
// a complaint says who did it before it says to whom. It must stand in a
// sentence, alone or with the other side.
func (w *weighing) inForeign(all []*weighed) []*weighed {
	if len(all) == 0 || len(all) > 3 || !w.d.foreign() {
		return nil
	}
	first := all[0]
	if !public(first.ip) || len(first.lines) == 0 {
		return nil
	}
	l := &w.lines[first.lines[0]]
	if len(wordsOf(l.text)) < 4 {
		return nil
	}
	others := keep(w.list, func(c *weighed) bool { return c != first && public(c.ip) })
	for _, c := range others {
		if sharesLine(c.ip, w, first) {
			return all[:1]
		}
	}
	if len(others) == 0 && !w.d.transport()[first.ip] {
		return all[:1]
	}
	return nil
}

// wordsOf returns the words of a line that are none of numbers and addresses.
func wordsOf(t string) []string {
	var out []string
	for _, f := range strings.Fields(t) {
		if !strings.ContainsAny(f, "0123456789=/[]{}<>") {
			out = append(out, f)
		}
	}
	return out
}
