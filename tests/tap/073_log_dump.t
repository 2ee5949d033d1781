# The request log in dumps: every way of dumping and restoring brings back each row once, in its
# day's partition, counted once by the views and not at all for the keys, whose counters come back by
# themselves.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use Exactness;
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('log_dump', 'keypool.health_check_interval = 0');
sub sql { my ($database, $sql) = @_; return $node->safe_psql($database, $sql) }

sql('postgres', q{
	CREATE EXTENSION pg_keypool;
	SELECT add_key('openai', 'sk-' || repeat('a', 48)), add_key('groq', 'gsk_' || repeat('b', 52));
	INSERT INTO keypool.chat_completion_requests (created_at, provider, model, user_id, api_key_id,
		is_anonymous, input_tokens, cost_usd, processing_time_ms, error_type, request_id, metadata)
	SELECT now() - n * interval '5 hours', CASE n % 3 WHEN 0 THEN 'openai' WHEN 1 THEN 'groq' END,
		E'm\t\\\\N ' || n % 4, CASE WHEN n % 5 <> 0 THEN 'u' || n % 7 END,
		CASE WHEN n % 5 <> 0 THEN nullif(n % 3, 0) END, n % 5 = 0, abs(n),
		CASE WHEN n % 6 <> 0 THEN abs(n) / 1000.0 END, abs(n) % 250, CASE WHEN n % 9 = 0 THEN 'timeout' END,
		CASE WHEN n % 2 = 0 THEN 'r' || n END, CASE WHEN n % 8 = 0 THEN jsonb_build_object('n', n) END
	FROM generate_series(-10, 300) n;
	INSERT INTO keypool.chat_completion_requests (created_at, provider, api_key_id)
	VALUES ('1999-12-31', 'openai', 1), ('2999-12-31', 'openai', 1);
	UPDATE keypool.chat_completion_requests SET output_tokens = 7 WHERE id % 10 = 0;
	DELETE FROM keypool.chat_completion_requests WHERE id % 17 = 0});
Exactness::install($node);

# What every restored database must share with its source.
my %must_be = (
	'the rows' => q{SELECT count(*), md5(string_agg((to_jsonb(r) - 'xid')::text, E'\n' ORDER BY id))
		FROM keypool.chat_completion_requests r},
	'the days of the partitions that have rows' =>
	  q{SELECT string_agg(DISTINCT r.tableoid::regclass::text, ' ')
		FROM keypool.chat_completion_requests r},
	'what counts as the next id' => q{SELECT last_value FROM keypool.chat_completion_requests_id_seq});

# The worker has written the counters down, and every day has its partition.
ok(KeypoolCluster::await(sub {
	return sql('postgres', q{SELECT sum(requests) = (SELECT sum(requests) FROM keypool.api_keys_overview)
		AND (SELECT count(*) FROM keypool.chat_completion_requests_default) = 2
		FROM keypool.key_state}) eq 't' }),
	'the source is at rest');
my $counters = q{SELECT string_agg(concat_ws(' ', key_id, requests, errors, tokens, cost_nano), ', '
	ORDER BY key_id) FROM keypool.key_state};
my %of_source = map { $_ => sql('postgres', $must_be{$_}) } keys %must_be;
like($of_source{'the rows'}, qr/^295\|/, 'with so many rows');

my $differences = q{SELECT coalesce(string_agg(d::text, E'\n'), 'none') FROM differences() d};

sub check
{
	my ($database, $how) = @_;
	is(sql($database, $must_be{$_}), $of_source{$_}, "$how: $_") for sort keys %must_be;
	is(sql($database, 'SELECT count(*) FROM keypool.request_dump'), 0, "$how: nothing stays aside");
	is(sql($database, $differences), 'none', "$how: the views are exact");
	sql($database, 'SELECT keypool.fold_requests()');
	is(sql($database, 'SELECT sum(requests) FROM keypool.usage_rollup'), 295, "$how: all is folded");
	is(sql($database, $differences), 'none', "$how: and they still are");
	is(sql($database, q{SELECT string_agg(missing::text, ' ')
		FROM keypool.missing_request_days() AS missing}), '', "$how: no partition is missing");
	return;
}

my $folder = PostgreSQL::Test::Utils::tempdir;
my @server = ('-h', $node->host, '-p', $node->port);
sub dump_to { $node->command_ok([ 'pg_dump', @server, @_, 'postgres' ], "pg_dump @_[2 .. $#_]") }

