# Too many requests without a key are told, once, until enough have one again; where nothing is
# logged, nobody is woken to look.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use JSON::PP ();
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;
use Time::HiRes qw(sleep);

# Tracking is looked at every ten seconds at most.
my $PAUSE = 10;

my $node = KeypoolCluster::start('tracking_alerts', q{keypool.health_check_interval = '1h'});
sub sql { return $node->safe_psql('postgres', $_[0]) }

sub active
{
	return sql(q{
		SELECT string_agg(concat_ws(' ', kind, subject, severity), ', ' ORDER BY kind)
		FROM keypool.alerts WHERE cleared_at IS NULL});
}

sub becomes
{
	my ($name, $wanted) = @_;
	KeypoolCluster::await(sub { active() eq $wanted });
	return is(active(), $wanted, $name);
}

# So many requests of now: with a key, of a user that lost his, anonymous on purpose.
sub requests
{
	my ($with_key, $without, $anonymous) = @_;
	sql("INSERT INTO keypool.chat_completion_requests (user_id, api_key_id, is_anonymous)
		SELECT 'u1', 1, false FROM generate_series(1, $with_key)
		UNION ALL SELECT 'u1', NULL, false FROM generate_series(1, $without)
		UNION ALL SELECT NULL, NULL, true FROM generate_series(1, $anonymous)");
	return;
}

sql('CREATE EXTENSION pg_keypool');
ok(KeypoolCluster::worker($node, 'postgres'), 'a worker runs');

requests(0, 19, 0);
sleep $PAUSE + 3;
is(active(), '', 'less than twenty requests raise nothing');

requests(76, 0, 5);
becomes('a low rate raises a warning', 'tracking_quality tracking warning');
is(sql('SELECT coalesce(provider, key_id::text), message FROM keypool.active_alerts'),
	'|only 76.00 % of the requests of the last 24 hours carried an API key: 24 of 100 did not'
	  . ' (19 named a user, 0 neither user nor key, 5 were anonymous on purpose)',
	'which says how many requests lack what');
is(sql(q{SELECT details ->> 'requests', details ->> 'with_key', details ->> 'user_without_key',
	details ->> 'anonymous', details ->> 'tracking_rate_percent' FROM keypool.active_alerts}),
	'100|76|19|5|76.0', 'and has the figures apart');

requests(0, 0, 20);
becomes('a very low one is critical', 'tracking_quality tracking critical');
is(sql('SELECT count(*), count(cleared_at) FROM keypool.alert_history'), '2|1',
	'and told anew');

# The table is all there is: a new worker and a new server know it from there.
sql('SELECT pg_terminate_backend(pid) FROM keypool.worker_status');
sleep 3;
$node->restart;
ok(KeypoolCluster::worker($node, 'postgres'), 'a worker runs after a restart');
sleep 3;
is(active(), 'tracking_quality tracking critical', 'the alert is still open');
is(sql('SELECT count(*) FROM keypool.alert_history'), 2, 'and was not repeated');
ok(KeypoolCluster::await(sub {
	my $cycle = sql('SELECT last_cycle_at FROM keypool.worker_status');
	sleep $PAUSE + 1;
	return sql('SELECT last_cycle_at FROM keypool.worker_status') eq $cycle;
}), 'it wakes nobody while nothing is logged');

# Kept a little longer than it takes to raise it: 90 in 100 raise nothing, and end nothing.
my $listener = PsqlSession->new($node);
$listener->ask('LISTEN keypool_alerts');
requests(320, 0, 0);
is(sql(q{SELECT api_key_tracking_quality_report() ->> 'tracking_rate_percent'}), '90.0',
	'the rate is at its limit');
sleep $PAUSE + 3;
is(active(), 'tracking_quality tracking critical', 'which does not end the alert');
requests(200, 0, 0);
becomes('a rate well above it does', '');
my ($payload) = $listener->ask('SELECT 1') =~ /with payload "(.*)" received from/;
my $told = JSON::PP->new->decode($payload // '{}');
is(join(' ', map { $told->{$_} // '' } qw(event kind subject severity)),
	'cleared tracking_quality tracking critical', 'a listener hears of the end');
$listener->close;

unlike(slurp_file($node->logfile), qr/transaction rolled back/,
	'no transaction of the worker failed');
$node->stop;
done_testing();
