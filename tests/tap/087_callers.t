# Limits on picks themselves, where one session is not enough to prove them: many at once, open
# sessions and changed limits, other servers, more callers than there is room for.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;

my $limit = 1500;
my $key = q{'sk-proj-' || repeat('k', 24) || 'one'};
my $node = KeypoolCluster::start('callers', 'keypool.health_check_interval = 0', 'fsync = off',
	'max_connections = 100', 'keypool.max_budget_accounts = 64', 'wal_level = replica',
	'max_wal_senders = 4');
sub sql { return $node->safe_psql('postgres', $_[0]) }

sql(qq{
CREATE EXTENSION pg_keypool;
SELECT add_key('openai', $key);
CREATE ROLE app LOGIN;
CREATE ROLE gateway LOGIN;
CREATE ROLE web;
GRANT web TO gateway;
SELECT grant_keypool('app', 'caller'), grant_keypool('web', 'caller');
CREATE UNLOGGED TABLE taken (since timestamptz, until timestamptz);
GRANT INSERT ON taken TO app;
CREATE FUNCTION try_pick() RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
  since timestamptz := clock_timestamp();
BEGIN
  PERFORM pick_key('openai');
  INSERT INTO taken VALUES (since, clock_timestamp());
EXCEPTION WHEN SQLSTATE 'KP002' THEN
  NULL;
END \$\$;
INSERT INTO keypool.caller_limits (scope, name, picks_per_minute) VALUES ('role', 'app', $limit);
});

# --- 64 sessions against one limit, for longer than what it counts lasts

my $script = PostgreSQL::Test::Utils::tempdir . '/pick.sql';
append_to_file($script, "\\sleep 40 ms\nSELECT try_pick();\n");
$node->command_ok(
	[ 'pgbench', '-n', '-M', 'prepared', '-c', 64, '-j', 2, '-T', 75, '-U', 'app', '-f', $script,
		'postgres' ],
	'64 sessions pick for 75 seconds');
is(sql(q{SELECT count(*) FROM taken, (SELECT min(since) AS start FROM taken) AS s
	WHERE until < start + interval '1 minute'}), $limit, 'all that may be in the first minute');
cmp_ok(sql('SELECT count(*) FROM taken'), '>=', 0.95 * 2 * $limit,
	'and as much again once it is over');
is( sql(qq{SELECT count(*) FROM taken AS first
	WHERE (SELECT count(*) FROM taken AS t
	       WHERE t.since >= first.since AND t.until < first.since + interval '1 minute') > $limit}),
	0, 'there is no minute with more');

# --- open sessions

my $session = PsqlSession->new($node, 'postgres');
$session->ask('SET ROLE app');
my $over = qr/ERROR:  KP002: role "app" has reached its limit of $limit picks a minute/;
my $secret = qr/^sk-proj-k+one$/;
like($session->ask(q{SELECT pick_key('openai')}), $over, 'it holds in a new session');
sql(q{UPDATE keypool.caller_limits SET picks_per_minute = 1000000});
like($session->ask(q{SELECT pick_key('openai')}), $secret, 'a higher one counts from the next pick');
$session->ask('BEGIN ISOLATION LEVEL REPEATABLE READ');
like($session->ask(q{SELECT pick_key('openai')}), $secret, 'in a transaction, too');
sql(q{UPDATE keypool.caller_limits SET picks_per_minute = 1});
$session->ask('COMMIT');
like($session->ask(q{SELECT pick_key('openai')}), qr/KP002.*limit of 1 picks/,
	'a lower one from the next transaction');
sql(q{DELETE FROM keypool.caller_limits});
like($session->ask(q{SELECT pick_key('openai')}), $secret, 'and none is none');
$session->ask('RESET ROLE');
like($session->ask(q{INSERT INTO keypool.caller_limits (scope, name, picks_per_minute)
	VALUES ('role', 'app', 1); BEGIN; DELETE FROM keypool.caller_limits; SET LOCAL ROLE app;
	SELECT pick_key('openai'); ROLLBACK}), $secret, 'who lifts it may pick');
$session->ask('SET ROLE app');
like($session->ask(q{SELECT pick_key('openai')}), qr/KP002/, 'but not once that is taken back');
$session->close;

