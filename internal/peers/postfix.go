package peers

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// PostfixOptions say how a private Postfix differs from the plain one, which
// listens on loopback alone and discards whatever it accepts.
type PostfixOptions struct {
	Main   map[string]string // settings of main.cf, over the defaults
	Master []string          // further lines of master.cf
	TLS    bool              // offer STARTTLS with a certificate of its own
}

// A Postfix is a private instance that ends with the test. It needs root.
type Postfix struct {
	Addr  netip.AddrPort // where smtpd listens on 127.0.0.1
	Addr6 netip.AddrPort // where smtpd listens on ::1
	dir   string
	proc  *Process
}

// NewPostfix starts a Postfix, or skips the test where there is none.
func NewPostfix(t testing.TB, opts PostfixOptions) *Postfix {
	t.Helper()
	Need(t, "postfix")
	NeedRoot(t)
	port := FreePort(t)
	p := &Postfix{
		Addr:  Loopback(port),
		Addr6: netip.AddrPortFrom(netip.IPv6Loopback(), port),
		dir:   TempDir(t, "postfix"),
	}
	writeFile(t, p.etc("main.cf"), p.mainCf(t, opts))
	writeFile(t, p.etc("master.cf"), p.masterCf(opts))
	p.makeFolders(t)
	p.Start(t)
	return p
}

// Postmap makes the indexed file of an aliases file (by "postalias") or of another table (by "postmap").
func Postmap(t testing.TB, program, path string) {
	t.Helper()
	Need(t, "postfix")
	etc := t.TempDir()
	writeFile(t, filepath.Join(etc, "main.cf"), "compatibility_level = 3.6\n")
	if out, err := exec.Command(program, "-c", etc, "hash:"+path).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", program, path, err, out)
	}
}

// NeedRoot skips a test that only root can run.
func NeedRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv(EnvMode) == "require" {
		t.Fatal("needs root, because its peer does")
	}
	t.Skip("needs root, because its peer does")
}

// Start starts the instance again after Stop.
func (p *Postfix) Start(t testing.TB) {
	t.Helper()
	daemons := strings.TrimSpace(p.command(t, "postconf", "-h", "daemon_directory"))
	// master -d stays in the foreground and keeps our process group.
	p.proc = Start(t, exec.Command(filepath.Join(daemons, "master"), "-c", p.etc(""), "-d"))
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("postfix's queue: %v, its log:\n%s%s", p.Queue(t), p.proc.Output(), tail(p.Log(), 4000))
		}
	})
	WaitFor(t, startLimit, "postfix to answer", func() bool {
		if !p.proc.Running() {
			t.Fatalf("postfix ended at once:\n%s%s", p.proc.Output(), p.Log())
		}
		return Answers(p.Addr)
	})
}

// Stop ends the instance; its queue stays.
func (p *Postfix) Stop() { p.proc.Stop() }

// Pid returns the process id of Postfix's master.
func (p *Postfix) Pid() int { return p.proc.Pid() }

// Log returns the mail log so far.
func (p *Postfix) Log() string {
	text, err := os.ReadFile(p.LogPath())
	if err != nil {
		return ""
	}
	return string(text)
}

// LogPath returns the path of the mail log.
func (p *Postfix) LogPath() string { return filepath.Join(p.dir, "log", "mail.log") }

// ConfigDir returns the folder to be given to Postfix's programs with -c.
func (p *Postfix) ConfigDir() string { return p.etc("") }

// SpoolDir returns the queue's folder, below which smtpd's private sockets lie.
func (p *Postfix) SpoolDir() string { return filepath.Join(p.dir, "spool") }

