package intake

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// A certificate is read from its files again when they change; a mistaken change leaves the old one in use.
type certificate struct {
	cert, key string
	logger    *slog.Logger
	now       func() time.Time

	mu      sync.Mutex
	loaded  *tls.Certificate
	stamp   string
	checked time.Time
}

const recheck = time.Second // the files are looked at this often at most

func newCertificate(cert, key string, logger *slog.Logger, now func() time.Time) (*certificate, error) {
	c := &certificate{cert: cert, key: key, logger: logger, now: now}
	stamp, err := c.fileStamp()
	if err == nil {
		err = c.load(stamp)
	}
	if err != nil {
		return nil, fmt.Errorf("read TLS certificate: %w", err)
	}
	return c, nil
}

func (c *certificate) config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); now.Sub(c.checked).Abs() >= recheck {
		c.checked = now
		stamp, err := c.fileStamp()
		if err == nil && stamp != c.stamp {
			err = c.load(stamp)
		}
		if err != nil {
			c.logger.Error("the changed TLS certificate cannot be read; the old one stays in use", "err", err)
		}
	}
	return c.loaded, nil
}

func (c *certificate) load(stamp string) error {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.loaded, c.stamp = &pair, stamp
	return nil
}

// fileStamp changes when either file does.
func (c *certificate) fileStamp() (string, error) {
	stamp := ""
	for _, path := range []string{c.cert, c.key} {
		st, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		stamp += fmt.Sprint(st.ModTime().UnixNano(), " ", st.Size(), " ")
	}
	return stamp, nil
}
