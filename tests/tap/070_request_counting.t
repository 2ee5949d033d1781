# A logged request counts once, at COMMIT, whichever way its row came; a rolled-back one never does.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PsqlSession;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('counting', 'keypool.health_check_interval = 0', 'fsync = off',
	'max_connections = 60', 'max_prepared_transactions = 5', 'keypool.max_keys = 64');
sub sql { return $node->safe_psql('postgres', $_[0]) }

sql(q{
CREATE EXTENSION pg_keypool;
SELECT add_key('openai', 'sk-proj-' || repeat(chr(96 + n), 40), 'key_' || n) FROM generate_series(1, 5) n;
CREATE VIEW counted AS
  SELECT key_id, requests, errors, tokens, cost_total::numeric(18,4) AS cost
  FROM keypool.api_keys_overview;
CREATE VIEW logged AS
  SELECT api_key_id AS key_id, count(*) AS requests,
         count(*) FILTER (WHERE error_type IS NOT NULL OR http_status >= 400
                          OR status IN ('failed', 'error')) AS errors,
         sum(input_tokens + output_tokens) AS tokens, coalesce(sum(cost_usd), 0)::numeric(18,4) AS cost
  FROM keypool.chat_completion_requests WHERE api_key_id IS NOT NULL GROUP BY 1;
});
# What the counters say of a key, and what the log says.
sub counted { my ($key) = @_; return sql("SELECT * FROM counted WHERE key_id = $key") }
sub differences
{
	return sql(q{SELECT count(*) FROM ((TABLE counted EXCEPT TABLE logged) UNION ALL
		(TABLE logged EXCEPT TABLE counted)) AS d WHERE requests > 0});
}

my $columns = 'provider, model, api_key_id, input_tokens, output_tokens, cost_usd, http_status';
my $log = "INSERT INTO keypool.chat_completion_requests ($columns) VALUES";

# --- the ways in

