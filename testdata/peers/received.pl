# Times SpamAssassin's parser of Received lines, for the comparison with spoor's.
# Run as: LINES_FILE=file perl received.pl; the file holds one value a line.
# It prints ns of processor time per line in the parser.
use strict;
use warnings;
use Time::HiRes qw(clock);
use Mail::SpamAssassin;
use Mail::SpamAssassin::Message::Metadata::Received;

my @lines;
open my $in, '<', $ENV{LINES_FILE} or die "cannot read the lines: $!";
while (<$in>) { chomp; push @lines, $_ if length && !/^#/; }

my $sa = Mail::SpamAssassin->new({ dont_copy_prefs => 1, local_tests_only => 1, rules_filename => '/dev/null', site_rules_filename => '/dev/null', userprefs_filename => '/dev/null' });
my $msg = $sa->parse("From: anna\@example.com\n\nbody\n");
my $meta = $msg->{metadata};
my $read = grep { my $r = $meta->parse_received_line($_); defined $r && $r } @lines;
die "only $read lines were read" if $read < @lines / 4;

my $least;
for (1 .. 40) {
  my $start = clock();
  $meta->parse_received_line($_) for @lines;
  my $took = clock() - $start;
  $least = $took if !defined $least || $took < $least;
}
printf "lines %d read %d\n", scalar @lines, $read;
printf "parser ns/line %.0f\n", $least / @lines * 1e9;
