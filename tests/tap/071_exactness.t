# The rollups and the tail together say what a plain GROUP BY over the log says, at every moment and
# whatever writers, folds and crashes do meanwhile.
#
# KEYPOOL_EXACTNESS_SECONDS is how long the writers of the last part run, KEYPOOL_EXACTNESS_SEED what
# they do (and when; how their transactions meet is the server's affair).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use Exactness;
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use RandomRequests;
use Test::More;
use Time::HiRes qw(sleep time);

my $seconds = $ENV{KEYPOOL_EXACTNESS_SECONDS} // 10;
my $seed = $ENV{KEYPOOL_EXACTNESS_SEED} // time ^ $$;

my $node = KeypoolCluster::start('exactness', 'restart_after_crash = on', 'keypool.worker = off',
	'keypool.health_check_interval = 0', 'autovacuum_naptime = 1s');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
Exactness::install($node);

sub sql { return $node->safe_psql('postgres', $_[0]) }
sub exact { my ($what) = @_; is(Exactness::differences($node), '', $what); return }
my $log = 'keypool.chat_completion_requests';
my $tail = 'SELECT coalesce(sum(requests), 0) FROM keypool.unfolded_requests()';
my $rollup = 'SELECT coalesce(sum(requests), 0) FROM keypool.tracking_rollup';

# Inserts so many requests of a user, all in one quarter of an hour.
sub log_requests
{
	my ($user, $count) = @_;
	return "INSERT INTO $log (created_at, provider, user_id, input_tokens, cost_usd)
		SELECT date_trunc('hour', now()), 'openai', '$user', n, n * 0.000000001
		FROM generate_series(1, $count) AS n";
}

# --- one after the other

is(sql('SELECT keypool.fold_requests()'), 0, 'there is nothing to fold in an empty log');
sql(log_requests('early', 100));
exact('rows that nobody has folded');
is(sql('SELECT keypool.fold_requests()'), 1, 'one group is folded');
is(sql($tail), 0, 'no tail is left');
is(sql($rollup), 100, 'the rollup has it');
exact('rows that are folded');
my $state = sql('SELECT folded_below, folded_at, xmin FROM keypool.rollup_state');
is(sql('SELECT keypool.fold_requests()'), 0, 'a second fold finds nothing');
is(sql('SELECT folded_below, folded_at, xmin FROM keypool.rollup_state'), $state,
	'and writes nothing');

sql("UPDATE $log SET created_at = created_at + interval '1 day' WHERE input_tokens <= 10");
sql("UPDATE $log SET api_key_id = 7 WHERE input_tokens BETWEEN 11 AND 20");
sql("DELETE FROM $log WHERE input_tokens > 90");
exact('folded rows changed and deleted');
sql('SELECT keypool.fold_requests()');
exact('the corrections folded');
is(sql('SELECT count(*) FROM keypool.request_changes'), 0, 'no change is kept longer than needed');

