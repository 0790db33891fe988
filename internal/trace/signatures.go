package trace

// signatures holds, by the first letter, how software names itself in the
// comment behind "by host" or "with protocol". The longer prefix stands first.
var signatures = [26][]signature{
	0:         {{"amavisd", "amavis"}, {"amavis", "amavis"}, {"argosoft", "argosoft"}, {"axigen", "axigen"}, {"apache james", "james"}, {"avg smtp", "antivirus"}, {"avmailgate", "antivirus"}, {"aix", "sendmail"}},
	'b' - 'a': {{"bulk_mailer", "list"}},
	'c' - 'a': {{"cpmta", "qmail"}, {"coremail", "coremail"}, {"communigate", "communigate"}, {"cyrus", "cyrus"}, {"courier", "courier"}, {"clearswift", "mailsweeper"}, {"content technologies", "mailsweeper"}, {"cellopoint", "cellopoint"}, {"cloudflare", "cloudflare"}},
	'd' - 'a': {{"dovecot", "dovecot"}, {"domino", "domino"}},
	'e' - 'a': {{"eudora internet mail server", "eims"}, {"exim", "exim"}, {"ecelerity", "ecelerity"}, {"egp: ", "yahoo"}, {"eucpmta", "knox"}, {"ezmts", "ezmts"}, {"ecartis", "list"}, {"eyou", "eyou"}},
	'f' - 'a': {{"fetchmail", "fetchmail"}, {"f-secure", "antivirus"}, {"fortimail", "fortimail"}, {"forefront", "exchange"}},
	'g' - 'a': {{"generic mta", "cellopoint"}, {"getmail", "fetchmail"}},
	'h' - 'a': {{"http/yandex", "yandex"}, {"haraka", "haraka"}, {"halon", "halon"}, {"hypersendmail", "sunone"}, {"hmailserver", "hmailserver"}, {"hmail", "hmail"}, {"hcl domino", "domino"}, {"horde", "imp"}},
	'i' - 'a': {{"ibm vm smtp", "vm"}, {"ima internet", "ccmail"}, {"icewarp", "icewarp"}, {"imp", "imp"}, {"ironport", "ironport"}, {"interscan", "interscan"}, {"ibm domino", "domino"}, {"iplanet", "sunone"}, {"intermail", "intermail"}, {"imail", "imail"}},
	'j' - 'a': {{"james", "james"}, {"jetsend", "jetsend"}, {"jqueuemail", "juno"}},
	'k' - 'a': {{"kumomta", "kumomta"}, {"knoxportal", "knox"}, {"kerio", "kerio"}},
	'l' - 'a': {{"lmail", "vm"}, {"lotus", "domino"}, {"lsmtp", "lsmtp"}},
	'm' - 'a': {{"mercury", "mercury"}, {"mxback", "yandex"}, {"mxfront", "yandex"}, {"microsoft exchange internet", "exchange5"}, {"microsoft", "exchange"}, {"mdaemon", "mdaemon"}, {"meproxy", "fastmail"}, {"mailscanner", "mailscanner"}, {"messagewall", "messagewall"}, {"mailgate", "mailgate"}, {"mail_out", "aol"}, {"momentum", "ecelerity"}, {"mailerdaemon", "postfix"}, {"mailmarshal", "mailmarshal"}, {"merak", "icewarp"}, {"mirapoint", "mirapoint"}, {"mos ", "mirapoint"}, {"mimedefang", "sendmail"}, {"mailcontrol", "sendmail"}, {"mailchimp", "postfix"}},
	'n' - 'a': {{"netscape", "sunone"}, {"ntmail", "ntmail"}, {"nwsmtp", "yandex"}, {"newesmtp", "qq"}, {"newmx", "qq"}, {"newxmesmtp", "qq"}, {"nemesis", "nemesis"}, {"navgw", "antivirus"}, {"netease", "coremail"}},
	'o' - 'a': {{"opensmtpd", "opensmtpd"}, {"oracle communications", "oracle"}, {"oracle", "oracle"}, {"openxp", "openxp"}},
	'p' - 'a': {{"postfix", "postfix"}, {"pps", "proofpoint"}, {"powermta", "powermta"}, {"post.office", "postoffice"}, {"pmdf", "pmdf"}, {"purelymail", "purelymail"}, {"prayer", "prayer"}, {"pipermail", "list"}},
	'q' - 'a': {{"qpsmtpd", "qpsmtpd"}, {"qmail-ldap", "qmail"}, {"qmail", "qmail"}, {"qmqpd", "qmail"}},
	'r' - 'a': {{"richmail", "richmail"}, {"rockliffe", "rockliffe"}, {"roundcube", "squirrelmail"}, {"rsmtp", "rsmtp"}, {"rzmta", "rzmta"}},
	's' - 'a': {{"spam firewall", "barracuda"}, {"smtp/yandex", "yandex"}, {"smtpd-", "imail"}, {"smartermail", "smartermail"}, {"sophos", "sophos"}, {"ssmtp", "ssmtp"}, {"sun internet mail", "sunone"}, {"sgi-", "sendmail"}, {"smi-", "sendmail"}, {"sun java", "sunone"}, {"scalix", "scalix"}, {"stalwart", "stalwart"}, {"smtpd32", "imail"}, {"squirrelmail", "squirrelmail"}, {"smtpl", "smtpl"}, {"sg", "sendgrid"}, {"symantec", "symantec"}, {"surgemail", "surgemail"}, {"smtpd", "smtpd"}, {"sendmail", "sendmail"}, {"spamassassin", "spamd"}, {"smail", "smail"}, {"seznam smtpd", "seznam"}, {"smssmtp", "antivirus"}, {"savsmtp", "antivirus"}},
	't' - 'a': {{"tumbleweed", "tumbleweed"}, {"trend micro", "interscan"}},
	'v' - 'a': {{"vzm hermes", "yahoo"}},
	'w' - 'a': {{"wp-smtpd", "qmail"}, {"winproxy", "winproxy"}, {"webmailui", "aol"}, {"winwebmail", "winwebmail"}, {"winmail", "winwebmail"}},
	'x' - 'a': {{"xmail", "xmail"}},
	'y' - 'a': {{"yahoo", "yahoo"}, {"yandex", "yandex"}},
	'z' - 'a': {{"zmailer", "zmailer"}, {"zonemta", "zonemta"}, {"zimbra", "zimbra"}},
}
