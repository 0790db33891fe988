-- The connection's data outlive a message that ends and one that is aborted.
conn = mt.connect(socket)
assert(conn, "connect")
assert(mt.conninfo(conn, "unknown", "2001:db8::7") == nil, "conninfo")
assert(mt.helo(conn, "client.example.org") == nil, "helo")
for i = 1, 3 do
	assert(mt.mailfrom(conn, "<sender@example.org>") == nil, "mailfrom")
	assert(mt.rcptto(conn, "<rcpt@example.com>") == nil, "rcptto")
	assert(mt.header(conn, "Subject", "message " .. i) == nil, "header")
	if i == 2 then
		assert(mt.abort(conn) == nil, "abort")
	else
		assert(mt.eom(conn) == nil, "eom")
		assert(mt.getreply(conn) == SMFIR_CONTINUE, "reply")
		origin = mt.getheader(conn, "X-Spoor-Origin", 0)
		assert(string.find(origin, "ip=2001:db8::7; hop=0;", 1, true), origin)
	end
end
mt.disconnect(conn)
