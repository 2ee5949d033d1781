# The log's partitions: made ahead, filled from the default partition, dropped when they are too old;
# the views agree with the log all the while, and nobody has to wait for it.
use strict;
use warnings;

use Exactness;
use FindBin;
use lib "$FindBin::RealBin/../support";
use IPC::Run ();
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;
use Time::HiRes qw(sleep time);

# A statement that waits for a lock for more than 50 ms leaves a line in the server's log.
my $node = KeypoolCluster::start('partitions', 'restart_after_crash = on', 'log_lock_waits = on',
	'deadlock_timeout = 50ms', 'log_statement = none', 'keypool.health_check_interval = 0');
$node->safe_psql('postgres',
	'CREATE ROLE reader; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
$node->safe_psql('postgres', q{SELECT add_key('openai', 'sk-' || repeat('a', 48))});
Exactness::install($node);

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub becomes
{
	my ($query, $expected, $what) = @_;
	my $answer = '';
	KeypoolCluster::await(sub { ($answer = sql($query)) eq $expected });
	is($answer, $expected, $what);
	return;
}
sub exact { my ($what) = @_; is(Exactness::differences($node), '', $what); return }
sub retain { sql("ALTER SYSTEM SET keypool.request_retention = '$_[0]'"); $node->reload; return }

my $log = 'keypool.chat_completion_requests';
# Days that have a partition, as seen from today: '-1 .. 7'.
my $days = q{SELECT string_agg(concat_ws(' .. ', min, nullif(max, min)), ', ' ORDER BY min) FROM (
	SELECT min(n), max(n) FROM (
		SELECT day - (now() AT TIME ZONE 'UTC')::date AS n,
			day - (now() AT TIME ZONE 'UTC')::date - row_number() OVER (ORDER BY day) AS run
		FROM keypool.request_partitions()) d GROUP BY run) r};
my $strays = "SELECT count(*) FROM ${log}_default";
# So many requests on a day, seen from today.
sub log_on
{
	my ($day, $count) = @_;
	return "INSERT INTO $log (created_at, provider, user_id, api_key_id, input_tokens, cost_usd)
		SELECT date_trunc('day', now(), 'UTC') + '$day days'::interval + n * interval '1 second',
			'openai', 'u' || n % 3, 1, n, 0.001 FROM generate_series(1, $count) AS n;";
}

# --- as installed

is(sql($days), '-1 .. 7', 'the days from yesterday to a week ahead have partitions');
is(sql('SELECT count(*) FROM keypool.missing_request_days()'), 0, 'which is all that is wanted');
my $granted = q{SELECT count(*) FROM keypool.request_partitions()
	WHERE has_table_privilege('reader', partition, 'SELECT')};
is(sql($granted), 0, 'default privileges have granted nothing');
is(sql("SELECT count(DISTINCT tableoid) FROM (SELECT r.tableoid FROM $log r) t"), 0, 'they are empty');
sql(join ' ', map { log_on($_, 1) } -1 .. 7);
is(sql($strays), 0, 'a request goes to its day');
sql("SET timezone = 'Pacific/Auckland'; SET datestyle = 'SQL, DMY'; " . log_on(0, 1));
is(sql("SET timezone = 'Asia/Tokyo'; SET datestyle = 'SQL, MDY'; SELECT keypool.make_request_partition("
	. q{(now() AT TIME ZONE 'UTC')::date)}), 'exists', 'whatever the time zone and the style of dates');

# --- rows without a day of their own

my $counted = q{SELECT requests, tokens, cost_total FROM keypool.api_keys_overview};
sql(log_on($_, 100)) for -100, 30, 9;
sql("INSERT INTO $log (created_at) VALUES ('1970-01-01'), ('2999-01-01')");
is(sql("SELECT count(*) FROM $log"), 312, 'no row is refused');
my $before = sql($counted);
my ($exact, $checks) = (1, 0);
ok(KeypoolCluster::await(sub {
	$checks++;
	my $differences = Exactness::differences($node);
	$exact &&= $differences eq '';
	note $differences if $differences ne '';
	return sql($strays) == 2;
}), 'the worker makes their days and moves them');
ok($exact, "the views agree with the log at $checks moments meanwhile");
exact('and in the end');
is(sql($days), '-100, -1 .. 7, 9, 30', 'a day for each');
is(sql($granted), 0, 'of which nobody has got rights by default');
is(sql("SELECT count(*) FROM $log"), 312, 'no row is lost');
is(sql($counted), $before, 'and the keys have not been used once more');
is(sql("SELECT count(*) FROM $log WHERE xid >= pg_current_xact_id()"), 0, 'their xid is one that was');

