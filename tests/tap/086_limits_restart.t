# Limits know after a restart what was used before it: all of it after a clean one, and after a crash
# all but what the worker had not yet written down.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Race;
use Test::More;
use Time::HiRes qw(sleep time);

my $node = KeypoolCluster::start('restart', 'keypool.health_check_interval = 0',
	'max_connections = 60', 'restart_after_crash = on');
sub sql { return $node->safe_psql('postgres', $_[0]) }
$Race::SESSIONS = 16;
sql('CREATE EXTENSION pg_keypool');
Race::install($node);

# A user's key is in shared memory, and the view knows its windows, once somebody has asked for it.
sub left
{
	my ($who) = @_;
	sql("SELECT count(*) FROM explain_pick('openai', '$who')");
	return sql("SELECT rate_limit_left, requests_per_minute_left, tokens_per_minute_left
		FROM keypool.api_keys_overview WHERE owner = '$who'");
}

# Picks until there are none left; how many were given.
sql(q{CREATE FUNCTION use_up(who text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  taken int := 0;
BEGIN
  LOOP
    PERFORM pick_key('openai', who);
    taken := taken + 1;
  END LOOP;
EXCEPTION WHEN SQLSTATE 'KP001' THEN
  RETURN taken;
END $$});

# A clean restart, without time for the worker's second to pass.
my $hour = Race::add_key($node, 'hour', 'rate_limit => 100');
my $minute = Race::add_key($node, 'minute', 'requests_per_minute => 50, tokens_per_minute => 900');
my $told = Race::add_key($node, 'told', 'weight => 1');
my $free = Race::add_key($node, 'free', 'weight => 1');
sql(q{SELECT count(pick_key('openai', 'hour')) FROM generate_series(1, 60);
	SELECT count(pick_key('openai', 'free')) FROM generate_series(1, 60);
	SELECT 1 FROM acquire_key('openai', 'minute', estimated_tokens => 300)});
sql(qq{SELECT mark_key_success($told, headers => '{"x-ratelimit-remaining-requests": "7",
	"x-ratelimit-reset-requests": "1h", "x-ratelimit-remaining-tokens": "5",
	"x-ratelimit-reset-tokens": "1s"}')});
sql(q{SELECT count(pick_key('openai', 'told')) FROM generate_series(1, 2)});
my $stopped = time;
$node->restart('fast');
my $minute_left = left('minute');
is(left('hour'), '40||', 'the hour is remembered');
SKIP:
{
	skip 'the restart took a minute', 1 if time - $stopped > 50;
	is($minute_left, '|49|600', 'so is the minute, requests and tokens, when the restart was short');
}
is(sql(q{SELECT use_up('hour')}), 40, 'no more is given than the hour still allows');
is(sql(q{SELECT use_up('told')}), 5, 'nor than the provider told');
is(sql("SELECT limit_counts IS NULL FROM keypool.key_state WHERE key_id = $free"), 't',
	'of a key without limits nothing is written');
$node->restart('smart');
is(left('hour'), '0||', 'twice');
is(sql(q{SELECT use_up('hour') + use_up('told')}), 0, 'what is used up stays used up');

# Sessions that are cut off in the middle of it.
Race::add_key($node, 'busy', 'rate_limit => 1000000');
my $race = Race::begin($node, 60, q{SELECT pick_key('openai', 'busy')});
sleep 2;
my $before = sql(q{SELECT picks FROM keypool.api_keys_overview WHERE owner = 'busy'});
$node->restart('fast');
$race->{run}->finish;
my ($left) = split /\|/, left('busy');
my $counted = 1000000 - $left;
my $picks = sql(q{SELECT picks FROM keypool.api_keys_overview WHERE owner = 'busy'});
is($counted, $picks, 'the window has counted every pick that the key has');
cmp_ok($counted, '>=', $before, 'and no pick of before is missing');

# A crash: picks at a steady pace, each noted before and after.
sub crash
{
	my ($name, $stop) = @_;
	Race::add_key($node, $name, 'rate_limit => 1000000');
	my @times;
	my $end = time + 3.6;
	my $session = PsqlSession->new($node);
	while (time < $end)
	{
		$session->ask("SELECT 1 FROM acquire_key('openai', '$name')");
		push @times, time;
		sleep 0.01;
	}
	my $crashed = time;
	$stop->($session);
	my ($left) = split /\|/, left($name);
	my $counted = 1000000 - $left;
	my $lost = @times - $counted;
	my $oldest = $lost > 0 ? $crashed - $times[$counted] : 0;
	note sprintf '%d of %d picks are remembered; the oldest forgotten one was %.2f s ago',
		$counted, scalar @times, $oldest;
	cmp_ok($counted, '<=', scalar @times, "$name: no pick is counted twice");
	# A second between two writes, and the time that a write takes on a busy machine.
	cmp_ok($oldest, '<', 2.5, "$name: nothing is forgotten that was used before the last second");
	cmp_ok($counted, '>', 0.2 * @times, "$name: and most is remembered");
	return;
}

crash('immediate', sub {
	$node->stop('immediate');
	$node->start;
});
crash('killed', sub {
	my ($session) = @_;
	my $log = -s $node->logfile;
	kill 'KILL', $session->{pid} or die "kill: $!";
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $log);
	KeypoolCluster::await(sub { return defined KeypoolCluster::try_sql($node, 'SELECT 1') });
});

# Old counts and new ones.
Race::add_key($node, 'worker', 'rate_limit => 100');
sql(q{SELECT count(pick_key('openai', 'worker')) FROM generate_series(1, 30)});
$node->restart('fast');
sql(q{SELECT count(pick_key('openai', 'worker')) FROM generate_series(1, 30)});
is(left('worker'), '40||', 'what comes after a restart adds to what was before');
$node->stop;
done_testing();
