# The books of the budgets together with the tail say what the log says, at every moment and in
# every period, whatever writers, folds, changed budgets and crashes do meanwhile; and after a dump
# is restored.
#
# KEYPOOL_EXACTNESS_SECONDS is how long the writers of the last part run, KEYPOOL_EXACTNESS_SEED what
# they do (and when; how their transactions meet is the server's affair).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use BudgetTruth;
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use RandomRequests;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{KEYPOOL_EXACTNESS_SECONDS} // 10;
my $seed = $ENV{KEYPOOL_EXACTNESS_SEED} // time ^ $$;

my $node = KeypoolCluster::start('budget_books', 'restart_after_crash = on', 'keypool.worker = off',
	'keypool.health_check_interval = 0', 'autovacuum_naptime = 1s');
sub sql { return $node->safe_psql('postgres', $_[0]) }
sub exact { my ($what) = @_; is(BudgetTruth::differences($node, 'postgres'), '', $what); return }
my $log = 'keypool.chat_completion_requests';
my $tail = 'SELECT coalesce(sum(requests), 0) FROM keypool.unfolded_requests()';

sql(q{CREATE EXTENSION pg_keypool;
	SELECT add_key('openai', 'sk-' || repeat(n::text, 48)) FROM generate_series(1, 3) n});
BudgetTruth::install($node, 'postgres');

# Requests of a user, spread over the last 40 days and the next two, some of unknown cost.
sub log_requests
{
	my ($user, $count) = @_;
	return "INSERT INTO $log (created_at, provider, model, user_id, organization_id, api_key_id,
			cost_usd)
		SELECT now() + (n % 42 - 39) * interval '1 day 35 minutes' + n * interval '13 seconds',
			CASE n % 3 WHEN 0 THEN 'openai' WHEN 1 THEN 'groq' END, CASE n % 4 WHEN 0 THEN 'm' END,
			CASE WHEN n % 5 > 0 THEN '$user' END, CASE n % 7 WHEN 0 THEN 'acme' WHEN 1 THEN '' END,
			1 + n % 3, CASE WHEN n % 6 > 0 THEN n * 0.000000001 END
		FROM generate_series(1, $count) AS n";
}

# Every scope and every period, in zones whose days and hours begin at odd times.
my @kinds = (
	[ 'global', 'NULL' ], [ 'anonymous', 'NULL' ], [ 'provider', q{'openai'} ], [ 'provider', q{'*'} ],
	[ 'organization', q{'acme'} ], [ 'user', q{'*'} ], [ 'user', q{'u1'} ], [ 'key', q{'2'} ],
	[ 'key', q{'*'} ], [ 'model', q{'*'} ]);
my @periods = (
	[ 'hour', 'NULL' ], [ 'day', 'NULL' ], [ 'week', 'NULL' ], [ 'month', 'NULL' ],
	[ 'total', 'NULL' ], [ 'rolling', q{'1 hour'} ], [ 'rolling', q{'24 hours'} ],
	[ 'rolling', q{'30 days'} ]);
my @zones = ('UTC', 'Europe/Berlin', 'Asia/Kolkata', 'Asia/Kathmandu', 'Australia/Lord_Howe');

sub budget
{
	my ($kind, $period, $zone) = @_;
	return "('$kind->[0]', $kind->[1], '$period->[0]', $period->[1]::interval, '$zone', 100)";
}
my $insert = 'INSERT INTO keypool.budgets (scope, scope_id, period, rolling_window, time_zone,'
  . ' limit_usd) VALUES ';

# --- one after the other

my $number = 0;
my @budgets;
for my $kind (@kinds)
{
	push @budgets, budget($kind, $_, $zones[ $number++ % @zones ]) for @periods;
}
sql("$insert $budgets[$_]") for 0 .. 3;
is(sql('SELECT count(*) FROM keypool.budget_spending'), 0, 'an empty log has spent nothing');
exact('in an empty log');
sql(log_requests('u1', 500));
exact('with a tail alone');
sql($insert . join ', ', @budgets);
is(sql('SELECT count(*) FROM keypool.budgets WHERE counts_from IS NULL'), 0,
	'every budget has its books opened');
exact('with budgets that came after the requests');
sql('SELECT keypool.fold_requests()');
is(sql($tail), 0, 'all is folded');
cmp_ok(sql('SELECT count(*) FROM keypool.budget_spending'), '>', 100, 'into the books');
exact('with books alone');

