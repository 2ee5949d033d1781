# A backend that dies takes shared memory with it and nothing else: the keys are picked again at
# once, what the worker had written of them holds, and no lease of before is known.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;

my $node = KeypoolCluster::start('crash', 'restart_after_crash = on',
	'keypool.health_check_interval = 0', 'keypool.default_strategy = single');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
sub sql { return $node->safe_psql('postgres', $_[0]) }

my ($cooling, $unhealthy, $busy) = map {
	sql("SELECT add_key('openai', 'sk-proj-' || repeat('k', 24) || 'key$_', max_concurrency => 3)")
} 1 .. 3;
sql(q{SELECT add_key('openai', 'sk-proj-' || repeat('k', 24) || 'user', user_id => 'u1')});
sql("SELECT mark_key_error($cooling, 'rate_limit', 429, '1 h'),
	mark_key_error($unhealthy, 'invalid_api_key', 401)");
sql(q{SELECT count(pick_key('openai', 'u1')) FROM generate_series(1, 9)});

# The backend's own leases, and those of one that stays idle.
my $holder = PsqlSession->new($node);
my @leases = map { $holder->ask(q{SELECT lease_id FROM acquire_key('openai')}) } 1 .. 3;
my $state = q{SELECT k.key_id, s.state, s.picks, s.errors, s.cooldown_until
	FROM keypool.api_keys_overview k JOIN keypool.key_state s USING (key_id) ORDER BY key_id};
ok(KeypoolCluster::await(sub {
	return sql('SELECT sum(picks), sum(errors) FROM keypool.key_state') eq '12|2' }),
	'the worker has written everything down');
my $written = sql($state);
like(KeypoolCluster::ask($node, q{SELECT * FROM acquire_key('openai')}),
	qr/KP001.*1 max_concurrency reached/s, 'the leases hold all there is');

# Kills a backend and waits until the server takes sessions again.
sub kill_backend
{
	my ($pid) = @_;
	my $log = -s $node->logfile;
	kill 'KILL', $pid or die "kill: $!";
	ok($node->wait_for_log(qr/all server processes terminated; reinitializing/, $log),
		'the server restarts itself');
	ok(KeypoolCluster::await(sub {
		return $node->psql('postgres', 'SELECT 1', stderr => \my $ignored) == 0 }),
		'and takes sessions again');
	return;
}

# What must be as before, whoever died.
sub as_before
{
	my ($who) = @_;
	is(sql($state), $written, "$who: health and counters are as written");
	my $columns = 'key_id, state, picks, errors, last_error';
	is(sql("SELECT $columns FROM keypool.api_keys_overview ORDER BY key_id"),
		sql("SELECT $columns FROM keypool.key_state ORDER BY key_id"),
		"$who: and shared memory starts from there");
	is(sql(q{SELECT right(pick_key('openai'), 4), right(pick_key('openai', 'u1'), 4)}), 'key3|user',
		"$who: picks work, and pass over who is out");
	for my $lease (@leases)
	{
		like(KeypoolCluster::ask($node, "SELECT release_key($lease)"), qr/KP008/,
			"$who: a lease of before is not known");
	}
	return;
}

kill_backend($holder->pid);
as_before('a holder of leases');
is(sql("SELECT in_flight FROM keypool.api_keys_overview WHERE key_id = $busy"), 0,
	'its leases hold nothing any more');
my @new = map { sql(q{SELECT lease_id FROM acquire_key('openai')}) } 1 .. 3;
my %before = map { $_ => 1 } @leases;
is(scalar(grep { $before{$_} } @new), 0, 'no number is given out twice');
sql("SELECT release_key($_)") for @new;

# Killed in the middle of picking: the worker is off, so that what is written stays as it is.
sub freeze
{
	$node->append_conf('postgresql.conf', 'keypool.worker = off');
	$node->reload;
	KeypoolCluster::no_worker($node, 'postgres') or die 'the worker stays';
	$written = sql($state);
	@leases = @new;
	return;
}
freeze();
for my $round (1 .. 3)
{
	my @picking = map { PsqlSession->new($node) } 1 .. 3;
	$_->send(q{DO $$ BEGIN LOOP PERFORM pick_key('openai'), pick_key('openai', 'u1');
		END LOOP; END $$}) for @picking;
	ok(KeypoolCluster::await(sub {
		return sql(q{SELECT sum(picks) > 50000 FROM keypool.api_keys_overview}) eq 't' }),
		"round $round: picking at full speed");
	kill_backend($picking[0]->pid);
	as_before("round $round");
}

# A restart that is a restart, and one that is a crash of all.
$node->restart;
as_before('a fast restart');
$node->stop('immediate');
$node->start;
as_before('an immediate one');
like(sql(q{SELECT string_agg(state, ' ' ORDER BY key_id) FROM keypool.api_keys_overview}),
	qr/^cooling unhealthy healthy/, 'cooldowns survive them all');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal (?!9)/, 'nobody else died');
$node->stop;
done_testing();
