# Sixteen sessions pick while another adds, revokes, disables, limits and takes back what it did.
# Once a COMMIT has returned, no session at any isolation level is given what it took away.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;

my $seconds = 10;

my $node = KeypoolCluster::start('coherence', 'keypool.health_check_interval = 0', 'fsync = off',
	'max_connections = 60', 'deadlock_timeout = 100ms');
sub sql { return $node->safe_psql('postgres', $_[0]) }

# Every key is known by its tail. `seen` says who was given which and when he asked; `gone` and
# `away` when a key was certainly out: moments taken after the COMMIT that took it out had returned,
# and before the statement that brought it back. All clocks are the server's.
sql(q{
CREATE EXTENSION pg_keypool;
CREATE UNLOGGED TABLE seen (tail text, asked_at timestamptz, answered_at timestamptz, who text);
CREATE TABLE gone (tail text, owner text, since timestamptz);
CREATE TABLE away (tail text, since timestamptz, until timestamptz);

CREATE FUNCTION observe(who text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  asked_at timestamptz := clock_timestamp();
  tail text := right(pick_key('openai', who), 8);
BEGIN
  INSERT INTO seen VALUES (tail, asked_at, clock_timestamp(), who);
END $$;

CREATE FUNCTION secret(tail text) RETURNS text LANGUAGE sql AS
$$ SELECT 'sk-proj-' || repeat('k', 24) || tail $$;

CREATE PROCEDURE change_keys(seconds int) LANGUAGE plpgsql AS $$
DECLARE
  ends_at timestamptz := clock_timestamp() + seconds * interval '1 s';
  n int := 0;
  tail text;
  who text;
  key_id bigint;
  since timestamptz;
BEGIN
  WHILE clock_timestamp() < ends_at LOOP
    n := n + 1;
    tail := 'k' || to_char(n, 'FM0000000');
    who := CASE WHEN n % 3 = 0 THEN 'u' || n % 7 END;
    key_id := add_key('openai', secret(tail), user_id => who);
    COMMIT;
    PERFORM pg_sleep(0.003);
    CASE n % 4
      WHEN 0 THEN
        UPDATE keypool.api_keys SET enabled = false WHERE id = key_id;
        COMMIT;
        since := clock_timestamp();
        PERFORM pg_sleep(0.003);
        INSERT INTO away VALUES (tail, since, clock_timestamp());
        UPDATE keypool.api_keys SET enabled = true WHERE id = key_id;
        COMMIT;
      WHEN 1 THEN
        UPDATE keypool.api_keys SET requests_per_minute = 1000000, weight = 1 + n % 5
        WHERE id = key_id;
        COMMIT;
      WHEN 2 THEN
        BEGIN
          PERFORM add_key('openai', secret('lost' || n % 10000), user_id => who);
          PERFORM revoke_key(key_id);
          RAISE EXCEPTION 'undo';
        EXCEPTION WHEN raise_exception THEN
          NULL;
        END;
        COMMIT;
      ELSE
        PERFORM add_key('openai', secret('lost' || n % 10000), user_id => who);
        PERFORM revoke_key(key_id);
        ROLLBACK;
    END CASE;
    PERFORM pg_sleep(0.003);
    PERFORM revoke_key(key_id);
    COMMIT;
    INSERT INTO gone VALUES (tail, who, clock_timestamp());
    COMMIT;
  END LOOP;
END $$;

SELECT add_key('openai', secret('always00'));
});

# What the sessions do: picks of their own transactions; within one that keeps its snapshot; within
# savepoints that are rolled back, where picks are no less final.
my $folder = PostgreSQL::Test::Utils::tempdir;
my %script = (
	plain => '\set n random(0, 9)' . "\nSELECT observe('u' || :n);\n",
	repeatable => '\set n random(0, 9)' . qq{
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT count(*) FROM keypool.providers;
SELECT observe('u' || :n) FROM generate_series(1, 5);
SELECT observe(NULL), pg_sleep(0.005);
SELECT observe(NULL);
SELECT observe('u' || :n);
COMMIT;
},
	savepoints => '\set n random(0, 9)' . qq{
BEGIN;
SAVEPOINT s;
SELECT pick_key('openai', 'u' || :n);
ROLLBACK TO s;
SELECT observe('u' || :n);
SAVEPOINT t;
SELECT observe(NULL);
RELEASE t;
COMMIT;
});
my @files;
for my $name (sort keys %script)
{
	append_to_file("$folder/$name.sql", $script{$name});
	push @files, '-f', "$folder/$name.sql";
}

my ($bench_out, $change_out) = ('', '');
my $bench = IPC::Run::start([ 'pgbench', '-n', '-M', 'prepared', '-c', 16, '-j', 2, '-T', $seconds,
		@files, $node->connstr('postgres') ], '<', \undef, '&>', \$bench_out);
my $old = PsqlSession->new($node);
my $changes = PsqlSession->new($node);
$changes->send("CALL change_keys($seconds - 1)");
is($changes->answer, '', 'keys were changed without an error');
ok($bench->finish, 'and picked without one') or diag $bench_out;
unlike($bench_out, qr/error|aborted|failed: [1-9]/i, 'no session gave up');
my $log = slurp_file($node->logfile);
unlike($log, qr/deadlock|FATAL|PANIC/, 'no deadlock, nobody died');

# The test can only find something if much was going on.
my ($picks, $changed, $caught) = split /\|/, sql(q{
	SELECT (SELECT count(*) FROM seen), (SELECT count(*) FROM gone),
	       (SELECT count(DISTINCT tail) FROM seen JOIN gone USING (tail))});
note("$picks picks, $changed keys came and went, $caught of them were picked");
cmp_ok($picks, '>', 1000, 'there were picks');
cmp_ok($caught, '>', 30, 'of keys that came and went');

is(sql(q{SELECT count(*) FROM seen JOIN gone USING (tail) WHERE asked_at > since}), 0,
	'a revoked key is picked by nobody once its COMMIT has returned');
is(sql(q{SELECT count(*) FROM seen JOIN away USING (tail)
	WHERE asked_at > since AND answered_at < until}), 0, 'neither is a disabled one');
is(sql(q{SELECT count(*) FROM seen WHERE tail LIKE 'lost%'}), 0,
	'a key that was never committed is picked by nobody');
is(sql(q{SELECT count(*) FROM seen JOIN gone USING (tail)
	WHERE owner IS NOT NULL AND owner IS DISTINCT FROM who}), 0,
	q{nobody is given another user's key});

# What is left is what the table says, for old sessions and new.
for my $session ($old, PsqlSession->new($node))
{
	is($session->ask(q{SELECT count(*), min(k.hint) FROM explain_pick('openai', 'u1')
		JOIN keypool.api_keys k ON k.id = key_id}), '1|sk-proj-…ys00', 'the pool is as the table');
}

# In slow motion: one session at rest, another that changes keys.
my $id;
for my $round (1 .. 20)
{
	$id = $changes->ask("SELECT add_key('openai', secret('slow00$round'), user_id => 'slow')");
	is($old->ask(q{SELECT key_id FROM explain_pick('openai', 'slow') WHERE key_source = 'user'}), $id,
		"round $round: an added key is there at once");
	$changes->ask("SELECT revoke_key($id)");
	is($old->ask(q{SELECT key_id FROM explain_pick('openai', 'slow') WHERE key_source = 'user'}), '',
		"round $round: a revoked one is not");
}
$_->close for $old, $changes;
$node->stop;
done_testing();