sql('UPDATE keypool.budget_spending SET spent_nano = spent_nano + 1');
like(BudgetTruth::differences($node, 'postgres'), qr/says/, 'a nano-dollar too many would be seen');

sql("TRUNCATE keypool.budgets");
is(sql('SELECT count(*) FROM keypool.budget_spending'), 0, 'no budgets, no books');
sql($insert . join ', ', @budgets);
exact('with books opened from rollups and log');
sql(log_requests('u2', 300));
sql("DELETE FROM $log WHERE id % 7 = 0; UPDATE $log SET cost_usd = 2, user_id = 'u3' WHERE id % 5 = 0");
exact('with corrections in the tail');
sql($insert . join ', ', @budgets);
exact('with books opened meanwhile');
sql('SELECT keypool.fold_requests()');
exact('and after all that is folded');

sql(q{UPDATE keypool.budgets SET enabled = false WHERE id % 2 = 0});
sql(log_requests('u1', 50) . '; SELECT keypool.fold_requests()');
exact('with disabled budgets');
sql(q{UPDATE keypool.budgets SET enabled = true, limit_usd = 7});
exact('with budgets enabled again');
sql(q{UPDATE keypool.budgets SET time_zone = 'America/New_York' WHERE id % 3 = 0});
sql(q{UPDATE keypool.budgets SET scope = 'user', scope_id = '*' WHERE id % 4 = 0});
sql(q{UPDATE keypool.budgets SET id = id + 1000 WHERE id % 5 = 0});
exact('with budgets that count something else');
sql(q{DELETE FROM keypool.budgets WHERE id % 2 = 0});
exact('with some deleted');
is(sql(q{SELECT count(*) FROM keypool.budget_spending
	WHERE budget_id NOT IN (SELECT id FROM keypool.budgets)}), 0, 'which leave no books behind');

sql('SELECT keypool.rebuild_rollups()');
is(sql('SELECT count(*) FROM keypool.budget_spending'), 0, 'rebuild_rollups empties the books');
exact('and the tail has it all');
1 while sql('SELECT keypool.fold_requests(100)') > 0;
exact('until it is folded in steps');

$node->append_conf('postgresql.conf', 'keypool.unknown_request_cost = 0.5');
$node->reload;
ok(KeypoolCluster::await(sub { sql('SHOW keypool.unknown_request_cost') eq '0.5' }), 'a new charge');
my $old = sql(q{SELECT sum(spent_usd) FROM keypool.budget_status});
sql(q{UPDATE keypool.budgets SET period = period});
cmp_ok(sql(q{SELECT sum(spent_usd) FROM keypool.budget_status}), '>', $old,
	'the books keep what was charged until they are opened anew');
exact('then they have the new charge');

# --- who is in whose way

my ($one, $two) = map { PsqlSession->new($node) } 1, 2;
$one->ask('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1');
sql(log_requests('u5', 10) . '; SELECT keypool.fold_requests()');
like($one->ask("$insert $budgets[0]"), qr/40001/,
	'at REPEATABLE READ no books are opened from rollups of a later time');