# So many of one day that moving them would take long.
sql('ALTER SYSTEM SET keypool.worker = off');
$node->reload;
ok(KeypoolCluster::no_worker($node, 'postgres'), 'without a worker');
sql(log_on(-50, 10001));
my $day50 = q{(now() AT TIME ZONE 'UTC')::date - 50};
is(sql("SELECT keypool.make_request_partition($day50)"), 'crowded', 'a day with many rows is left alone');
is(sql("SELECT keypool.make_request_partition($day50, patient => true)"), 'made', 'unless asked for');
is(sql($strays), 2, 'with all its rows');
is(sql("SELECT keypool.make_request_partition($day50)"), 'exists', 'once');
is(sql("SELECT keypool.make_request_partition('2999-01-01')"), 'far', 'a day far away gets none');
exact('the views agree');

# Who is in the way is not waited for.
my $holder = PsqlSession->new($node);
$holder->ask("BEGIN; SELECT FROM ${log}_default LIMIT 1");
sleep 1.1;
my $took = KeypoolCluster::seconds(sub {
	is(sql("SELECT keypool.make_request_partition($day50 - 1)"), 'busy', 'a default partition in use') });
cmp_ok($took, '<', 1, 'is not waited for');
$holder->ask('COMMIT');
sql(qq{CREATE ROLE "Log Owner"; ALTER TABLE $log OWNER TO "Log Owner"});
is(sql("SELECT keypool.make_request_partition($day50 - 1)"), 'made', 'later it works');
is(sql("SELECT DISTINCT tableowner FROM pg_tables WHERE tablename = keypool.request_partition_name($day50 - 1)"),
	'Log Owner', 'for the owner of the log');
sql("ALTER TABLE $log OWNER TO CURRENT_USER");
sql(log_on(-52, 3));
$holder->ask("BEGIN; " . log_on(0, 1));
is(sql("SELECT keypool.make_request_partition($day50 - 2)"), 'busy', 'rows move when nobody uses the log');
$holder->ask('ROLLBACK');
is(sql("SELECT keypool.make_request_partition($day50 - 2)"), 'made', 'only');

# Rows that came and went with an open transaction while their day was made.
$holder->ask('BEGIN; ' . log_on(-53, 2));
is(sql("SELECT keypool.make_request_partition($day50 - 3)"), 'busy', 'uncommitted rows of a day');
$holder->ask('COMMIT');
is(sql("SELECT keypool.make_request_partition($day50 - 3)"), 'made', 'move when they are committed');
is(sql($strays), 2, 'all of them');

# Requests of a day whose partition is just being made: none is refused, none goes astray.
my ($maker, $logger, $writer) = map { PsqlSession->new($node) } 1 .. 3;
my $make = q{BEGIN; SELECT keypool.make_request_partition((now() AT TIME ZONE 'UTC')::date + };
# Rows so far ahead, and whether each lies in the partition of its day.
my $at_home = "SELECT count(*), bool_and(r.tableoid = to_regclass('keypool.'
	|| keypool.request_partition_name((created_at AT TIME ZONE 'UTC')::date)))
	FROM $log r WHERE created_at BETWEEN now() + interval '45 days' AND '2100-01-01'";
