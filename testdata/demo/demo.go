// Package demo holds the samples of `spoor demo`: complaints modelled on real ones, routes as a router of 2003
// tells them, and the contacts behind its next hops. Times in the mails are templates, filled in when they are sent.
package demo

import "embed"

// Files are the samples: mail/NN-name.eml, routes.txt (snmpwalk of ipRouteMask and
// ipRouteNextHop), contacts.toml, expect.toml, which says what must come of them, and transit.eml, a mail that
// passes the milter.
//
//go:embed mail routes.txt contacts.toml expect.toml transit.eml
var Files embed.FS
