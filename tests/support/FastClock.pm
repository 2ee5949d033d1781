# A cluster whose wall clock runs faster than ours: a minute's window passes in a second, an hour's
# in some. What sleeps in the server (pg_sleep, timeouts) does not hurry: sleep in the client.
#
#   my $node = FastClock::start(60, 'name', @configuration);    # as KeypoolCluster::start
package FastClock;

use strict;
use warnings;

use FindBin;
use KeypoolCluster;
use PostgreSQL::Test::Utils;

my $library;

# Built when a test first asks for it.
sub library
{
	return $library if $library;
	my $file = PostgreSQL::Test::Utils::tempdir . '/fast_clock.so';
	my $source = "$FindBin::RealBin/../support/clock/fast_clock.c";
	system('cc', '-O2', '-Wall', '-Wextra', '-shared', '-fPIC', '-o', $file, $source) == 0
	  or die "cannot build $source";
	return $library = $file;
}

# Checkpoints and vacuums come by the clock, and would come all the time.
sub start
{
	my ($speed, $name, @configuration) = @_;
	local $ENV{LD_PRELOAD} = library();
	local $ENV{FAST_CLOCK} = time . " $speed";
	return KeypoolCluster::start($name, 'checkpoint_timeout = 1d', 'autovacuum = off',
		@configuration);
}

1;