sql("$log ('openai', 'm', 1, 10, 5, 0.25, 200)");
is(counted(1), '1|1|0|15|0.2500', 'an INSERT counts');
sql("$log ('openai', 'm', 1, 10, 5, 0.25, 500), ('openai', 'm', 2, 1, 1, 1, 429)");
is(counted(1), '1|2|1|30|0.5000', 'a multi-row INSERT counts each row for its key');
is(counted(2), '2|1|1|2|1.0000', 'of several keys');
sql("COPY keypool.chat_completion_requests ($columns) FROM stdin;
openai	m	1	10	5	0.25	200
openai	m	2	1	1	0.5	200
\\.
");
is(counted(1), '1|3|1|45|0.7500', 'COPY counts');
my $today = sql("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD')");
sql("INSERT INTO keypool.chat_completion_requests_$today ($columns)
	VALUES ('openai', 'm', 1, 10, 5, 0.25, 200)");
is(counted(1), '1|4|1|60|1.0000', 'a row written to its partition by name counts');
sql("$log ('openai', 'm', 3, 1, 1, 0.5, 200); SELECT 1");
is(sql(q{INSERT INTO keypool.chat_completion_requests (api_key_id, created_at)
	VALUES (3, '1999-01-01') RETURNING tableoid::regclass}),
	'keypool.chat_completion_requests_default', 'a row outside every partition is taken');
is(counted(3), '3|2|0|2|0.5000', 'and counts');
is(differences(), 0, 'so far the counters equal the log');

# --- rollback

sql("BEGIN; $log ('openai', 'm', 1, 10, 5, 0.25, 200); ROLLBACK");
is(counted(1), '1|4|1|60|1.0000', 'a rolled-back request does not count');
sql("BEGIN; SAVEPOINT a; $log ('openai', 'm', 1, 1, 1, 1, 200); SAVEPOINT b;
	$log ('openai', 'm', 2, 100, 1, 1, 200); ROLLBACK TO b; RELEASE a;
	$log ('openai', 'm', 1, 1, 1, 1, 200); COMMIT");
is(counted(1), '1|6|1|64|3.0000', 'a released savepoint counts');
is(counted(2), '2|2|1|4|1.5000', 'a rolled-back one does not');
sql(qq{DO \$\$ BEGIN
	FOR i IN 1..1000 LOOP
	  BEGIN
	    $log ('openai', 'm', 4, 1, 1, 0.001, 200);
	    IF i % 2 = 0 THEN RAISE EXCEPTION 'no'; END IF;
	  EXCEPTION WHEN raise_exception THEN NULL;
	  END;
	END LOOP; END \$\$});
is(counted(4), '4|500|0|1000|0.5000', 'of a thousand blocks the five hundred that ended well count');
sql("INSERT INTO keypool.chat_completion_requests (api_key_id, request_id) VALUES (5, 'once')");
sql("INSERT INTO keypool.chat_completion_requests (api_key_id, request_id)
	VALUES (5, 'once'), (5, 'twice') ON CONFLICT DO NOTHING");
is(counted(5), '5|2|0|0|0.0000', 'a repeat that ON CONFLICT DO NOTHING drops does not count');
like(KeypoolCluster::ask($node,
		"INSERT INTO keypool.chat_completion_requests (api_key_id, request_id) VALUES (5, 'once')"),
	qr/ 23505: /, 'a repeat by a plain INSERT is refused');
is(counted(5), '5|2|0|0|0.0000', 'and does not count');
like(KeypoolCluster::ask($node, "BEGIN; $log ('openai', 'm', 1, 1, 1, 1, 200);
	PREPARE TRANSACTION 'p'"), qr/ 0A000: cannot prepare a transaction that logged requests/,
	'a prepared transaction is refused');
like(KeypoolCluster::ask($node, "$log ('openai', 'm', 1, -1, 1, 1, 200)"),
	qr/ 22023: input_tokens must not be negative/, 'a row is checked');
is(differences(), 0, 'the counters equal the log');

# --- corrections

sql('UPDATE keypool.chat_completion_requests SET cost_usd = 2, http_status = 500 WHERE api_key_id = 2');
sql('UPDATE keypool.chat_completion_requests SET api_key_id = 3 WHERE api_key_id = 2 AND output_tokens = 1
	AND input_tokens = 1 AND id = (SELECT min(id) FROM keypool.chat_completion_requests WHERE api_key_id = 2)');
is(differences(), 0, 'an UPDATE moves the counters');
sql("UPDATE keypool.chat_completion_requests SET created_at = created_at - interval '3 years'
	WHERE api_key_id = 1 AND http_status = 500");
is(differences(), 0, 'so does one that moves a row to another partition, which is to say not at all');
sql('DELETE FROM keypool.chat_completion_requests WHERE api_key_id = 4 AND id % 3 = 0');
is(differences(), 0, 'a DELETE takes back');
sql('BEGIN; DELETE FROM keypool.chat_completion_requests; ROLLBACK');
is(differences(), 0, 'unless it is rolled back');

my $file = $node->basedir . '/log.copy';
my $rows = sql('SELECT count(*) FROM keypool.chat_completion_requests');
sql("COPY (TABLE keypool.chat_completion_requests) TO '$file'");
sql('DELETE FROM keypool.chat_completion_requests');
sql("COPY keypool.chat_completion_requests FROM '$file'");
is(sql('SELECT count(*) FROM keypool.chat_completion_requests'), $rows, 'all rows are back');
is(sql('SELECT count(DISTINCT xid) FROM keypool.chat_completion_requests'), 1,
	'rows copied with the column xid given name the transaction that copied them');
is(differences(), 0, 'and count once');

# --- keys that are not in the pool

sql(q{SELECT add_key('openai', 'sk-proj-' || lpad(n::text, 40, 'u'), user_id => 'user' || n)
	FROM generate_series(1, 300) n});
sql("INSERT INTO keypool.chat_completion_requests (api_key_id, input_tokens)
	SELECT id, 7 FROM keypool.api_keys WHERE user_id IS NOT NULL");
ok(KeypoolCluster::await(sub { differences() == 0 }),
	'more keys than the pool holds, in one transaction, count each');
sql(q{SELECT add_key('openai', 'sk-proj-' || lpad(n::text, 40, 'v'), user_id => 'idle' || n)
	FROM generate_series(1, 20) n});
sql(q{SET keypool.count_requests = off; INSERT INTO keypool.chat_completion_requests (api_key_id)
	SELECT id FROM keypool.api_keys WHERE user_id LIKE 'idle%'});
sql(q{DELETE FROM keypool.chat_completion_requests WHERE api_key_id IN
	(SELECT id FROM keypool.api_keys WHERE user_id LIKE 'idle%')});
is(sql('SELECT count(*) FROM keypool.key_state WHERE requests < 0'), 0,
	'taking back what was never counted leaves no key below nothing');
sql("BEGIN; SELECT add_key('openai', 'sk-proj-' || repeat('n', 40), 'new');
	INSERT INTO keypool.chat_completion_requests (api_key_id, input_tokens)
	SELECT id, 9 FROM keypool.api_keys WHERE name = 'new'; COMMIT");
is(sql(q{SELECT requests, tokens FROM keypool.api_keys_overview WHERE name = 'new'}), '1|9',
	'a request with a key of the same transaction counts');
sql("INSERT INTO keypool.chat_completion_requests (api_key_id) VALUES (987654)");
is(sql('SELECT count(*) FROM keypool.chat_completion_requests WHERE api_key_id = 987654'), 1,
	'a request with a key that is gone keeps its id');
sql('SET keypool.count_requests = off; INSERT INTO keypool.chat_completion_requests (api_key_id) VALUES (5)');
is(counted(5), '5|2|0|0|0.0000', 'a session that moves rows can leave them uncounted');

# --- health and leases

sql("INSERT INTO keypool.chat_completion_requests (provider, api_key_id, http_status, error_type)
	VALUES ('openai', 1, 401, 'invalid_api_key')");
is(sql('SELECT state FROM keypool.api_keys_overview WHERE key_id = 1'), 'unhealthy',
	'a logged refusal of the credential takes the key out');
sql("INSERT INTO keypool.chat_completion_requests (provider, api_key_id, http_status, error_type, created_at)
	VALUES ('openai', 4, 401, 'invalid_api_key', now() - interval '1 day')");
is(sql('SELECT state FROM keypool.api_keys_overview WHERE key_id = 4'), 'healthy',
	'one of yesterday does not');
my $session = PsqlSession->new($node);
my $lease = $session->ask(q{SELECT lease_id FROM acquire_key('openai', strategy => 'single', estimated_tokens => 100)});
my $key = sql('SELECT key_id FROM keypool.api_keys_overview WHERE in_flight = 1');
ok($key, 'a lease is open');
$session->ask("BEGIN; INSERT INTO keypool.chat_completion_requests (provider, api_key_id, lease_id, input_tokens)
	VALUES ('openai', $key, $lease, 30)");
is(sql("SELECT in_flight FROM keypool.api_keys_overview WHERE key_id = $key"), 1,
	'an uncommitted request settles nothing');
$session->ask('ROLLBACK');
is(sql("SELECT in_flight FROM keypool.api_keys_overview WHERE key_id = $key"), 1, 'nor does a rollback');
$session->ask("INSERT INTO keypool.chat_completion_requests (provider, api_key_id, lease_id, input_tokens)
	VALUES ('openai', $key, $lease, 30)");
is(sql("SELECT in_flight FROM keypool.api_keys_overview WHERE key_id = $key"), 0,
	'a committed request settles its lease');
$session->close;

# --- many sessions, and a restart

my $script = PostgreSQL::Test::Utils::tempdir . '/log.sql';
append_to_file($script, "\\set key random(2, 5)\n\\set roll random(1, 4)\nBEGIN;\n"
	. "$log ('openai', 'm', :key, 3, 4, 0.01, 200), ('openai', 'm', :key, 1, 1, 0.01, 500);\n"
	. "\\if :roll = 1\nROLLBACK;\n\\else\nCOMMIT;\n\\endif\n");
my $before = sql('SELECT sum(requests) FROM counted WHERE key_id BETWEEN 2 AND 5');
my $had = sql('SELECT count(*) FROM keypool.chat_completion_requests WHERE api_key_id BETWEEN 2 AND 5');
$node->command_ok([ 'pgbench', '-n', '-c', 8, '-j', 2, '-T', 3, '-f', $script,
		$node->connstr('postgres') ], 'eight sessions log and roll back');
is(sql('SELECT sum(requests) FROM counted WHERE key_id BETWEEN 2 AND 5') - $before,
	sql('SELECT count(*) FROM keypool.chat_completion_requests WHERE api_key_id BETWEEN 2 AND 5') - $had,
	'each committed request of theirs counts once');
my $counted = sql('SELECT * FROM counted WHERE key_id BETWEEN 2 AND 5 ORDER BY 1');
$node->restart;
is(sql('SELECT * FROM counted WHERE key_id BETWEEN 2 AND 5 ORDER BY 1'), $counted,
	'the counters survive a restart');

$node->stop;
done_testing();
