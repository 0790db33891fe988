package message

import (
	"strings"
	"testing"
)

// tenLines is an ordinary mail's header of ten lines, two of them folded.
const tenLines = `Received: from out.sender.example (out.sender.example [192.0.2.25])
	by mx.example.net (Postfix) with ESMTPS id 4XK2P12
	for <abuse@example.net>; Thu, 1 Oct 2026 08:14:00 +0000 (UTC)
From: "A Reporter" <reporter@sender.example>
To: abuse@example.net
Subject: =?utf-8?q?spam_from_your_network?=
Date: Thu, 1 Oct 2026 10:13:58 +0200
Message-ID: <20261001081358.1234@sender.example>
MIME-Version: 1.0
Content-Type: text/plain; charset=utf-8

`

// BenchmarkTenLines reads one header of ten lines.
func BenchmarkTenLines(b *testing.B) {
	in := []byte(strings.ReplaceAll(tenLines, "\n", "\r\n"))
	b.ReportAllocs()
	for b.Loop() {
		if h, _, _ := ReadHeader(in, DefaultLimits()); len(h.Fields) != 8 {
			b.Fatalf("%d fields", len(h.Fields))
		}
	}
}
