# Limits of keys under 64 sessions at once: never over in any rolling window, no refusal without a
# reason, and the counters afterwards are what the log and the leases say.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use FastClock;
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Race;
use Test::More;
use Time::HiRes qw(sleep);

my @quiet = ('keypool.health_check_interval = 0', 'fsync = off', 'max_connections = 80');

# A window counts in 22 buckets of a 21st of its length: that far back reaches what may be refused.
my $reach = 22 / 21;

sub overview
{
	my ($node, $what, $columns) = @_;
	return $node->safe_psql('postgres',
		"SELECT $columns FROM keypool.api_keys_overview WHERE owner = '$what'");
}

# Whoever is refused tries again a little later.
sub picking
{
	my ($what) = @_;
	return "SELECT race.pick('$what') AS taken \\gset\n\\if :taken = 0\n\\sleep 15 ms\n\\endif\n";
}

# Tokens are estimated first, and fewer are used.
my $spending_tokens = q{
\set estimate random(20, 80)
\set used random(5, :estimate)
SELECT race.take('tokens', :estimate, :estimate) AS lease \gset
\if :lease = 0
\sleep 15 ms
\else
CALL race.settle(:lease, :used, :used, NULL);
\endif
};

sub window_holds
{
	my ($node, $what, $limit, $length) = @_;
	my $most = Race::most_in_window($node, $what, "$length s");
	cmp_ok($most, '<=', $limit, "$what: never over in any rolling window");
	cmp_ok($most, '>=', 0.95 * $limit, "$what: and the limit can be used");
	cmp_ok(Race::used($node, $what), '>', 2 * $limit, "$what: again and again");
	cmp_ok(Race::refusals($node, $what), '>', 100, "$what: the sessions wanted more");
	is(Race::unjust_refusals($node, $what, $limit, $length * $reach . ' s'), 0,
		"$what: nobody was refused within what the window allows");
	return;
}

# A minute's windows pass in two seconds, an hour's in three.
my $minutes = FastClock::start(30, 'minutes', @quiet);
my $hours = FastClock::start(1200, 'hours', @quiet);
for my $node ($minutes, $hours)
{
	$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
	Race::install($node);
}
Race::add_key($minutes, 'minute', 'requests_per_minute => 300');
Race::add_key($minutes, 'tokens', 'tokens_per_minute => 9000');
Race::add_key($hours, 'hour', 'rate_limit => 400');
my @races = (Race::begin($minutes, 8, picking('minute'), $spending_tokens),
	Race::begin($hours, 8, picking('hour')));
Race::finish($_, 'no error, no deadlock') for @races;
window_holds($minutes, 'minute', 300, 60);
window_holds($minutes, 'tokens', 9000, 60);
window_holds($hours, 'hour', 400, 3600);

sleep 70 / 30;
is(overview($minutes, 'minute', 'requests_per_minute_left'), 300, 'minute: all of it comes back');
is(overview($minutes, 'tokens', 'tokens_per_minute_left, in_flight'), '9000|0',
	'tokens: all of them come back');
sleep 1;
is(overview($hours, 'hour', 'rate_limit_left'), 400, 'hour: all of it comes back');
$_->stop for $minutes, $hours;

# From here on by the usual clock.
my $node = KeypoolCluster::start('limits', @quiet);
sub sql { return $node->safe_psql('postgres', $_[0]) }
sql('CREATE EXTENSION pg_keypool');
Race::install($node);

Race::add_key($node, 'flight', 'max_concurrency => 4');
Race::press($node, 4, q{
SELECT race.take('flight', 1) AS lease \gset
\if :lease = 0
\sleep 1 ms
\else
\sleep 2 ms
CALL race.release(:lease);
\endif
});
is(Race::most_at_once($node, 'flight'), 4, 'flight: never more at once, and as many as may be');
is(Race::unjust_refusals($node, 'flight', 4, '1 day'), 0, 'flight: no refusal while one is free');
is(overview($node, 'flight', 'in_flight, max_concurrency_left'), '0|4', 'flight: none left behind');