sub restore
{
	my ($database, $how, @command) = @_;
	sql('postgres', "CREATE DATABASE $database");
	$node->command_ok([ @command, @server, '-d', $database ], "$how: no error");
	return;
}
my @psql = ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null');

dump_to('-f', "$folder/plain.sql");
restore('plain', 'COPY', @psql, '-f', "$folder/plain.sql");
check('plain', 'COPY');
ok(KeypoolCluster::worker($node, 'plain'), 'a worker runs there');
is(sql('plain', q{INSERT INTO keypool.chat_completion_requests (provider) VALUES ('openai')
	RETURNING id > (SELECT max(id) FROM keypool.chat_completion_requests)}), 't', 'and ids go on');

dump_to('-f', "$folder/one.sql");
restore('one', 'one transaction', @psql, '-1', '-f', "$folder/one.sql");
check('one', 'one transaction');

dump_to('-f', "$folder/inserts.sql", '--inserts', '--rows-per-insert=40');
{
	local $ENV{PGOPTIONS} = '-c session_replication_role=replica';
	restore('inserts', 'INSERT, as a replica', @psql, '-f', "$folder/inserts.sql");
}
check('inserts', 'INSERT, as a replica');

dump_to('-f', "$folder/custom", '-Fc');
restore('custom', 'custom format', 'pg_restore', '--exit-on-error', "$folder/custom");
check('custom', 'custom format');

dump_to('-f', "$folder/folder", '-Fd', '-j2');
restore('folder', 'in parallel', 'pg_restore', '--exit-on-error', '-j2', "$folder/folder");
check('folder', 'in parallel');

# The data alone, into an installation of its own.
dump_to('-f', "$folder/data.sql", '--data-only');
sql('postgres', 'CREATE DATABASE data');
sql('data', 'CREATE EXTENSION pg_keypool');
sql('data', sql('postgres', q{SELECT pg_get_functiondef('differences'::regproc)}));
$node->command_ok([ @psql, '-f', "$folder/data.sql", @server, '-d', 'data' ], 'data only: no error');
check('data', 'data only');

# A restored log can be dumped again.
$node->command_ok([ 'pg_dump', @server, '-f', "$folder/again.sql", 'custom' ], 'pg_dump of a restored database');
restore('again', 'a second generation', @psql, '-f', "$folder/again.sql");
check('again', 'a second generation');

dump_to('-f', "$folder/schema.sql", '--schema-only');
restore('schema', 'schema only', @psql, '-f', "$folder/schema.sql");
is(sql('schema', 'SELECT count(*) FROM keypool.chat_completion_requests'), 0, 'schema only: no rows');

dump_to('-f', "$folder/without.sql", '--exclude-table-data=keypool.request_dump');
restore('without', 'without the log', @psql, '-f', "$folder/without.sql");
is(sql('without', q{SELECT (SELECT count(*) FROM keypool.chat_completion_requests),
	(SELECT count(*) FROM keypool.api_keys)}), '0|2', 'the log can be left out');

# The worker writes what was counted within a second; by now it would have.
sleep 1;
my $shown = q{SELECT string_agg(concat_ws(' ', key_id, requests, errors, tokens, cost_total), ', '
	ORDER BY key_id) FROM keypool.api_keys_overview};
for my $database (qw(plain one inserts custom folder data again))
{
	is(sql($database, $counters), sql('postgres', $counters),
		"$database: the keys' counters are as they were");
	is(sql($database, $shown), sql('postgres', $shown), "$database: and the pool knows them");
}

# What pg_upgrade asks pg_dump for: every member, as it is.
$node->command_ok([ 'pg_dump', @server, '-f', "$folder/upgrade.sql", '--binary-upgrade',
	'--schema-only', 'postgres' ], 'pg_dump as pg_upgrade runs it');
my $upgrade = slurp_file("$folder/upgrade.sql");
my $days = () = $upgrade =~ /ATTACH PARTITION keypool\.chat_completion_requests_\d{8} /g;
is($days, sql('postgres', 'SELECT count(*) FROM keypool.request_partitions()'),
	'it attaches every day');
is(scalar(() = $upgrade =~ /ALTER EXTENSION "?pg_keypool"? ADD TABLE "?keypool"?\."?chat_completion_requests_\d{8}/g),
	$days, 'and has each belong to the extension');

$node->stop('fast');
done_testing();
