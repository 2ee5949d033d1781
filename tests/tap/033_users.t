# Many users' keys and a small pool: memory stays what it is, picks go through eviction and back,
# nobody is ever given another user's key, and counters survive.
#
# KEYPOOL_TEST_USERS says how many users there are (100,000).
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;

my $users = $ENV{KEYPOOL_TEST_USERS} || 100_000;
my $slots = 2000;

my $node = KeypoolCluster::start('users', "keypool.max_keys = $slots", 'fsync = off',
	'keypool.health_check_interval = 0', 'max_wal_size = 4GB', 'shared_buffers = 256MB');
sub sql { return $node->safe_psql('postgres', $_[0]) }

# A user's number is in his key, so that every pick can be held against its owner.
sql(qq{
CREATE EXTENSION pg_keypool;
CREATE FUNCTION secret(n int) RETURNS text LANGUAGE sql AS
\$\$ SELECT 'sk-proj-' || repeat('k', 24) || to_char(n, 'FM00000000') \$\$;
SELECT add_key('openai', secret(0));
SELECT count(add_key('openai', secret(n), user_id => 'user ' || n))
FROM generate_series(1, $users) AS n;
CREATE FUNCTION pick_checked(n int) RETURNS void LANGUAGE plpgsql AS \$\$
BEGIN
  IF pick_key('openai', 'user ' || n) <> secret(n) THEN
    RAISE EXCEPTION 'user % was given the key of another', n;
  END IF;
END \$\$;
ANALYZE keypool.api_keys;
});
is(sql(q{SELECT count(*) FROM keypool.api_keys}), $users + 1, "$users users have a key");

my $memory = q{SELECT sum(allocated_size) FROM pg_shmem_allocations};
my $pool = q{SELECT size FROM pg_shmem_allocations WHERE name = 'pg_keypool'};
my $shared = sql($memory);
cmp_ok(sql($pool), '<', $slots * 2048 + 16 * 1024 * 1024, 'a slot takes about a kilobyte');
sub resident
{
	my ($session) = @_;
	return $session->ask(q{SELECT sum(total_bytes) FROM pg_backend_memory_contexts});
}
sub state_of_pool
{
	return split /\|/, sql('SELECT pool_keys, pool_slots, evictions FROM keypool.worker_status');
}

# One session, many users.
my $session = PsqlSession->new($node);
$session->ask('SELECT count(pick_checked(n)) FROM generate_series(1001, 4000) AS n');
my $before = resident($session);
is($session->ask("SELECT count(pick_checked(1001 + (n::bigint * 7919 % ($users - 1000))::int))
	FROM generate_series(1, 20000) AS n"), 20000, 'twenty thousand users in a row');
cmp_ok(resident($session) - $before, '<', 256 * 1024, 'the session does not grow with picks');
is(sql($memory), $shared, 'neither does shared memory');
my ($keys, $all, $evictions) = state_of_pool();
is($all, $slots, 'the pool has the slots it was given');
cmp_ok($keys, '<=', $slots, 'and holds no more');
cmp_ok($evictions, '>', 10000, 'because who was idle longest had to go');

# Many sessions at once.
my $script = PostgreSQL::Test::Utils::tempdir . '/pick.sql';
append_to_file($script, "\\set n random(1001, $users)\nSELECT pick_checked(:n);\n");
$node->command_ok([ 'pgbench', '-n', '-M', 'prepared', '-c', 8, '-j', 2, '-T', 8, '-f', $script,
		$node->connstr('postgres') ], 'eight sessions pick for random users, always rightly');
is(sql($memory), $shared, 'still the same memory');
is(sql(q{SELECT pick_key('openai', 'user ' || 1e9) = secret(0)}), 't',
	'who has no key is given the system\'s');
is($session->ask(q{SELECT count(*) FROM generate_series(1, 5000) AS n
	WHERE pick_key('openai', 'nobody ' || n) = secret(0)}), 5000, 'five thousand of them, too');

# Counters: of 300 users whom nobody asked for so far, picked, written down, driven out by others,
# and picked again.
my $count = q{SELECT count(*) FILTER (WHERE o.picks = %d), count(*) FROM keypool.api_keys_overview o
	WHERE o.owner IN (SELECT 'user ' || n FROM generate_series(1, 300) AS n)};
my $written = q{SELECT count(*) = 300
	FROM keypool.key_state s JOIN keypool.api_keys k ON k.id = s.key_id
	WHERE k.user_id IN (SELECT 'user ' || n FROM generate_series(1, 300) AS n) AND s.picks = %d};
for my $round (1 .. 3)
{
	my $total = $round * 5;
	$session->ask(q{SELECT count(pick_checked(n))
		FROM generate_series(1, 300) AS n, generate_series(1, 5)});
	is(sql(sprintf $count, $total), '300|300', "round $round: every pick was counted");
	ok(KeypoolCluster::await(sub { return sql(sprintf $written, $total) eq 't' }),
		"round $round: and written down");
	(undef, undef, $evictions) = state_of_pool();
	$session->ask("SELECT count(pick_checked(n)) FROM generate_series(1000, 4500) AS n");
	my (undef, undef, $now) = state_of_pool();
	cmp_ok($now - $evictions, '>=', 300, "round $round: others drove them out");
	is(sql(sprintf $count, $total), '300|300', "round $round: who is out is shown with what he did");
}

# A user who is out of the pool is out of order all the same.
my $id = sql(q{SELECT id FROM keypool.api_keys WHERE user_id = 'user 7'});
is($session->ask("SELECT mark_key_error($id, 'invalid_api_key', 401)"), 'credential',
	'a failure is reported of a key that is not in the pool');
ok(KeypoolCluster::await(sub {
	return sql("SELECT state FROM keypool.key_state WHERE key_id = $id") eq 'unhealthy' }),
	'and written down');
$session->ask("SELECT count(pick_checked(n)) FROM generate_series(1000, 4500) AS n");
is($session->ask(q{SELECT pick_key('openai', 'user 7') = secret(0)}), 't',
	'it stays out when it comes back');
sql("SELECT revoke_key(id) FROM keypool.api_keys WHERE user_id = 'user 8'");
is($session->ask(q{SELECT pick_key('openai', 'user 8') = secret(0)}), 't', 'a revoked one as well');
$session->close;
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'nobody died');
$node->stop;
done_testing();
