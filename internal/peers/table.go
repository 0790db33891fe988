package peers

import "slices"

// A Program is one peer and the Debian packages that bring it.
type Program struct {
	Name     string   // as it is called
	Packages []string // to be installed
	// Beside lists packages that conflict with installed ones: they are
	// unpacked into a folder, and Unpacked is the program's path in there.
	Beside   []string
	Unpacked string
}

// Programs returns the table of all peers.
func Programs() []Program {
	return []Program{
		{Name: "postfix", Packages: []string{"postfix"}},
		{Name: "smtp-source", Packages: []string{"postfix"}},
		{Name: "smtp-sink", Packages: []string{"postfix"}},
		{
			Name: "sendmail", Packages: []string{"m4", "libsasl2-modules"},
			Beside: []string{"sendmail-bin", "sendmail-cf"}, Unpacked: "usr/libexec/sendmail/sendmail",
		},
		{
			// With the one library that it needs and other programs do not.
			Name: "exim4", Packages: []string{"util-linux"}, Beside: []string{"exim4-daemon-light", "libidn12"}, Unpacked: "usr/sbin/exim4",
		},
		{Name: "saslpasswd2", Packages: []string{"sasl2-bin", "libsasl2-modules", "libsasl2-modules-db"}},
		{Name: "procmail", Packages: []string{"procmail"}},
		{Name: "dovecot", Packages: []string{"dovecot-core", "dovecot-imapd", "dovecot-lmtpd", "dovecot-sieve"}},
		{Name: "swaks", Packages: []string{"swaks", "libnet-ssleay-perl"}},
		{Name: "strace", Packages: []string{"strace"}},
		{Name: "snmpd", Packages: []string{"snmpd"}},
		{Name: "snmpwalk", Packages: []string{"snmp"}},
		{Name: "zebra", Packages: []string{"frr", "frr-snmp"}},
		{Name: "softflowd", Packages: []string{"softflowd"}},
		{Name: "nfdump", Packages: []string{"nfdump"}},
		{Name: "nfcapd", Packages: []string{"nfdump"}},
		{Name: "nfreplay", Packages: []string{"nfdump"}},
		{Name: "pmacctd", Packages: []string{"pmacct"}},
		{Name: "nfacctd", Packages: []string{"pmacct"}},
		{Name: "sfacctd", Packages: []string{"pmacct"}},
		{Name: "whois", Packages: []string{"whois"}},
		{Name: "rspamd", Packages: []string{"rspamd"}},
		{Name: "spamassassin", Packages: []string{"spamassassin"}},
		{Name: "dkimproxy-sign", Packages: []string{"libmail-dkim-perl"}}, // of Mail::DKIM, whose ARC signer is wanted
		{Name: "openssl", Packages: []string{"openssl"}},
		{Name: "opendkim", Packages: []string{"opendkim"}},
		{Name: "opendkim-genkey", Packages: []string{"opendkim-tools"}},
		{Name: "miltertest", Packages: []string{"miltertest"}},
		{Name: "tcpreplay", Packages: []string{"tcpreplay"}},
		{Name: "ip", Packages: []string{"iproute2"}},
		{Name: "tcpdump", Packages: []string{"tcpdump"}},
		{Name: "nsd", Packages: []string{"nsd"}},
		{Name: "unshare", Packages: []string{"util-linux"}},
	}
}

func find(name string) (Program, bool) {
	table := Programs()
	i := slices.IndexFunc(table, func(p Program) bool { return p.Name == name })
	if i < 0 {
		return Program{}, false
	}
	return table[i], true
}

// InstallCommand returns the command, to be run as root in the project's
// folder, that installs the program called name.
func InstallCommand(name string) string {
	return "go run ./internal/peers/install " + name
}
