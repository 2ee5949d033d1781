# The audit log tells the truth: about sessions that manage keys at once, across a crash, a dump and
# a restart; about every pick; and about whoever edits it with the triggers out of the way.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use FastClock;
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;
use Time::HiRes qw(sleep);

my $node = KeypoolCluster::start('audit', 'keypool.health_check_interval = 0',
	'restart_after_crash = on', 'keypool.default_strategy = round_robin',
	'max_prepared_transactions = 2');
sub sql { return $node->safe_psql('postgres', $_[0]) }
sub ask { return KeypoolCluster::ask($node, @_) }
sub script
{
	my ($name, $text) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . "/$name.sql";
	append_to_file($file, $text);
	return $file;
}
sub pgbench
{
	my (@options) = @_;
	return [ 'pgbench', '-n', '-h', $node->host, '-p', $node->port, @options, 'postgres' ];
}
sub verified
{
	my ($what) = @_;
	is(sql('SELECT ok, problem FROM verify_audit_log()'), 't|', $what);
	return;
}

sql('CREATE EXTENSION pg_keypool; CREATE TABLE done (key_id bigint, rate_limit bigint);
	CREATE SEQUENCE deeds START 1000000');
my @keys = map { sql("SELECT add_key('openai', 'sk-proj-' || repeat('k', 24) || '000$_')") } 1 .. 4;

# Many at once. What transactions say they did, and nothing else, is in the log.
my $manage = script('manage', <<'SQL');
\set key random(1, 4)
BEGIN;
UPDATE keypool.api_keys SET rate_limit = nextval('deeds') WHERE id = :key RETURNING rate_limit \gset
SAVEPOINT s;
UPDATE keypool.api_keys SET weight = 1 + random() WHERE id = :key;
ROLLBACK TO s;
INSERT INTO done VALUES (:key, :rate_limit);
END;
SQL
my $told = q{SELECT count(*) FROM (TABLE done EXCEPT ALL SELECT key_id,
	(details->'changed'->'rate_limit'->>'new')::bigint FROM keypool.audit_log
	WHERE action = 'update_key' AND outcome = 'ok') missing};
my $done = q{SELECT count(*) FROM (SELECT key_id, (details->'changed'->'rate_limit'->>'new')::bigint
	FROM keypool.audit_log WHERE action = 'update_key' AND outcome = 'ok'
	AND details->'changed' ? 'rate_limit' EXCEPT ALL TABLE done) too_many};
command_ok(pgbench(qw(-c 8 -j 2 -t 40 -f), $manage), 'eight sessions manage keys at once');
verified('the chain holds');
is(sql($told), 0, 'what was committed is told');
is(sql($done), 0, 'and nothing else');
is(sql(q{SELECT count(*) FROM keypool.audit_log WHERE details->'changed' ? 'weight'}), 0,
	'what a savepoint took back is not');
unlike(slurp_file($node->logfile), qr/deadlock detected/, 'without a deadlock');

# Locks on the whole table, in either order, are no deadlock.
my $locker = PsqlSession->new($node);
$locker->ask('BEGIN; LOCK TABLE keypool.audit_log');
my $other = PsqlSession->new($node);
$other->send('UPDATE keypool.api_keys SET weight = 5 WHERE id = 2');
sleep 0.3;
$locker->ask('UPDATE keypool.api_keys SET weight = 6 WHERE id = 1');
is($locker->ask('COMMIT'), '', 'who holds the table commits');
is($other->answer, '', 'and then the other');
like(ask("BEGIN; UPDATE keypool.caller_limits SET enabled = true;
	INSERT INTO keypool.caller_limits (scope, name, picks_per_minute) VALUES ('user', 'x', 1);
	PREPARE TRANSACTION 'p'"), qr/0A000.*audit log/s, 'none may be prepared');

# Who: by role, by address, by application; the network's address is told too.
sql('CREATE ROLE someone LOGIN SUPERUSER; CREATE ROLE somebody SUPERUSER');
$node->safe_psql('postgres', q{SET application_name = 'deploy sk-proj-kkkkkkkkkkkkkkkkkkkkkkkkkkkkk';
	SET ROLE somebody; UPDATE keypool.api_keys SET weight = 7 WHERE id = 3},
	connstr => $node->connstr('postgres') . ' user=someone');
is(sql(q{SELECT session_role, acting_role, client_address IS NULL, application !~ 'kkkkkkkk',
	application ~ '^deploy sk-proj' FROM keypool.audit_log ORDER BY id DESC LIMIT 1}),
	'someone|somebody|t|t|t', 'who did it');

# Every pick is counted, and those of a rollback too.
sub picks { return sql(q{SELECT coalesce(sum(times), 0) FROM keypool.audit_log
	WHERE action = 'pick' AND outcome = 'ok'}) }
sub picked_by_keys { return sql(q{SELECT coalesce(sum(k.times::bigint), 0) FROM keypool.audit_log l,
	jsonb_each_text(l.details->'keys') AS k (id, times) WHERE l.action = 'pick'}) }
my $pick = script('pick', <<'SQL');
BEGIN;
SELECT count(pick_key('openai')) FROM generate_series(1, 10);
ROLLBACK;
SELECT secret FROM acquire_key('openai');
SQL
command_ok(pgbench(qw(-c 5 -j 2 -t 60 -f), $pick), 'five sessions pick, and go');
ok(KeypoolCluster::await(sub { return picks() == 5 * 60 * 11 }), 'all picks are told');
is(picks(), 3300, 'and no more');
is(picked_by_keys(), 3300, 'with their keys');
cmp_ok(sql(q{SELECT count(*) FROM keypool.audit_log WHERE action = 'pick'}), '<', 60,
	'in a few entries');
is(sql(q{SELECT count(*) FROM (SELECT date_trunc('second', at), session_role, application, count(*)
	FROM keypool.audit_log WHERE action = 'pick' GROUP BY 1, 2, 3 HAVING count(*) > 1) twice}), 0,
	'one for a second and a caller, however many sessions he has');

$node->append_conf('postgresql.conf', 'keypool.audit_picks = every');
$node->reload;
sleep 0.3;
my $before = sql(q{SELECT max(id) FROM keypool.audit_log});
command_ok(pgbench(qw(-c 4 -j 2 -t 10 -f), $pick), 'every pick by itself');
ok(KeypoolCluster::await(sub { return picks() == 3300 + 440 }), 'each is told');
is(sql("SELECT count(*), max(times) FROM keypool.audit_log
	WHERE id > $before AND action = 'pick'"), '440|1', 'in an entry of its own');

# Without a worker no pick goes unrecorded.
$node->append_conf('postgresql.conf', 'keypool.worker = off');
$node->reload;
ok(KeypoolCluster::no_worker($node, 'postgres'), 'the worker is off');
my $patient = PsqlSession->new($node);
$patient->send(q{SELECT count(pick_key('openai')) FROM generate_series(1, 20)});
sleep 1;
$patient->{run}->pump_nb;
unlike($patient->{out}, qr/20/, 'a pick that cannot be recorded waits');
is(picks(), 3740, 'nothing is written meanwhile');
$node->append_conf('postgresql.conf', "keypool.worker = on\nkeypool.audit_picks = off");
$node->reload;
is($patient->answer, 20, 'and goes on when the worker is back');
ok(KeypoolCluster::await(sub { return picks() >= 3748 }), 'what had been picked is told');
ok(KeypoolCluster::worker($node, 'postgres'), 'the worker runs');
my $off = picks();
sql(q{SELECT pick_key('openai')});
sleep 1.5;
is(picks(), $off, 'off: none is told');
$node->append_conf('postgresql.conf', 'keypool.audit_picks = aggregated');
$node->reload;
sleep 0.3;

# What fails.
ask(q{SELECT rotate_key(999, 'sk-proj-' || repeat('k', 24) || '9999')}) for 1 .. 3;
ok(KeypoolCluster::await(sub { return sql(q{SELECT sum(times) FROM keypool.audit_log
	WHERE action = 'rotate_key' AND outcome = 'failed' AND key_id = 999
	AND details->>'sqlstate' = '42704'}) eq '3' }), 'failed attempts are told with their cause');
sql(q{SET session_replication_role = replica;
	ALTER TABLE keypool.api_keys DISABLE TRIGGER guard_api_key;
	UPDATE keypool.api_keys SET envelope = set_byte(envelope, 40, 1 + get_byte(envelope, 40) % 250),
	 hint = 'damaged' WHERE id = 4; ALTER TABLE keypool.api_keys ENABLE TRIGGER guard_api_key});
sql('UPDATE keypool.api_keys SET enabled = false WHERE id <> 4');
like(ask(q{SELECT pick_key('openai')}), qr/KP004/, 'a damaged key');
ok(KeypoolCluster::await(sub { return sql(q{SELECT count(*) > 0 FROM keypool.audit_log
	WHERE action = 'pick' AND outcome = 'failed' AND key_id = 4
	AND details->>'sqlstate' = 'KP004'}) eq 't' }), 'so is a key that does not open');
sql('UPDATE keypool.api_keys SET enabled = true');
is(sql(q{SELECT count(*) FROM keypool.audit_log WHERE action = 'update_key' AND key_id = 4
	AND details->'changed' ? 'envelope'}), 1, 'and who changed it behind our back');
verified('the chain holds');

# A crash in the middle of it all: what was committed is told.
my $bench = IPC::Run::start(pgbench(qw(-c 6 -j 2 -T 30 -f), $manage), '>', \my $out, '2>', \my $err);
sleep 1.5;
my $victim = sql(q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend'
	AND query ~ '^(UPDATE|SAVEPOINT|ROLLBACK|INSERT|BEGIN|END)' LIMIT 1});
kill 'KILL', $victim;
$bench->finish;
ok(KeypoolCluster::await(sub { return defined KeypoolCluster::try_sql($node, 'SELECT 1') }),
	'the server is back');
verified('the chain holds after a crash');
cmp_ok(sql('SELECT count(*) FROM done'), '>', 330, 'in which more was done');
is(sql($told), 0, 'what was committed is told');
is(sql($done), 0, 'and nothing else');

# Edited by somebody who can: each is named. All of it is undone.
my $some = 'SELECT id FROM keypool.audit_log ORDER BY id OFFSET 20 LIMIT 1';
my $id = sql($some);
sub edited
{
	my ($edit) = @_;
	return sql("BEGIN; ALTER TABLE keypool.audit_log DISABLE TRIGGER ALL; $edit;
		SELECT ok, first_break, problem FROM verify_audit_log(); ROLLBACK");
}
my $next = $id + 1;
is(edited("UPDATE keypool.audit_log SET session_role = 'nobody' WHERE id = $id"),
	"f|$id|entry $id was changed", 'a changed entry');
is(edited("UPDATE keypool.audit_log SET details = NULL WHERE id = $id"),
	"f|$id|entry $id was changed", 'its details');
is(edited("DELETE FROM keypool.audit_log WHERE id = $id"),
	"f|$next|entries $id to $id are missing", 'one taken away');
like(edited("DELETE FROM keypool.audit_log WHERE id <= $id"),
	qr/^f\|$next\|the entries before $next are missing$/, 'the first ones taken away');
like(edited("INSERT INTO keypool.audit_log SELECT max(id) + 1, now(), 'add_key', 'ok', 'x', 'x', NULL,
	NULL, 1, 'openai', 1, NULL, (SELECT hash FROM keypool.audit_log ORDER BY id DESC LIMIT 1),
	sha256('x') FROM keypool.audit_log"), qr/^f\|\d+\|entry \d+ was changed$/, 'one put in');
is(edited("UPDATE keypool.audit_log SET id = -1 WHERE id = $id;
	UPDATE keypool.audit_log SET id = $id WHERE id = $next;
	UPDATE keypool.audit_log SET id = $next WHERE id = -1"),
	"f|$id|entry $id was changed", 'two in each other\'s place');
my $rehash = 'keypool.audit_hash(previous_hash, id, at, action, outcome, session_role,
	acting_role, client_address, application, key_id, provider, times, details)';
is(edited("UPDATE keypool.audit_log SET session_role = 'nobody' WHERE id = $id;
	UPDATE keypool.audit_log SET hash = $rehash WHERE id = $id"),
	"f|$next|entry $next does not follow entry $id: that one was replaced",
	'one replaced together with its hash');
my $head = sql('SELECT head_id FROM verify_audit_log()');
is(sql("BEGIN; ALTER TABLE keypool.audit_log DISABLE TRIGGER ALL;
	CREATE TEMP TABLE kept AS SELECT head_id, head_hash FROM verify_audit_log();
	DELETE FROM keypool.audit_log WHERE id > $id;
	SELECT ok FROM verify_audit_log();
	SELECT v.* FROM kept, LATERAL (SELECT ok, problem FROM verify_audit_log(head_id, head_hash)) v;
	ROLLBACK"), "t\nf|entry $head is missing, and whatever followed it",
	'the end cut off, to whoever kept the head elsewhere');

# A dump carries it; it verifies where it is restored, and goes on there.
my $dump = PostgreSQL::Test::Utils::tempdir . '/audit.sql';
my ($head_id, $head_hash) = split /\|/, sql('SELECT head_id, head_hash FROM verify_audit_log()');
command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ], 'a dump');
sql('CREATE DATABASE restored');
command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-h', $node->host, '-p', $node->port,
	'-d', 'restored', '-f', $dump ], 'restores');
sub restored { return $node->safe_psql('restored', $_[0]) }
is(restored("SELECT ok, problem FROM verify_audit_log($head_id, '$head_hash')"), 't|',
	'and verifies, up to the head of before');
restored('UPDATE keypool.api_keys SET weight = 9 WHERE id = 1');
is(restored("SELECT ok, problem FROM verify_audit_log($head_id, '$head_hash')"), 't|',
	'and goes on');

$node->stop('fast');
$node->start;
verified('after a restart');
$node->stop('fast');

# The oldest entries go when their time is over, and nothing else goes unnoticed.
my $fast = FastClock::start(60, 'fast', 'keypool.audit_retention = 1min');
sub old { return $fast->safe_psql('postgres', $_[0]) }
old('CREATE EXTENSION pg_keypool');
old("INSERT INTO keypool.caller_limits (scope, name, picks_per_minute) VALUES ('user', 'u$_', 9)")
  for 1 .. 5;
my $early = old('SELECT head_id, head_hash FROM verify_audit_log()') =~ s/\|/, '/r . q{'};
sleep 3;
old(q{INSERT INTO keypool.caller_limits (scope, name, picks_per_minute) VALUES ('user', 'u', 9)});
for my $switch (qw(off on))
{
	$fast->append_conf('postgresql.conf', "keypool.worker = $switch");
	$fast->reload;
	KeypoolCluster::no_worker($fast, 'postgres') if $switch eq 'off';
}
ok(KeypoolCluster::await(sub { return old(q{SELECT count(*) FROM keypool.audit_log
	WHERE action = 'insert_caller_limit' AND details->'new'->>'name' <> 'u'}) eq '0' }),
	'the worker drops what is old');
is(old(q{SELECT times, details->>'entries' FROM keypool.audit_log WHERE action = 'audit_pruned'}),
	'1|5', 'and tells');
is(old("SELECT ok, problem FROM verify_audit_log($early)"), 't|', 'the chain holds');
like(old('BEGIN; ALTER TABLE keypool.audit_log DISABLE TRIGGER ALL; DELETE FROM keypool.audit_log
	WHERE id = (SELECT min(id) FROM keypool.audit_log); SELECT problem FROM verify_audit_log(); ROLLBACK'),
	qr/the entries before \d+ are missing/, 'what was dropped by hand is missed');
$fast->stop('fast');
done_testing();