$one->ask('ROLLBACK');
$one->ask('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($one->ask("$insert $budgets[0]"), '', 'but they are when nothing was folded since');
$two->send('SELECT keypool.fold_requests()');
ok(KeypoolCluster::await(sub { sql('SELECT count(*) FROM pg_stat_activity WHERE pid = ' . $two->pid
	. q{ AND wait_event_type = 'Lock'}) eq '1' }), 'a fold waits for whoever opens books');
sql(log_requests('u6', 10));
$one->ask('COMMIT');
like($two->answer, qr/^\d+$/, 'and goes on then');
exact('with the new budget');
sql(log_requests('u7', 10));
$one->ask('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1');
sql("$insert $budgets[0]");
like($one->ask('SELECT keypool.fold_requests()'), qr/40001/,
	'a fold that does not see the newest budget fails');
$one->ask('ROLLBACK; BEGIN; SAVEPOINT s');
$one->ask("$insert $budgets[1]");
$one->ask("ROLLBACK TO s; $insert $budgets[2]");
$one->ask('COMMIT');
exact('with a budget that was rolled back to a savepoint');
is(sql(q{SELECT count(*) FROM keypool.budgets WHERE counts_from IS NULL}), 0, 'none is left closed');

sql(q{CREATE ROLE manager LOGIN; SELECT grant_keypool('manager', 'admin')});
my $as_manager = 'SET SESSION AUTHORIZATION manager;';
sql("$as_manager $insert $budgets[0]; UPDATE keypool.budgets SET period = period;
	DELETE FROM keypool.budgets WHERE id IN (SELECT max(id) FROM keypool.budgets)");
exact('with budgets of an admin, who has no rights on the books');
is(KeypoolCluster::ask($node, "$as_manager DELETE FROM keypool.budget_spending") =~ /42501/, 1,
	'which he cannot forge');

# --- what is let go of

sql(q{UPDATE keypool.rollup_state SET folded_at = now() - interval '30 days';
	INSERT INTO keypool.budget_spending
	SELECT id, '', now() - interval '400 days', 1 FROM keypool.budgets WHERE period IN ('rolling', 'hour')});
sql(log_requests('u1', 1) . '; SELECT keypool.fold_requests()');
is(sql(q{SELECT string_agg(DISTINCT b.period, ' ') FROM keypool.budget_spending s
	JOIN keypool.budgets b ON b.id = s.budget_id WHERE s.period_start = (SELECT min(period_start)
	FROM keypool.budget_spending WHERE period_start > '-infinity')}), 'hour',
	'steps that no window counts any more are deleted, periods that are over stay');

sql(q{TRUNCATE keypool.budgets});
sql("$insert " . budget([ 'global', 'NULL' ], [ 'total', 'NULL' ], 'UTC'));
sql('SELECT keypool.fold_requests()');
sql('SELECT keypool.make_request_partitions(); SELECT keypool.fold_requests()');
my $total = q{SELECT spent_usd FROM keypool.budget_status};
$old = sql($total);
$node->append_conf('postgresql.conf', "keypool.request_retention = '20d'");
$node->reload;
ok(KeypoolCluster::await(sub { sql('SHOW keypool.request_retention') eq '20d' }), 'days expire');
my $before = sql("SELECT count(*) FROM $log");
sql("INSERT INTO $log (created_at, provider, cost_usd)
	SELECT min(created_at), 'late', 5 FROM $log");
my $first_step = sql('SELECT keypool.drop_request_partitions()');
is($first_step, 'busy', 'a day whose spending is not booked is not dropped');
sql('SELECT keypool.fold_requests()');
ok(KeypoolCluster::await(sub { sql('SELECT keypool.drop_request_partitions()') ne 'more' }),
	'it is when it is folded');
cmp_ok(sql("SELECT count(*) FROM $log"), '<', $before, 'expired days are gone from the log');
is(sql("SELECT $old + 5 - spent_usd FROM keypool.budget_status") + 0, 0,
	'but not from what was spent since ever');
$node->append_conf('postgresql.conf', 'keypool.request_retention = 0');
$node->reload;
sql("TRUNCATE $log");
is(sql($total), 0, 'TRUNCATE of the log empties the books');

# --- dump and restore

sql(q{TRUNCATE keypool.budgets; SELECT add_key('groq', 'gsk_' || repeat('b', 52));
	INSERT INTO keypool.providers (name, display_name) VALUES ('ours', 'Ours')});
sql("$insert " . join ', ', @budgets, budget([ 'provider', q{'ours'} ], $periods[4], 'UTC'));
sql(log_requests('u1', 300) . '; SELECT keypool.fold_requests()');
exact('before the dump');
my $spent = q{SELECT sum(spent_usd) FROM keypool.budget_status};
my $folder = PostgreSQL::Test::Utils::tempdir;
my @server = ('-h', $node->host, '-p', $node->port);
my @psql = ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null');

sub restored
{
	my ($database, @command) = @_;
	sql("CREATE DATABASE $database");
	$node->command_ok([ @command, @server, '-d', $database ], "$database: restored");
	is(BudgetTruth::differences($node, $database), '', "$database: exact");
	$node->safe_psql($database, 'SELECT keypool.fold_requests()');
	is(BudgetTruth::differences($node, $database), '', "$database: and when it is folded");
	is($node->safe_psql($database, $spent), sql($spent), "$database: as much as was dumped");
	return;
}
my $source = sql($spent);
cmp_ok($source, '>', 0, 'something is spent');
$node->command_ok([ 'pg_dump', @server, '-f', "$folder/plain.sql", 'postgres' ], 'pg_dump');
restored('plain', @psql, '-1', '-f', "$folder/plain.sql");
$node->command_ok([ 'pg_dump', @server, '-f', "$folder/folder", '-Fd', 'postgres' ], 'pg_dump -Fd');
restored('parallel', 'pg_restore', '--exit-on-error', '-j2', "$folder/folder");
$node->command_ok([ 'pg_dump', @server, '-f', "$folder/inserts.sql", '--inserts', 'postgres' ],
	'pg_dump --inserts');
{
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	restored('replica', @psql, '-f', "$folder/inserts.sql");
}
sql("DROP DATABASE $_") for qw(plain parallel replica);

# --- all at once

$_->close for $one, $two;
$node->append_conf('postgresql.conf', 'keypool.worker = on');
$node->reload;
ok(KeypoolCluster::worker($node, 'postgres'), 'the worker starts');

my $writers = RandomRequests->new($node, $seed, 3);
my %seen = map { $_ => 0 } qw(checks tails books changed terminated crashes restarts);
my $next_terminate = time;
my $start = time;
my ($crash_at, $restart_at) = map { $start + $_ * $seconds / 3 } 1, 2;
my $differences = '';

# Nobody answers for some moments after a crash.
sub try_sql { return KeypoolCluster::try_sql($node, $_[0]) // '' }
sub one_of { return $_[ rand @_ ] }
my @changes = (
	sub { "$insert " . join ', ', map { budget(one_of(@kinds), one_of(@periods), one_of(@zones)) } 1 .. 2 },
	sub { 'DELETE FROM keypool.budgets WHERE id % 9 = ' . int rand 9 },
	sub { 'UPDATE keypool.budgets SET period = period WHERE id % 9 = ' . int rand 9 },
	sub { "UPDATE keypool.budgets SET time_zone = '" . one_of(@zones) . "' WHERE id % 5 = " . int rand 5 },
	sub { 'UPDATE keypool.budgets SET enabled = NOT enabled' },
	sub { "BEGIN; $insert $budgets[3]; SELECT pg_sleep(0.1); ROLLBACK" });

sql('TRUNCATE keypool.budgets');
sql($insert . join ', ', map { budget(one_of(@kinds), one_of(@periods), one_of(@zones)) } 1 .. 20);
while ($differences eq '' && (time < $start + $seconds || !$seen{restarts}))
{
	$writers->keep_busy;
	if (!$seen{restarts} && time > $restart_at)
	{
		$node->stop('immediate');
		$node->start;
		$seen{restarts}++;
	}
	my $worker = try_sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_keypool worker'});
	if ($worker ne '' && time > $next_terminate)
	{
		$seen{terminated} += try_sql("SELECT pg_terminate_backend($worker)") eq 't';
		$next_terminate = time + 2 * rand;
	}
	elsif ($worker ne '' && !$seen{crashes} && time > $crash_at)
	{
		$seen{crashes} += kill 'KILL', $worker;
		KeypoolCluster::await(sub { try_sql('SELECT 1') eq '1' });
	}
	$seen{changed} += defined KeypoolCluster::try_sql($node, one_of(@changes)->());
	$seen{tails} += try_sql($tail) =~ /^[1-9]/;
	$seen{books} += try_sql('SELECT count(*) FROM keypool.budget_spending') =~ /^[1-9]/;
	my $answer = BudgetTruth::try_differences($node);
	next unless defined $answer;
	$differences = $answer;
	$seen{checks}++;
}
is($differences, '', "no difference at any moment (seed $seed)");
note join ', ', map { "$seen{$_} $_" } sort keys %seen;
cmp_ok($seen{$_}, '>', 0, "with $_") for qw(tails books changed terminated crashes restarts);
cmp_ok($seen{checks}, '>', 3, 'at which it was looked');
ok($writers->stop, 'all writers are gone');
ok(KeypoolCluster::await(sub { sql($tail) eq '0' }), 'the worker folds the rest');
exact("in the end (seed $seed)");
is(sql('SELECT count(*) FROM keypool.budget_spending WHERE spent_nano = 0'), 0,
	'no empty sum is left');

$node->stop('fast');
done_testing();