// Queue returns how many messages lie in the queues, by queue name.
func (p *Postfix) Queue(t testing.TB) map[string]int {
	t.Helper()
	count := map[string]int{}
	for _, queue := range []string{"maildrop", "incoming", "active", "deferred", "hold", "corrupt"} {
		err := filepath.WalkDir(filepath.Join(p.SpoolDir(), queue), func(_ string, d os.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() {
				count[queue]++
			}
			return nil // a message may leave while we look
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return count
}

// Deferrals returns how many deliveries were put off so far. The queue alone does not tell: a mail leaves "deferred" for
// as long as it is tried again.
func (p *Postfix) Deferrals() int { return strings.Count(p.Log(), " status=deferred ") }

// Flush makes Postfix retry its deferred mail now.
func (p *Postfix) Flush(t testing.TB) {
	t.Helper()
	p.command(t, "postqueue", "-f")
}

func (p *Postfix) etc(name string) string { return filepath.Join(p.dir, "etc", name) }

func (p *Postfix) command(t testing.TB, name string, args ...string) string {
	t.Helper()
	postfix, err := Lookup("postfix")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(filepath.Dir(postfix), name), append([]string{"-c", p.etc("")}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", name, err, out, p.Log())
	}
	return string(out)
}

func (p *Postfix) makeFolders(t testing.TB) {
	t.Helper()
	for _, name := range []string{"spool", "data", "log"} {
		if err := os.MkdirAll(filepath.Join(p.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("chown", "postfix", filepath.Join(p.dir, "data")).CombinedOutput(); err != nil {
		t.Fatalf("chown: %v: %s", err, out)
	}
	p.command(t, "postfix", "check") // makes the queue's folders
}

func (p *Postfix) mainCf(t testing.TB, opts PostfixOptions) string {
	t.Helper()
	settings := map[string]string{
		"compatibility_level":                 "3.6",
		"queue_directory":                     p.SpoolDir(),
		"data_directory":                      filepath.Join(p.dir, "data"),
		"maillog_file":                        p.LogPath(),
		"maillog_file_prefixes":               p.dir,
		"myhostname":                          "mail.example.net",
		"mydestination":                       "",
		"mynetworks":                          "127.0.0.0/8 [::1]/128",
		"inet_interfaces":                     "127.0.0.1, ::1",
		"inet_protocols":                      "all",
		"smtputf8_enable":                     "no",
		"alias_maps":                          "",
		"alias_database":                      "",
		"local_recipient_maps":                "",
		"local_transport":                     "discard:",
		"default_transport":                   "discard:",
		"relay_transport":                     "discard:",
		"smtp_dns_support_level":              "disabled",
		"smtpd_client_connection_count_limit": "0",
		"in_flow_delay":                       "0",
	}
	if opts.TLS {
		cert, key := p.certificate(t)
		settings["smtpd_tls_security_level"] = "may"
		settings["smtpd_tls_cert_file"], settings["smtpd_tls_key_file"] = cert, key
	}
	for key, value := range opts.Main {
		settings[key] = value
	}
	lines := make([]string, 0, len(settings))
	for key, value := range settings {
		lines = append(lines, key+" = "+value+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// Every service runs outside a chroot: the instance's spool has no copy of the system's files. The queue manager is woken
// each 30 seconds, since it may miss a mail's coming on a busy machine.
const postfixServices = `pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 30 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
`

func (p *Postfix) masterCf(opts PostfixOptions) string {
	// The last service: master opens them in their order, so that all listen once this one answers.
	smtpd := fmt.Sprintf("%d inet n - n - - smtpd\n", p.Addr.Port())
	return postfixServices + strings.Join(append(opts.Master, ""), "\n") + smtpd
}

func (p *Postfix) certificate(t testing.TB) (cert, key string) {
	t.Helper()
	cert, key = p.etc("cert.pem"), p.etc("key.pem")
	certPEM, keyPEM := Certificate(t, "mail.example.net")
	writeFile(t, cert, string(certPEM))
	writeFile(t, key, string(keyPEM))
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	return cert, key
}

// Certificate returns a self-signed certificate for host and its key, as PEM.
func Certificate(t testing.TB, host string) (cert, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: host},
		DNSNames:     []string{host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	return cert, key
}

func tail(text string, n int) string {
	if len(text) > n {
		return "…" + text[len(text)-n:]
	}
	return text
}
