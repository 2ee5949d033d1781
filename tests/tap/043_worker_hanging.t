# With requests in flight to a provider that does not answer, nothing waits for the worker: not the
# drop of its database or extension, not a reload, not a fast shutdown.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StandIn;
use Test::More;

die('STAND_IN_PROVIDER does not name the stand-in provider')
  unless -x ($ENV{STAND_IN_PROVIDER} // '');

my $provider = StandIn->start;
$provider->tell(key => '*', behaviour => 'hang');
my $base = $provider->base_url('openai');
my $node = KeypoolCluster::start('hanging', q{keypool.health_check_interval = '1s'},
	q{keypool.request_timeout = '10min'});

# A database whose worker waits for the provider; answers the worker's process id.
sub hanging
{
	my ($database) = @_;
	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database, qq{
		CREATE EXTENSION pg_keypool;
		UPDATE keypool.providers SET base_url = '$base' WHERE name = 'openai';
		SELECT add_key('openai', 'sk-' || repeat('a', 48));
		SELECT pick_key('openai')});
	my $pid = KeypoolCluster::worker($node, $database);
	ok(in_flight($database), "the worker of $database waits for the provider");
	return $pid;
}

sub in_flight
{
	my ($database) = @_;
	return KeypoolCluster::await(sub {
		$node->safe_psql($database,
			'SELECT checks_in_flight > 0 FROM keypool.worker_status') eq 't';
	});
}

sub at_once
{
	my ($database, $sql) = @_;
	my ($status, $out, $err);
	my $seconds = KeypoolCluster::seconds(
		sub { ($status, $out, $err) = $node->psql($database, $sql) });
	is($status, 0, $sql) or diag $err;
	cmp_ok($seconds, '<', 4, 'at once');
	return;
}

hanging('one');
at_once('postgres', 'CREATE DATABASE two TEMPLATE one');
ok(in_flight('two'), 'the copy is watched and waits too');
ok(in_flight('one'), 'the template is watched again');
at_once('postgres', 'ALTER DATABASE two RENAME TO three');
ok(in_flight('three'), 'the renamed database is watched');
at_once('postgres', 'DROP DATABASE three');

my $pid = KeypoolCluster::worker($node, 'one');
$node->append_conf('postgresql.conf', q{keypool.error_rate_alert = 0.5});
at_once('postgres', 'SELECT pg_reload_conf()');
$node->safe_psql('one', q{SELECT pick_key('openai')});
ok(KeypoolCluster::await(sub {
	$node->safe_psql('one', q{SELECT picks >= 2 FROM keypool.key_state}) eq 't';
}), 'while it waits, the worker goes on with its other work');
is(KeypoolCluster::worker($node, 'one'), $pid, 'and a reload leaves it running');

at_once('one', 'ALTER TABLE keypool.key_state ADD COLUMN note text');
at_once('one', 'DROP EXTENSION pg_keypool');
ok(KeypoolCluster::no_worker($node, 'one'), 'the worker of a dropped extension goes at once');

hanging('four');
at_once('postgres', 'DROP DATABASE four');

hanging('five');
$node->append_conf('postgresql.conf', 'keypool.worker = off');
$node->reload;
ok(KeypoolCluster::no_worker($node, 'five'), 'keypool.worker = off waits for nothing');
$node->append_conf('postgresql.conf', 'keypool.worker = on');
$node->reload;
ok(in_flight('five'), 'on has it wait again');

cmp_ok(KeypoolCluster::seconds(sub { $node->stop('fast') }), '<', 5, 'a fast shutdown is fast');
$node->start;
is($node->safe_psql('five', 'SELECT picks FROM keypool.api_keys_overview'), 1,
	'and what was known has been written down');
ok(in_flight('five'), 'a restart goes on where it was');
$node->stop('immediate');

unlike(slurp_file($node->logfile), qr/PANIC|TRAP|was terminated by signal 11/, 'nothing crashed');
done_testing();
