# A worker is there wherever the extension is, without anybody keeping a list; it comes back from
# whatever ends it, and goes when it is told to.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('life', 'restart_after_crash = on');

sub state_of
{
	my ($database) = @_;
	return $node->safe_psql($database, 'SELECT state FROM keypool.worker_status');
}

is($node->safe_psql('postgres',
	q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'pg_keypool launcher'}),
	1, 'the server runs one launcher');

# Installing.
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
my $first = KeypoolCluster::worker($node, 'postgres');
ok($first, 'CREATE EXTENSION starts a worker without a restart');
is($node->safe_psql('postgres', q{
	SELECT count(*) FROM keypool.worker_status
	WHERE pid IS NOT NULL AND started_at <= now() AND uptime >= '0' AND pool_slots > 0
	  AND last_error IS NULL}), 1, 'worker_status describes it');

$node->safe_psql('postgres', 'CREATE DATABASE second');
$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->safe_psql('second', 'CREATE EXTENSION pg_keypool');
my $second = KeypoolCluster::worker($node, 'second');
ok($second, 'a second database gets a worker of its own');
isnt($second, $first, 'which is another process');
is(KeypoolCluster::worker($node, 'postgres'), $first, 'and the first one stays');
my %workers = KeypoolCluster::workers($node);
ok(!exists $workers{plain}, 'a database without the extension has none');

$node->safe_psql('plain', 'BEGIN; CREATE EXTENSION pg_keypool; ROLLBACK');
$node->safe_psql('plain', 'CREATE SCHEMA s; CREATE EXTENSION pg_keypool SCHEMA s');
ok(KeypoolCluster::worker($node, 'plain'), 'a later installation is noticed');

# Restarts and ends.
$node->restart;
ok(KeypoolCluster::worker($node, $_), "a restart finds $_ again") for qw(postgres second plain);

$first = KeypoolCluster::worker($node, 'postgres');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($first)");
ok(KeypoolCluster::worker($node, 'postgres', $first), 'a terminated worker is replaced');

my $launcher = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_keypool launcher'};
$second = KeypoolCluster::worker($node, 'second');
my $old = $node->safe_psql('postgres', $launcher);
$node->safe_psql('postgres', "SELECT pg_terminate_backend($old)");
ok(KeypoolCluster::await(sub {
	my $pid = $node->safe_psql('postgres', $launcher);
	return $pid ne '' && $pid ne $old;
}), 'so is a terminated launcher');
is(KeypoolCluster::worker($node, 'second'), $second, 'which leaves the running workers alone');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($second)");
ok(KeypoolCluster::worker($node, 'second', $second), 'and looks after those it did not start');

# A cancel request means nothing to a worker that runs no statement.
$first = KeypoolCluster::worker($node, 'postgres');
$node->safe_psql('postgres', "SELECT pg_cancel_backend($first), pg_sleep(0.3)");
is(KeypoolCluster::worker($node, 'postgres'), $first, 'a cancelled worker goes on');

# A crash takes the whole server down, and everything comes back.
$node->safe_psql('postgres', q{
	SELECT add_key('openai', 'sk-' || repeat('a', 48), name => 'one');
	SELECT pick_key('openai');
	SELECT mark_key_error(1, 'rate_limit', 429, interval '1 hour')});
my $cooldown = q{SELECT state, cooldown_until > now() + interval '50 min' FROM keypool.key_state};
ok(KeypoolCluster::await(sub { $node->safe_psql('postgres', $cooldown) eq 'cooling|t' }),
	'the worker writes a cooldown down');
kill 'KILL', $first;
ok(KeypoolCluster::await(sub {
	my ($status, $out) = $node->psql('postgres',
		q{SELECT pid FROM keypool.worker_status WHERE state = 'running'});
	return $status == 0 && $out ne '' && $out ne $first;
}), 'after kill -9 the worker comes back');
is($node->safe_psql('postgres',
	q{SELECT state, cooldown_until > now() + interval '50 min' FROM keypool.api_keys_overview}),
	'cooling|t', 'and the key still cools');
my ($status, $out, $err) = $node->psql('postgres', q{SELECT pick_key('openai')});
like($err, qr/no .*key/i, 'so that nobody picks it');

# Off and on.
$node->append_conf('postgresql.conf', 'keypool.worker = off');
$node->reload;
ok(KeypoolCluster::no_worker($node, $_), "keypool.worker = off stops that of $_")
  for qw(postgres second plain);
is(state_of('postgres'), 'off', 'worker_status says why there is none');
$node->safe_psql('postgres', 'CREATE DATABASE late');
$node->safe_psql('late', 'CREATE EXTENSION pg_keypool');
$node->append_conf('postgresql.conf', 'keypool.worker = on');
$node->reload;
ok(KeypoolCluster::worker($node, $_), "on starts that of $_") for qw(postgres second plain late);

ok(KeypoolCluster::seconds(sub { $node->stop('fast') }) < 5, 'a fast shutdown is fast');
my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|TRAP|segfault|terminated by signal (6|11)/, 'nothing crashed by itself');

# No process left for a worker: said once, and picks do not care.
my $full = KeypoolCluster::start('full', 'max_worker_processes = 2');
$full->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
$full->safe_psql('postgres', q{SELECT add_key('openai', 'sk-' || repeat('a', 48))});
my $complaint = qr/LOG: .*no background worker is free to look after database/;
ok(KeypoolCluster::await(sub { slurp_file($full->logfile) =~ $complaint }),
	'no free background worker is reported');
sleep 3;
my $said = () = slurp_file($full->logfile) =~ /$complaint/g;
is($said, 1, 'once');
like(slurp_file($full->logfile), qr/HINT: .*max_worker_processes/, 'with a hint');
is($full->safe_psql('postgres', q{SELECT length(pick_key('openai'))}), 51, 'and picks work');
$full->stop;

done_testing();