# Dollars, of which each session uses all or a part, or nothing.
Race::add_key($node, 'cost', 'daily_cost_limit => 5');
Race::press($node, 5, q{
\set estimate random(1000000, 40000000)
\set used random(0, :estimate)
SELECT race.take('cost', :estimate / 1e9, NULL, :estimate / 1e9) AS lease \gset
\if :lease = 0
\sleep 10 ms
\elif :used % 5 = 0
CALL race.release(:lease);
\else
CALL race.settle(:lease, :used / 1e9, 10, :used / 1e9);
\endif
});
my $spent = sql(q{SELECT trim_scale(sum(cost_usd)) FROM keypool.chat_completion_requests});
cmp_ok(Race::most_at_once($node, 'cost'), '<=', 5, 'cost: settled and reserved never over');
cmp_ok($spent, '>=', 0.95 * 5, 'cost: and the limit can be used');
is(Race::unjust_refusals($node, 'cost', 5, '1 day'), 0, 'cost: no refusal for what is left');
is(overview($node, 'cost', 'cost_today, cost_total'), "$spent|$spent",
	'cost: spent is what the log says, to the nano-dollar');
my $left = overview($node, 'cost', 'daily_cost_left');
like(KeypoolCluster::ask($node, "SELECT * FROM acquire_key('openai', 'cost',
	estimated_cost => $left + 0.000000001)"), qr/KP001.*daily_cost_limit/s, 'cost: not a nano over');
like(sql("SELECT lease_id FROM acquire_key('openai', 'cost', estimated_cost => $left)"), qr/^\d+$/,
	'cost: what is left can be had whole');

# Has the keys of an owner loaded anew so many times.
sub edit
{
	my ($owner, $times) = @_;
	return IPC::Run::start([ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', qq{
		DO \$\$ BEGIN
		  FOR n IN 1 .. $times LOOP
		    UPDATE keypool.api_keys SET weight = 1 + n % 3 WHERE owner = '$owner';
		    COMMIT;
		    PERFORM pg_sleep(0.015);
		  END LOOP;
		END \$\$} ], '<', \undef);
}

# Everything that sessions do with one key, under every limit and reloaded all the time. A lease in
# seven is left open; a request in five is logged and rolled back first.
my $limits = 'rate_limit => 100000, requests_per_minute => 100000, tokens_per_minute => 10000000,
	max_concurrency => 10000, daily_cost_limit => 1000';
my $id = Race::add_key($node, 'mixed', $limits);
my $editor = edit('mixed', 150);
Race::press($node, 4, picking('mixed'), q{
\set used random(1, 100)
SELECT race.take('mixed', 100, 100, 0.0001) AS lease \gset
\if :used % 7 = 0
\sleep 1 us
\elif :used % 3 = 0
CALL race.release(:lease);
\else
\if :used % 5 = 0
BEGIN;
SELECT log_request('openai', 'race-model', lease_id => :lease, input_tokens => 1, cost_usd => 1);
ROLLBACK;
\endif
CALL race.settle(:lease, :used, :used, :used / 1e6);
\endif
});
ok($editor->finish, 'mixed: the key is edited meanwhile');
my $truth = sql(q{
	SELECT count(*), count(*) FILTER (WHERE used IS DISTINCT FROM 0),
	  count(*) FILTER (WHERE used IS DISTINCT FROM 0),
	  sum(coalesce(used, wanted)) FILTER (WHERE lease IS NOT NULL), count(*) FILTER (WHERE used IS NULL)
	FROM race.taken WHERE what = 'mixed'});
is(overview($node, 'mixed', 'picks, rate_limit - rate_limit_left,
	requests_per_minute - requests_per_minute_left, tokens_per_minute - tokens_per_minute_left,
	in_flight'), $truth, 'mixed: every counter is what the leases and the log add up to');
is(overview($node, 'mixed', 'requests, tokens, cost_today'), sql("SELECT count(*),
	sum(input_tokens + output_tokens), trim_scale(sum(cost_usd))
	FROM keypool.chat_completion_requests WHERE api_key_id = $id"), 'mixed: and the totals too');
is(Race::refusals($node, 'mixed'), 0, 'mixed: nobody was refused');

# A limit that is reached holds through every reload too, and the sum of keys is the sum of limits.
sql(q{SELECT count(add_key('openai', 'sk-proj-' || repeat('k', 24) || 'sys' || n,
	requests_per_minute => 100)) FROM generate_series(1, 5) AS n});
$editor = edit('', 100);
Race::press($node, 3, picking('nobody'));
ok($editor->finish, 'the keys are edited meanwhile');
is(Race::used($node, 'nobody'), 500, 'five keys of the system: so many together');
is(sql(q{SELECT count(*) FROM keypool.system_api_keys
	WHERE requests_per_minute_left = 0 AND picks = 100}), 5, 'and each its share');

$node->stop;
done_testing();
