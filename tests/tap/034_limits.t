# Limits under sixteen sessions at once: never over, and what there is can be used.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('limits', 'keypool.health_check_interval = 0', 'fsync = off',
	'max_connections = 60');
sub sql { return $node->safe_psql('postgres', $_[0]) }

# `taken` gets a row for every pick that was given; who gets none goes away empty-handed.
sql(q{
CREATE EXTENSION pg_keypool;
CREATE UNLOGGED TABLE taken (who text, since timestamptz, until timestamptz);
CREATE FUNCTION try_pick(who text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pick_key('openai', who);
  INSERT INTO taken (who) VALUES (who);
EXCEPTION WHEN SQLSTATE 'KP001' THEN
  NULL;
END $$;
CREATE FUNCTION try_acquire(who text, tokens int, cost numeric) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM acquire_key('openai', who, estimated_tokens => tokens, estimated_cost => cost);
  INSERT INTO taken (who) VALUES (who);
EXCEPTION WHEN SQLSTATE 'KP001' THEN
  NULL;
END $$;
-- The time noted lies within the lease's.
CREATE FUNCTION try_hold(who text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  lease bigint;
  since timestamptz;
  until timestamptz;
BEGIN
  SELECT lease_id INTO lease FROM acquire_key('openai', who);
  since := clock_timestamp();
  PERFORM pg_sleep(0.002);
  until := clock_timestamp();
  PERFORM release_key(lease);
  INSERT INTO taken VALUES (who, since, until);
EXCEPTION WHEN SQLSTATE 'KP001' THEN
  NULL;
END $$;
});

# Sixteen sessions run a statement for some seconds.
sub press
{
	my ($statement, $seconds) = @_;
	my $script = PostgreSQL::Test::Utils::tempdir . '/script.sql';
	append_to_file($script, "$statement;\n");
	$node->command_ok([ 'pgbench', '-n', '-M', 'prepared', '-c', 16, '-j', 2, '-T', $seconds, '-f',
			$script, $node->connstr('postgres') ], $statement);
	return;
}

sub add
{
	my ($who, $limits) = @_;
	return sql("SELECT add_key('openai', 'sk-proj-' || repeat('k', 24) || '$who',
		user_id => '$who', $limits)");
}

sub taken { return sql("SELECT count(*) FROM taken WHERE who = '$_[0]'") }

add('minute', 'requests_per_minute => 500');
press(q{SELECT try_pick('minute')}, 4);
is(taken('minute'), 500, 'requests_per_minute: so many and no more');
is(sql(q{SELECT requests_per_minute_left FROM keypool.api_keys_overview WHERE owner = 'minute'}), 0,
	'and the overview agrees');

add('hour', 'rate_limit => 300');
press(q{SELECT try_pick('hour')}, 3);
is(taken('hour'), 300, 'rate_limit: so many an hour');

add('tokens', 'tokens_per_minute => 10000');
press(q{SELECT try_acquire('tokens', 70, NULL)}, 3);
is(taken('tokens'), int(10000 / 70), 'tokens_per_minute: as many estimates as fit');

add('cost', 'daily_cost_limit => 1');
press(q{SELECT try_acquire('cost', NULL, 0.013)}, 3);
is(taken('cost'), int(1 / 0.013), 'daily_cost_limit: as many estimates as fit');

add('flight', 'max_concurrency => 4');
press(q{SELECT try_hold('flight')}, 4);
cmp_ok(taken('flight'), '>', 200, 'max_concurrency: leases come and go');
my $most = sql(q{
	SELECT max(at_once) FROM (
	  SELECT sum(change) OVER (ORDER BY at, change) AS at_once
	  FROM (SELECT since AS at, 1 AS change FROM taken WHERE who = 'flight'
	        UNION ALL SELECT until, -1 FROM taken WHERE who = 'flight') AS changes) AS flights});
is($most, 4, 'never more at once, and as many as may be');
is(sql(q{SELECT in_flight FROM keypool.api_keys_overview WHERE owner = 'flight'}), 0,
	'and none is left behind');

# All at once, while the key is edited all the time: no limit is lifted by a reload.
my $id = add('edited', 'requests_per_minute => 500, rate_limit => 400, max_concurrency => 1000');
sql(q{CREATE PROCEDURE edit(id bigint) LANGUAGE plpgsql AS $$
	BEGIN
	  FOR n IN 1 .. 200 LOOP
	    UPDATE keypool.api_keys SET weight = 1 + n % 3 WHERE api_keys.id = edit.id;
	    COMMIT;
	    PERFORM pg_sleep(0.015);
	  END LOOP;
	END $$});
my $editor = IPC::Run::start(
	[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "CALL edit($id)" ],
	'<', \undef, '&>', \my $edited);
press(q{SELECT try_pick('edited')}, 4);
ok($editor->finish, 'the key is edited meanwhile') or diag $edited;
is(taken('edited'), 400, 'the tighter limit holds through every reload');

# More system keys than one, all limited: the sum of what they allow.
sql(q{SELECT count(add_key('openai', 'sk-proj-' || repeat('k', 24) || 'sys' || n,
		requests_per_minute => 100))
	FROM generate_series(1, 5) AS n});
press(q{SELECT try_pick(NULL)}, 3);
is(sql('SELECT count(*) FROM taken WHERE who IS NULL'), 500, 'five keys together');
is(sql(q{SELECT count(*) FROM keypool.system_api_keys
	WHERE requests_per_minute_left = 0 AND picks = 100}),
	5, 'and each its share');
$node->stop;
done_testing();