sql("BEGIN; INSERT INTO $log (provider) VALUES ('once'); UPDATE $log SET model = 'm' WHERE provider = 'once';
	DELETE FROM $log WHERE provider = 'once'; INSERT INTO $log (provider) VALUES ('twice');
	UPDATE $log SET provider = 'thrice' WHERE provider = 'twice'; COMMIT");
exact('rows that were written and changed in one transaction');
is(sql('SELECT count(*) FROM keypool.request_changes'), 0, 'which is no news to anybody else');
sql("BEGIN; SAVEPOINT a; " . log_requests('undone', 5) . "; DELETE FROM $log WHERE user_id = 'early'
	AND input_tokens = 50; ROLLBACK TO a; SAVEPOINT b; " . log_requests('kept', 5) . '; RELEASE b; COMMIT');
exact('a savepoint rolled back and one released');
sql("BEGIN; " . log_requests('undone', 5) . "; DELETE FROM $log; ROLLBACK");
exact('a transaction rolled back');

# A copy of the log carries the numbers of other transactions.
my $file = $node->basedir . '/log.copy';
sql("COPY (SELECT created_at, xid, provider, user_id FROM $log) TO '$file'");
sql('SELECT keypool.fold_requests()');
sql("COPY $log (created_at, xid, provider, user_id) FROM '$file'");
sql("INSERT INTO $log (provider, xid) VALUES ('past', '3'), ('future', '99999999999')");
is(sql("SELECT count(DISTINCT xid) FROM $log WHERE provider IN ('past', 'future')
	AND xid < pg_current_xact_id()"), 1, 'rows with a foreign number get their own');
exact('rows copied with their numbers');
sql('SELECT keypool.fold_requests()');
exact('and folded');
is(sql($tail), 0, 'without a tail');

sql("UPDATE $log SET user_id = 'moved' WHERE provider = 'openai'; SELECT keypool.fold_requests()");
is(sql("SELECT count(*) FROM keypool.usage_rollup WHERE requests = 0 OR user_id = 'early'"), 0,
	'groups of which nothing is left are gone');

# --- two at a time

my ($one, $two) = map { PsqlSession->new($node) } 1, 2;
# An older transaction holds the mark back, and ends rows of a younger one.
$one->ask('BEGIN; SELECT pg_current_xact_id()');
sql(log_requests('younger', 50));
sql('SELECT keypool.fold_requests()');
is(sql($tail), 50, 'what is younger than an open transaction is not folded');
exact('while a transaction is open');
$one->ask("DELETE FROM $log WHERE user_id = 'younger' AND input_tokens <= 20");
exact('while its deletes are open');
$one->ask('COMMIT');
exact('rows ended by a transaction older than the one that wrote them');
sql('SELECT keypool.fold_requests()');
is(sql($tail), 0, 'then all is folded');
exact('and folded');

# The fold's mark lies between the writing of a row and its end.
sql(log_requests('split', 30));
$one->ask('BEGIN; SELECT pg_current_xact_id()');
sql("DELETE FROM $log WHERE user_id = 'split' AND input_tokens <= 10");
sql("UPDATE $log SET api_key_id = 8 WHERE user_id = 'split' AND input_tokens > 20");
sql('SELECT keypool.fold_requests()');
is(sql("SELECT sum(requests) FROM keypool.usage_rollup WHERE user_id = 'split'"), 30,
	'rows are folded as they were at the mark');
exact('with the mark between a row and its end');
$one->ask('COMMIT');
sql('SELECT keypool.fold_requests()');
exact('and with the mark after both');

# A row of the tail goes while a fold is under way.
sql(log_requests('goes', 10));
$one->ask("BEGIN; DELETE FROM $log WHERE user_id = 'goes'");
$two->ask('BEGIN; SELECT keypool.fold_requests()');
$one->ask('COMMIT');
exact('a fold that is not committed yet');
$two->ask('COMMIT');
exact('nor does it count what went meanwhile');
sql('SELECT keypool.fold_requests()');
exact('after the next one');

# Somebody's snapshot is older than a fold.
sql(log_requests('stale', 3));
$one->ask("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM $log LIMIT 1");
sql(log_requests('later', 10) . "; DELETE FROM $log WHERE user_id = 'moved'; SELECT keypool.fold_requests()");
is($one->ask('SELECT * FROM differences()'), '', 'an old snapshot sees the rollups of its time');
like($one->ask('SELECT keypool.fold_requests()'), qr/40001/, 'and cannot fold them once more');
$one->ask('ROLLBACK');

# An older snapshot sees versions of rows that an index does not list, if it was made later: then
# the partition is read whole. (Version 5 counts as folded.)
sql(q{CREATE TABLE by_hand (LIKE keypool.chat_completion_requests INCLUDING DEFAULTS)});
sql(q{INSERT INTO by_hand (created_at, provider, xid) VALUES ('2001-05-01', 'by hand', '5')});
$one->ask('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM pg_class LIMIT 1');
sql(q{UPDATE by_hand SET xid = pg_current_xact_id()});
sql("ALTER TABLE $log ATTACH PARTITION by_hand FOR VALUES FROM ('2001-01-01') TO ('2002-01-01')");
my $by_hand = q{SELECT count(*) FROM keypool.unfolded_requests() WHERE provider = 'by hand'};
is($one->ask($by_hand), 0, 'an index that is too new for a snapshot is not asked');
$one->ask('COMMIT');
is($one->ask($by_hand), 1, 'a younger snapshot may');
sql("ALTER TABLE $log DETACH PARTITION by_hand; SELECT keypool.rebuild_rollups(), keypool.fold_requests()");

# Two folds.
sql(log_requests('both', 10));
$one->ask('BEGIN; SELECT keypool.fold_requests()');
$two->send('SELECT keypool.fold_requests()');
ok(KeypoolCluster::await(sub { sql('SELECT count(*) FROM pg_stat_activity WHERE pid = ' . $two->pid
	. q{ AND wait_event_type = 'Lock'}) eq '1' }), 'a fold waits for another one');
$one->ask('COMMIT');
is($two->answer, 0, 'and leaves nothing for it to do');
exact('two folds at once');

# --- everything anew

sql("DELETE FROM $log WHERE user_id = 'both'; SELECT keypool.rebuild_rollups()");
exact('after rebuild_rollups');
is(sql($rollup), 0, 'which empties the rollups');
sql(q{SELECT keypool.fold_requests(15)});
cmp_ok(sql($tail), '>', 0, 'a backlog is folded in steps');
exact('between two steps');
1 while sql('SELECT keypool.fold_requests(15)') > 0;
is(sql($tail), 0, 'to its end');
exact('after the last step');
sql("TRUNCATE $log");
is(sql("$rollup UNION ALL $tail"), "0\n0", 'TRUNCATE empties rollups and tail');
sql(log_requests('new', 5) . "; BEGIN; TRUNCATE $log; ROLLBACK");
exact('and does not when it is rolled back');

# --- the worker

$node->append_conf('postgresql.conf', 'keypool.worker = on');
$node->reload;
ok(KeypoolCluster::worker($node, 'postgres'), 'the worker starts');

# True once everything is folded, without anybody's help. The worker looks once more a second later;
# what comes after that must be told to it.
sub folds
{
	my ($what) = @_;
	ok(KeypoolCluster::await(sub { sql($tail) eq '0'
		&& sql('SELECT count(*) FROM keypool.request_changes') eq '0' }), $what);
	return;
}
sql(log_requests('news', 5));
folds('it folds what is logged');
sleep 1.6;
sql("UPDATE $log SET user_id = 'other'");
folds('and what is changed, if it counts for no key');
sleep 1.6;
sql("SET keypool.count_requests = off; DELETE FROM $log");
folds('and what is not to be counted at all');
$one->ask('BEGIN; SELECT pg_current_xact_id()');
sql(log_requests('waits', 5));
sleep 1.5;
is(sql($tail), 5, 'not what is younger than an open transaction');
$one->ask('COMMIT');
folds('until that has ended, of which nobody tells it');
sleep 1.6;
sql("SELECT keypool.rebuild_rollups()");
folds('and everything anew after rebuild_rollups');
$_->close for $one, $two;

# --- all at once

my $writers = RandomRequests->new($node, $seed, 4);
my %seen = map { $_ => 0 } qw(checks tails rollups terminated crashes);
my $next_terminate = time;
my $start = time;
my @crash_at = map { $start + $_ * $seconds / 3 } 1, 2;
my $differences = '';

# Nobody answers for some moments after a crash.
sub try_sql { return KeypoolCluster::try_sql($node, $_[0]) // '' }

while ($differences eq '' && time < $start + $seconds)
{
	$writers->keep_busy;
	my $worker = try_sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'pg_keypool worker'});
	if ($worker ne '' && time > $next_terminate)
	{
		$seen{terminated} += try_sql("SELECT pg_terminate_backend($worker)") eq 't';
		$next_terminate = time + 2 * rand;
	}
	elsif ($worker ne '' && @crash_at && time > $crash_at[0])
	{
		shift @crash_at;
		$seen{crashes} += kill 'KILL', $worker;
		KeypoolCluster::await(sub { try_sql('SELECT 1') eq '1' });
	}
	$seen{tails} += try_sql("$tail") =~ /^[1-9]/;
	$seen{rollups} += try_sql('SELECT count(*) FROM keypool.usage_rollup') =~ /^[1-9]/;
	my $answer = Exactness::try_differences($node);
	next unless defined $answer;
	$differences = $answer;
	$seen{checks}++;
}
is($differences, '', "no difference at any moment (seed $seed)");
note join ', ', map { "$seen{$_} $_" } sort keys %seen;
cmp_ok($seen{checks}, '>', 4, 'at which it was looked');
cmp_ok($seen{tails}, '>', 0, 'with a tail');
cmp_ok($seen{rollups}, '>', 0, 'and with something folded');
cmp_ok($seen{terminated}, '>', 0, 'with workers thrown out');
is($seen{crashes}, 2, 'and with crashes');
ok($writers->stop, 'all writers are gone');
folds('the worker folds the rest by itself');
exact("in the end (seed $seed)");
is(sql('SELECT count(*) FROM keypool.usage_rollup WHERE requests = 0'), 0, 'no empty group is left');

$node->stop('fast');
done_testing();
