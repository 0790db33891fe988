package report

import "testing"

// Words of mail that is no complaint (requests, answers, monitors, notes that
// somebody was told) silence none that is one.
func TestTrueComplaintsAreHeard(t *testing.T) {
	mail := func(subject, body string) string {
		return "From: Jo <r@reporter.example>\nTo: abuse@example.net\nSubject: " + subject + "\nDate: Thu, 01 Oct 2026 12:00:00 +0000\nMIME-Version: 1.0\n\n" + body + "\n"
	}
	for name, raw := range map[string]string{
		"a router for peering":   mail("Attempted logins", "Hello,\n\nyour server 203.0.113.7 tried 500 logins as root on our peering router this morning. Please stop it."),
		"a list's notice":        mail("Listing of 203.0.113.7", "The host 203.0.113.7 was listed because of a trojan on it.\nTo be delisted, clean it and write to us."),
		"until it is unlocked":   mail("Server gesperrt", "Guten Tag,\n\nder Rechner 203.0.113.7 aus Ihrem Netz versucht seit gestern, sich an unserem Server anzumelden (Konto root). Wir haben die IP gesperrt und werden sie erst nach Antwort wieder freischalten."),
		"though only a list may": mail("Belästigung", "Von 203.0.113.7 kommen stündlich Drohungen in unser Gästebuch, obwohl wir nur eine whitelist zulassen."),
		"at a webinar":           mail("Piratage", "Bonjour, l'adresse 203.0.113.7 de votre réseau a piraté notre webinar hier à 14:00."),
		"a problem":              mail("[Problem] Hackversuche", "Der Host 203.0.113.7 greift uns seit 2026-10-01 08:14:00 UTC an."),
		"an automaton":           mail("AUTO: abuse from 203.0.113.7", "Source IP: 203.0.113.7\nscanned us on 2026-10-01 08:14:00 UTC"),
		"it came back":           mail("Re: [Ticket#12] attack from your net", "Sorry, this came back today!\n\nOn 1 Oct 2026, Abuse Desk <abuse@example.net> wrote:\n> we fixed it\n> Source IP: 203.0.113.7\n> scanned us"),
		"an answer to spam":      mail("Re: Buy pills", "This is spam, sent from your network. Stop it.\n\nOn 1 Oct 2026, Pills <pills@spam.example> wrote:\n> Received: from x (203.0.113.7) by mx.reporter.example; Thu, 1 Oct 2026 08:00:00 +0000\n> Subject: Buy pills\n> From: pills@spam.example\n>\n> buy"),
		"reported before":        mail("attack", "203.0.113.7 attacks our SSH server; already reported three times, no reaction!"),
		"reported last week":     mail("attack", "Your host 203.0.113.7 attacked us, which was already reported last week and nothing happened.\n2026-10-01 08:14:00 UTC"),
		"you are its provider":   mail("attack", "203.0.113.7 probes our SSH server, and you are its provider."),
		"a server elsewhere":     mail("attack", "203.0.113.7 attacks a server that we have at another provider."),
		"usual attacks":          mail("attack", "We normally see attacks from 203.0.113.7 at night."),
		"an attack was verified": mail("attack", "verified attack from 203.0.113.7 yesterday on our ssh"),
		"found by our scan":      mail("attack", "Our security scan found attacks from 203.0.113.7 yesterday."),
		"with an aggregate report": "From: Jo <r@reporter.example>\nTo: abuse@example.net\nSubject: spam in our name from your host\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n" +
			"--b\nContent-Type: text/plain\n\nYour host 203.0.113.7 sends spam in our name, see the attached DMARC report.\n" +
			"--b\nContent-Type: application/gzip\nContent-Disposition: attachment; filename=\"r.example!reporter.example!1!2.xml.gz\"\n\nxxxx\n--b--\n",
	} {
		t.Run(name, func(t *testing.T) {
			res := parse([]byte(raw), Options{})
			if len(res.Reports) != 1 || res.Reports[0].IP.String() != "203.0.113.7" {
				t.Errorf("%d reports, rejected %q, candidates %v", len(res.Reports), res.Rejected, res.Candidates)
			}
		})
	}
}
