# What holds key material cannot be read from outside: neither by other processes of the server's
# user nor from a core file. Linux shows both by whom a process's folder in /proc belongs to.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;

plan skip_all => 'only Linux has prctl and /proc' if $^O ne 'linux';

my $secret = 'sk-proj-' . 'mM0' x 10;
my $node = KeypoolCluster::start('memory');
$node->safe_psql('postgres', "CREATE EXTENSION pg_keypool; SELECT add_key('openai', '$secret')");

# Whether another process of the same user may look into that one.
sub readable
{
	my ($pid) = @_;
	open my $memory, '<', "/proc/$pid/maps" or return '';
	my $line = <$memory>;
	return defined $line ? 1 : '';
}

my $picker = PsqlSession->new($node, 'postgres');
my $pid = $picker->pid;
ok(readable($pid), 'a session that has touched no key is like any other');
is($picker->ask("SELECT pick_key('openai')"), $secret, 'it picks');
ok(!readable($pid), 'from then on its memory is out of reach, core files included');
is((stat "/proc/$pid/environ")[4], 0, 'for all but root');

my $worker = KeypoolCluster::worker($node, 'postgres');
$node->safe_psql('postgres', 'SELECT * FROM check_key(1)');
ok(!readable($worker), 'so is that of a worker that has checked a key');

$node->append_conf('postgresql.conf', 'keypool.core_dumps = on');
$node->reload;
ok(!readable($pid), 'turning it off helps no session that holds keys already');
my $debugged = PsqlSession->new($node, 'postgres');
$debugged->ask("SELECT pick_key('openai')");
ok(readable($debugged->pid), 'keypool.core_dumps lets new ones be debugged');

done_testing();
