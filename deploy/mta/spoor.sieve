# Dovecot Pigeonhole with sieve_plugins = sieve_extprograms, sieve_extensions = +vnd.dovecot.pipe, and in
# sieve_pipe_bin_dir the script spoor-file:
#   #!/bin/sh
#   exec /usr/bin/spoor file
# A mail that Spoor could not keep stays in the INBOX. With ":try" it would be dropped.
require ["vnd.dovecot.pipe"];
pipe "spoor-file";
