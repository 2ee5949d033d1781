# Whoever dies between reserving and settling, and however: what was reserved comes back within the
# lease's time, nothing is counted twice, and what was spent is what the log says, to the nano-dollar.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;
use Time::HiRes qw(sleep time);

my $lease_time = 2;
my $node = KeypoolCluster::start('crash', 'restart_after_crash = on', 'fsync = off',
	'keypool.health_check_interval = 0', "keypool.lease_timeout = '${lease_time}s'",
	'max_connections = 60', 'log_statement = none');
sub sql { return $node->safe_psql('postgres', $_[0]) }
sub try_sql { return KeypoolCluster::try_sql($node, $_[0]) }

sql('CREATE EXTENSION pg_keypool');
my $key = sql(q{SELECT add_key('openai', 'sk-proj-' || repeat('k', 24) || 'ann', user_id => 'ann',
	daily_cost_limit => 100000, max_concurrency => 1000)});
sql(q{INSERT INTO keypool.budgets (scope, scope_id, period, limit_usd) VALUES
	('global', NULL, 'total', 100000), ('user', '*', 'month', 100000),
	('model', 'm', 'day', 100000)});

my $acquire = q{SELECT lease_id FROM acquire_key('openai', 'ann', NULL, 'm',
	estimated_cost => :estimate / 1e9)};
my $settle = q{SELECT log_request('openai', 'm', 'ann', lease_id => :lease_id, input_tokens => 1,
	cost_usd => :used / 1e9)};
my $script = PostgreSQL::Test::Utils::tempdir . '/script.sql';
append_to_file($script, qq{
\\set estimate random(1, 50000000)
\\set used random(0, :estimate)
\\set pause random(0, 20)
$acquire \\gset
\\sleep :pause ms
$settle;
});

# Sixteen sessions that reserve, wait and settle, until the server is gone or they are.
sub press
{
	my ($seconds) = @_;
	my $out = '';
	local $ENV{PGAPPNAME} = 'pgbench';
	return IPC::Run::start([ 'pgbench', '-n', '-c', 16, '-j', 2, '-T', $seconds, '-f', $script,
		$node->connstr('postgres') ], '<', \undef, '&>', \$out);
}

# The process id of one of the sessions, or of the worker.
sub victim
{
	my ($whom) = @_;
	my $condition = $whom eq 'the worker' ? q{backend_type = 'pg_keypool worker'}
	  : q{application_name = 'pgbench'};
	return KeypoolCluster::await(sub {
		return try_sql("SELECT pid FROM pg_stat_activity WHERE $condition
			AND datname = 'postgres' ORDER BY random() LIMIT 1") });
}

# What was spent, everywhere where somebody says so, is what the log says.
sub is_exact
{
	my ($when) = @_;
	# Sums are read when somebody asks for a key.
	sql(q{SELECT release_key(lease_id) FROM acquire_key('openai', 'ann', NULL, 'm',
		estimated_cost => 0.01)});
	my $spent = sql(q{SELECT trim_scale(sum(cost_usd)) FROM keypool.chat_completion_requests});
	is(sql(q{SELECT count(*), string_agg(DISTINCT trim_scale(spent_usd)::text, ' ')
		FROM keypool.budget_accounts()}), "3|$spent", "$when: what is spent is what is logged");
	is(sql(q{SELECT count(*), string_agg(DISTINCT spent_usd::text, ' ')
		FROM keypool.budget_status}), "3|$spent", "$when: and people see it so");
	# The worker reads it from the log when it starts, which may be a moment after the server.
	my $today = "SELECT cost_today FROM keypool.api_keys_overview WHERE key_id = $key";
	KeypoolCluster::await(sub { return sql($today) == $spent });
	is(sql($today), $spent, "$when: the key has spent it");
	return;
}

sub reserved
{
	return sql(q{SELECT coalesce(sum(reserved_usd), 0) + (SELECT sum(in_flight)
		FROM keypool.api_keys_overview) FROM keypool.budget_accounts()});
}

# Nothing is reserved any more, once the leases' time has passed; somebody who is in want of
# capacity, or the worker, ends them.
sub comes_back
{
	my ($when) = @_;
	my $start = time;
	ok(KeypoolCluster::await(sub { return reserved() == 0 }), "$when: what was reserved comes back");
	cmp_ok(time - $start, '<', $lease_time + 3, "$when: within the lease's time");
	return;
}

for my $round (1 .. 5)
{
	my $whom = $round % 2 ? 'a session' : 'the worker';
	my $log = -s $node->logfile;
	my $sessions = press(20);
	sleep 0.4 + rand;
	my $pid = victim($whom);
	kill 'KILL', $pid or die "kill: $!";
	ok($node->wait_for_log(qr/all server processes terminated; reinitializing/, $log),
		"round $round: $whom dies and takes the server along");
	$sessions->finish;
	ok(KeypoolCluster::await(sub { return defined try_sql('SELECT 1') }),
		"round $round: the server is back");
	is_exact("round $round");
	comes_back("round $round");
}

$node->stop('immediate');
$node->start;
is_exact('stopped at once');
$node->restart;
is_exact('restarted');

# Sessions that are ended, in all the ways but by death of the server.
sub interrupted
{
	my ($how, $each) = @_;
	my $sessions = press(3);
	for (1 .. 20)
	{
		sleep 0.1;
		$each->();
	}
	$sessions->finish;
	is_exact($how);
	comes_back($how);
	is_exact("$how, a while later");
	return;
}

interrupted('terminated', sub {
	sql(q{SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
		WHERE application_name = 'pgbench' ORDER BY random() LIMIT 1) AS one}) });
interrupted('cancelled', sub {
	sql(q{SELECT count(pg_cancel_backend(pid)) FROM (SELECT pid FROM pg_stat_activity
		WHERE application_name = 'pgbench' ORDER BY random() LIMIT 1) AS one}) });

# Statements whose time is up at a random moment: between reserving and settling, too.
sql(q{CREATE PROCEDURE go_on(waits float8) LANGUAGE plpgsql AS $$
	DECLARE lease bigint;
	BEGIN
	  LOOP
	    SELECT lease_id INTO lease FROM acquire_key('openai', 'ann', NULL, 'm',
	      estimated_cost => 0.02);
	    COMMIT;
	    PERFORM pg_sleep(random() * waits);
	    PERFORM log_request('openai', 'm', 'ann', lease_id => lease, cost_usd => 0.01);
	    COMMIT;
	  END LOOP;
	END $$});
my @sessions = map { PsqlSession->new($node) } 1 .. 6;
for my $round (1 .. 8)
{
	$_->send('SET statement_timeout = ' . (20 + int rand 80) . '; CALL go_on(0.01)') for @sessions;
	$_->answer for @sessions;
}
$_->close for @sessions;
is_exact('timed out');
comes_back('timed out');
is_exact('timed out, a while later');

# The limit still means what it says.
sql('UPDATE keypool.budgets SET limit_usd = 1 + (SELECT max(spent_usd) FROM keypool.budget_status)');
like(KeypoolCluster::ask($node, q{SELECT lease_id FROM acquire_key('openai', 'ann', NULL, 'm',
	estimated_cost => 1.000000001)}), qr/KP002/, 'after all this: not a nano-dollar over the limit');
like(sql(q{SELECT lease_id FROM acquire_key('openai', 'ann', NULL, 'm', estimated_cost => 1)}),
	qr/^\d+$/, 'and all that is left can be had');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal (?!9)/, 'nobody else died');
$node->stop;
done_testing();
