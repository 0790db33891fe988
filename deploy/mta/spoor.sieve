# Dovecot Pigeonhole with the extprograms plugin, and /usr/lib/dovecot/sieve-pipe/spoor-file a script:
#   #!/bin/sh
#   exec /usr/bin/spoor file
# With ":try" a mail that Spoor could not keep stays in the INBOX.
require ["vnd.dovecot.pipe", "copy"];
pipe :try "spoor-file";