sub log_while_made
{
	my ($day, @sessions) = @_;
	$maker->ask($make . "$day)");
	$_->[0]->send($_->[1]) for @sessions;
	ok(KeypoolCluster::await(sub { sql(q{SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'
		AND pid IN (} . join(', ', map { $_->[0]->pid } @sessions) . ')') eq @sessions }), 'writers wait');
	$maker->ask('COMMIT');
	$_->[0]->answer for @sessions;
	return;
}
log_while_made(50, [ $logger, "SELECT log_request('openai', 'm', created_at => now() + interval '50 days')" ],
	[ $writer, "INSERT INTO $log (created_at) VALUES (now() + interval '50 days')" ]);
is(sql($at_home), '2|t', 'and their rows go to the new partition');
# The same while somebody holds the log: who writes today need not wait for days to come.
$holder->ask("BEGIN; LOCK TABLE ONLY $log IN ROW EXCLUSIVE MODE");
sleep 1.1;
log_while_made(60, [ $logger, "SELECT log_request('openai', 'm', created_at => now() + interval '60 days')
	FROM generate_series(1, 2)" ]);
is(sql($at_home), '4|t', 'also where the log is in use for long');
$holder->ask('COMMIT');
is(sql($strays), 2, 'nothing is left aside');

# What somebody else has made is his.
sql("CREATE TABLE keypool.theirs PARTITION OF $log
	FOR VALUES FROM ('2023-12-30+00') TO ('2023-12-30 12:00+00')");
is(sql("SELECT keypool.make_request_partition($day50 - 60)"), 'made', 'next to a partition of their own');
sql("DROP TABLE keypool.theirs; CREATE TABLE keypool.theirs PARTITION OF $log
	FOR VALUES FROM (date_trunc('day', now(), 'UTC') - interval '120 days')
	TO (date_trunc('day', now(), 'UTC') - interval '119.5 days')");
is(sql("SELECT keypool.make_request_partition($day50 - 70)"), 'taken', 'a day that overlaps one');
sql('DROP TABLE keypool.theirs');

# A default partition so large that reading it would hold everybody up.
sql("INSERT INTO $log (created_at, metadata) SELECT '2999-01-01', jsonb_build_object('text', repeat(md5(n::text), 30))
	FROM generate_series(1, 10000) n");
cmp_ok(sql("SELECT pg_relation_size('${log}_default')"), '>', 8 * 1024 * 1024, 'a large default partition');
my ($out, $err);
$node->psql('postgres', "SET client_min_messages = debug1; SELECT keypool.make_request_partition($day50 + 1)",
	stdout => \$out, stderr => \$err);
is($out, 'made', 'a partition beside it');
like($err, qr/default partition.* is implied by existing constraints/, 'is made without reading it');
is(sql("SELECT count(*) FROM pg_constraint
	WHERE conrelid = '${log}_default'::regclass AND contype = 'c'"), 0, 'and leaves no trace in it');
sql(log_on(-60, 5));
is(sql("SELECT keypool.make_request_partition($day50 - 10)"), 'made', 'nor with rows to move');
is(sql($strays), 10002, 'which move');
exact('the views agree');
sql("DELETE FROM $log WHERE created_at = '2999-01-01' AND metadata IS NOT NULL");

# --- retention

my $kept = sql("SELECT count(*) FROM $log WHERE created_at >= date_trunc('day', now() - interval '9 days', 'UTC')");
$before = sql($counted);
sql('SELECT keypool.fold_requests()');
sql(log_on(-100, 10) . log_on(-9, 10)
	. "UPDATE $log SET input_tokens = 1 WHERE created_at < now() - interval '5 days'");
sql('ALTER SYSTEM SET keypool.worker = on');
retain('9d');
becomes("SELECT count(*) FROM $log", $kept + 10, 'what is older than the retention goes');
becomes($days, '-9, -1 .. 7, 9, 30, 50, 60', 'with its partitions');
becomes("SELECT count(*) FROM pg_class WHERE relname ~ '^dropped_requests'", 0, 'of which nothing is left');
is(sql("SELECT count(*) FROM $log WHERE created_at > '2100-01-01'"), 1, 'what is to come stays');
exact('the views agree');
is(sql(q{SELECT count(*) FROM keypool.usage_rollup WHERE day < keypool.first_kept_day()}), 0,
	'and hold nothing of days gone by');
is(sql("SELECT requests - 20 FROM keypool.api_keys_overview"), (split /\|/, $before)[0],
	'what the key has done stays counted');
is(sql($strays), 1, 'rows without a partition go too');
retain('0');

# A month of days, from here on.
sub month
{
	sql("SELECT keypool.ensure_request_partitions((now() AT TIME ZONE 'UTC')::date - 30,
		(now() AT TIME ZONE 'UTC')::date - 2) FROM generate_series(1, 8)");
	sql(log_on($_, 300)) for -30 .. -2;
	sql('SELECT keypool.fold_requests()');
	return;
}
ok(KeypoolCluster::worker($node, 'postgres'), 'with a worker');
month();
is(sql($days), '-30 .. 7, 9, 30, 50, 60', 'a month of days');

# --- under load

my $bench = PostgreSQL::Test::Utils::tempdir;
append_to_file("$bench/write.sql",
	"INSERT INTO $log (provider, model, api_key_id) VALUES ('openai', 'm', 1);\n");
append_to_file("$bench/read.sql", "SELECT count(*) FROM $log WHERE created_at > now() - interval '1 minute';\n"
	. "SELECT sum(requests) FROM keypool.unfolded_requests();\n");
sub load
{
	my ($script, $clients, $rate) = @_;
	return IPC::Run::start([ 'pgbench', '-n', '-c', $clients, '-R', $rate, '-T', 600, '-f', "$bench/$script.sql",
		'-h', $node->host, '-p', $node->port, 'postgres' ], '>', \my $out, '2>', \my $err);
}
my $waits = qr/still waiting for (\w+) on relation/;
sub waits_since
{
	my ($place) = @_;
	my @found = slurp_file($node->logfile, $place) =~ /($waits.*)/g;
	return scalar @found / 2;
}

my @load = (load('write', 4, 800), load('read', 2, 40));
becomes("SELECT count(*) > 500 FROM $log WHERE created_at > now() - interval '5 s'", 't', 'writers and readers run');
my $mark = -s $node->logfile;
retain('29d');
becomes($days, '-29 .. 7, 9, 30, 50, 60', 'under load a day among thirty goes');
retain('20d');
becomes($days, '-20 .. 7, 9, 30, 50, 60', 'and then nine more');
for my $ahead (10 .. 19)
{
	becomes("SELECT keypool.make_request_partition((now() AT TIME ZONE 'UTC')::date + $ahead)
		IN ('made', 'exists')", 't', "partition $ahead days ahead");
}
# Rows to move out of the default partition, which takes the strongest lock.
sql(log_on(40, 300));
becomes($strays, 1, 'rows move under load');
my $waited = waits_since($mark);
note "waits for a lock over 50 ms: $waited";
# Somebody with a lock may lose the processor for so long, on a machine that has other work.
cmp_ok($waited, '<=', 2, 'and no statement waits for it');
exact('the views agree under load');

# A transaction that holds the log open: the drop waits for it, others do not wait for the drop.
my $importer = PsqlSession->new($node);
$importer->ask('BEGIN; ' . log_on(0, 100));
sleep 1.1;
$mark = -s $node->logfile;
retain('10d');
for (1 .. 20)
{
	$importer->ask(log_on(0, 100) . log_on(-15, 10));
	sleep 0.15;
}
is(sql($days), '-20 .. 7, 9 .. 19, 30, 40, 50, 60', 'while the log is held nothing is dropped');
is(waits_since($mark), 0, 'nor does anybody wait, the holder included');
$importer->ask('COMMIT');
becomes($days, '-10 .. 7, 9 .. 19, 30, 40, 50, 60', 'then it is');
exact('the views agree');
$_->kill_kill for @load;

# --- the worker is killed in the middle

retain('0');
ok(KeypoolCluster::await(sub { sql(q{SELECT count(*) FROM pg_stat_activity
	WHERE application_name = 'pgbench'}) == 0 }), 'the load has ended');
month();
my ($kills, $start) = (0, -s $node->logfile);
retain('2d');
while ($kills < 3)
{
	my $pid = KeypoolCluster::worker($node, 'postgres') or last;
	last if !KeypoolCluster::await(sub {
		sql("SELECT count(*) < 40 - 7 * $kills FROM keypool.request_partitions()") eq 't' });
	kill 'KILL', $pid or last;
	$kills++;
	ok($node->wait_for_log(qr/all server processes terminated; reinitializing/, $start), "kill $kills");
	$start = -s $node->logfile;
	ok(KeypoolCluster::await(sub { KeypoolCluster::try_sql($node, 'SELECT 1') }),
		'the server is back');
	exact('the views agree after it');
}
is($kills, 3, 'the worker was killed three times');
becomes($days, '-2 .. 7, 9 .. 19, 30, 40, 50, 60', 'the next one goes on');
becomes("SELECT count(*) FROM pg_class WHERE relname ~ '^dropped_requests'", 0, 'to the end');
exact('the views agree');
is(sql('SELECT last_error FROM keypool.worker_status'), '', 'without an error');

sql('DROP EXTENSION pg_keypool');
is(sql(q{SELECT count(*) FROM pg_class WHERE relname ~ '^(chat_completion|dropped)_requests'}), 0,
	'DROP EXTENSION takes them all');
$node->stop('fast');
done_testing();
