#!/bin/sh
# Runs a test command and names at its end every test that was skipped for want of a peer, with the command
# that installs it. With SPOOR_PEERS=require the peers are installed first, and then none may be skipped.
set -u
if [ "${SPOOR_PEERS:-}" = require ]; then
	go run ./internal/peers/install || exit 1
fi
SPOOR_PEERS_LOG=$(mktemp) || exit 1
export SPOOR_PEERS_LOG
trap 'rm -f "$SPOOR_PEERS_LOG"' EXIT
"$@"
status=$?
if [ -s "$SPOOR_PEERS_LOG" ]; then
	echo
	echo "Skipped for want of a peer (make peers installs them all, as root):"
	sort -u "$SPOOR_PEERS_LOG" | awk -F '\t' '{printf "  %-50s needs %-12s %s\n", $1, $2, $3}'
fi
exit $status