# As PostgREST does it: one login, and a role for each request.
sub as_web
{
	my ($out, $err) = ('', '');
	$node->psql('postgres', qq{BEGIN; SET LOCAL ROLE web; SELECT $_[0]; COMMIT},
		stdout => \$out, stderr => \$err, extra_params => [ '-U', 'gateway' ]);
	return $out . $err;
}
sql(q{CREATE FUNCTION wrapped() RETURNS text LANGUAGE sql SECURITY DEFINER AS
	$$ SELECT pick_key('openai') $$;
	INSERT INTO keypool.caller_limits (scope, name, picks_per_minute)
	VALUES ('role', 'web', 2), ('role', 'gateway', 1)});
like(as_web(q{pick_key('openai')}), $secret, 'the role of the request counts');
like(as_web('wrapped()'), $secret, 'through a SECURITY DEFINER function as well');
like(as_web('wrapped()'), qr/role "web" has reached its limit of 2 picks/, 'and is limited');

# --- a dump carries limits, and no counts

my $dump = PostgreSQL::Test::Utils::tempdir . '/keypool.sql';
$node->command_ok([ 'pg_dump', '-f', $dump, 'postgres' ], 'pg_dump works');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'copy', '-f', $dump ],
	'it restores');
my $rows = 'SELECT scope, name, picks_per_minute, enabled FROM keypool.caller_limits ORDER BY id';
is($node->safe_psql('copy', $rows), sql($rows), 'with the limits');
is($node->safe_psql('copy', q{INSERT INTO keypool.caller_limits (scope, name, picks_per_hour)
	VALUES ('user', 'u', 1) RETURNING id}) > sql('SELECT max(id) FROM keypool.caller_limits'), 1,
	'ids go on');
is( $node->safe_psql('copy', q{SELECT picks_minute, picks_per_minute_left
	FROM keypool.caller_usage WHERE name = 'web'}), '0|2', 'each database counts for itself');
is( $node->safe_psql('copy', q{SELECT pick_key('openai') IS NOT NULL; SET ROLE web;
	SELECT wrapped() IS NOT NULL; RESET ROLE;
	SELECT picks_minute FROM keypool.caller_usage WHERE name = 'web'}), "t\nt\n1", 'and limits');

# --- a standby reads the limits and counts its own picks

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
# The test's way of copying a backup, unlike pg_basebackup, forgets modes.
chmod 0600, $standby->data_dir . '/pg_keypool.root_key' or die $!;
$standby->start;
$node->wait_for_catchup($standby);
my $reader = PsqlSession->new($standby, 'postgres');
$reader->ask('SET ROLE web');
like($reader->ask(q{SELECT pick_key('openai')}), $secret, 'a pick on the standby') for 1 .. 2;
like($reader->ask(q{SELECT pick_key('openai')}), qr/KP002.*limit of 2 picks/, 'is limited there');
sql(q{UPDATE keypool.caller_limits SET picks_per_minute = 3 WHERE name = 'web'});
$node->wait_for_catchup($standby);
like($reader->ask(q{SELECT pick_key('openai')}), $secret, 'a change arrives in an open session');
like($reader->ask(q{SELECT pick_key('openai')}), qr/KP002.*limit of 3 picks/, 'and holds');
$reader->close;
is($standby->safe_psql('postgres', q{SELECT picks_minute, picks_per_minute_left
	FROM keypool.caller_usage WHERE name = 'web'}), '3|0', 'the view counts there, too');
$standby->stop;

# --- more callers than there are meters: who counts something keeps his

sql(q{DELETE FROM keypool.caller_limits;
	INSERT INTO keypool.caller_limits (scope, name, picks_per_minute) VALUES ('user', '*', 2)});
$node->restart;    # what was counted is gone with it
is(sql(q{SELECT count(pick_key('openai', 'u' || n)) FROM generate_series(1, 64) AS n}), 64,
	'as many users as there are meters');
like(KeypoolCluster::ask($node, q{SELECT pick_key('openai', 'u65')}),
	qr/ERROR:  53400: too many callers with a limit are active/, 'one more is refused');
is(sql(q{SELECT count(pick_key('openai', 'u' || n)) FROM generate_series(1, 64) AS n}), 64,
	'the others go on');
like(KeypoolCluster::ask($node, q{SELECT pick_key('openai', 'u7')}),
	qr/ERROR:  KP002: user "u7" has reached its limit of 2 picks a minute/, 'up to their limit');
like(sql(q{SELECT pick_key('openai')}), $secret, 'and who has no limit at all');
is(sql(q{SELECT count(*), min(picks_minute), max(picks_minute) FROM keypool.caller_usage}),
	'64|2|2', 'nothing that was counted is lost');
$node->stop;
done_testing();
