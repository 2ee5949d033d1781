# What goes wrong is told once, to the table and to whoever listens, until it is over; whatever ends
# the worker or the server neither repeats an alert nor forgets one.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use IPC::Run ();
use JSON::PP ();
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = KeypoolCluster::start('alerts', 'restart_after_crash = on',
	q{keypool.health_check_interval = '1h'}, 'keypool.validate_format = off');

sub sql { return $node->safe_psql('postgres', $_[0]) }

# The alerts that are open, as `kind subject severity`.
sub active
{
	return sql(q{
		SELECT string_agg(concat_ws(' ', kind, subject, severity), ', ' ORDER BY kind, subject)
		FROM keypool.alerts WHERE cleared_at IS NULL});
}

# Waits until exactly these are open.
sub becomes
{
	my ($name, @alerts) = @_;
	my $wanted = join ', ', @alerts;
	KeypoolCluster::await(sub { active() eq $wanted });
	return is(active(), $wanted, $name);
}

# How often each cause was raised so far.
sub history
{
	return sql(q{
		SELECT string_agg(cause || ' ' || n, ', ' ORDER BY cause) FROM (
		  SELECT concat_ws(' ', kind, subject) AS cause, count(*) AS n
		  FROM keypool.alerts GROUP BY 1) c});
}

# A session that listens, and what it has heard so far.
sub listener
{
	my %session = (in => "LISTEN keypool_alerts;\n\\echo listening\n", out => '', err => '');
	$session{process} = IPC::Run::start(
		['psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres')],
		'<', \$session{in}, '>', \$session{out}, '2>', \$session{err},
		IPC::Run::timeout($KeypoolCluster::PATIENCE));
	$session{process}->pump until $session{out} =~ /listening/;
	return \%session;
}
sub heard
{
	my ($session) = @_;
	$session->{in} .= "SELECT 1;\n\\echo told\n\\q\n";
	$session->{process}->finish;
	my $json = JSON::PP->new;    # not utf8: everything else here is bytes as well
	return map { $json->decode($_) } $session->{out} =~ /with payload "(.*)" received from/g;
}
# Those about one cause, as `event severity`.
sub events
{
	my ($kind, $subject, @heard) = @_;
	return join ', ', map { "$_->{event} $_->{severity}" }
	  grep { $_->{kind} eq $kind && $_->{subject} eq $subject } @heard;
}

# An outage is thought to last until the next round of checks, which finds nothing to check here.
sql('CREATE EXTENSION pg_keypool');
sql('UPDATE keypool.providers SET health_check = false');
sql(q{
	SELECT add_key('openai', 'sk-first-secret-' || repeat('a', 40));
	SELECT add_key('openai', 'sk-second-secret-' || repeat('b', 40))});
ok(KeypoolCluster::worker($node, 'postgres'), 'a worker runs');
my $listener = listener();

# A key that turns unhealthy.
sql(q{SELECT mark_key_error(1, 'invalid_api_key', 401)});
becomes('a key that is refused raises an alert', 'key_unhealthy key:1 critical');
my $hint = sql('SELECT hint FROM keypool.api_keys WHERE id = 1');
is(sql('SELECT key_id, provider, hint, message FROM keypool.active_alerts'),
	"1|openai|$hint|key 1 openai/primary ($hint) is unhealthy: the provider does not accept it"
	  . ' (401 invalid_api_key)', 'which names the key by its hint');
is(sql(q{SELECT details ->> 'class', details ->> 'http_status' FROM keypool.active_alerts}),
	'credential|401', 'and has the figures apart');
for (1 .. 5) {
	sql(q{SELECT mark_key_error(1, 'invalid_api_key', 401)});
	sleep 0.3;
}
is(history(), 'key_unhealthy key:1 1', 'the same trouble is not told twice');

# A pool without a key.
sql(q{SELECT mark_key_error(2, 'rate_limit', 429, interval '1 hour')});
becomes('so does a pool whose last key cools', 'key_unhealthy key:1 critical',
	'pool_exhausted provider:openai critical');
like(sql(q{SELECT message FROM keypool.active_alerts WHERE kind = 'pool_exhausted'}),
	qr/^no system key for openai can be picked: 1 unhealthy, 1 cooling; .* back in 59 minutes$/,
	'which says why');
sql(q{SELECT add_key('openai', 'sk-third-secret-' || repeat('c', 40))});
becomes('a new key ends it', 'key_unhealthy key:1 critical');
sql(q{
	SELECT add_key('openai', 'sk-acme-' || repeat('d', 40), organization_id => 'acme');
	SELECT mark_key_error(4, 'insufficient_quota', 429)});
becomes('an organization has a pool of its own', 'key_unhealthy key:1 critical',
	'key_unhealthy key:4 warning', 'pool_exhausted provider:openai/organization:acme critical');
sql(q{
	SELECT rotate_key(1, 'sk-fresh-secret-' || repeat('e', 40));
	SELECT revoke_key(4)});
becomes('a rotation and a revocation end what was wrong with the old keys', '');
is(sql('SELECT count(*), count(cleared_at), bool_and(duration >= interval \'0\')'
	  . ' FROM keypool.alert_history'), '4|4|t', 'all is in the history');

# A key that fails too often, though not so that it is taken out.
sql(q{
	SELECT mark_key_success(3) FROM generate_series(1, 8);
	SELECT mark_key_error(3, 'odd', 418)});
sleep 1.5;
is(active(), '', 'less than ten outcomes raise nothing');
sql(q{SELECT mark_key_error(3, 'odd', 418) FROM generate_series(1, 3)});
becomes('a high share of errors raises an alert', 'error_rate key:3 warning');
like(sql('SELECT message FROM keypool.active_alerts'),
	qr/fails too often: 4 of its last 12 requests \(33.3 %, keypool.error_rate_alert is 20 %\)/,
	'which says how high');
sql(q{SELECT mark_key_success(3) FROM generate_series(1, 20)});
becomes('and ends when it falls', '');

# A key left aside.
$node->append_conf('postgresql.conf', "keypool.unused_key_alert = '2s'");
sql(q{
	UPDATE keypool.providers SET strategy = 'single' WHERE name = 'anthropic';
	SELECT add_key('anthropic', 'sk-ant-used-' || repeat('f', 40));
	SELECT add_key('anthropic', 'sk-ant-spare-' || repeat('g', 40));
	SELECT pg_reload_conf()});
sleep 2.2;
is(active(), '', 'where nothing is used nothing is unused');
sql(q{SELECT length(pick_key('anthropic'))});
becomes('a key that others are picked before raises an alert', 'unused_key key:6 info');
sql('UPDATE keypool.api_keys SET enabled = false WHERE id = 6');
becomes('until it is disabled', '');

# A provider that is out of order.
sql(q{
	SELECT add_key('groq', 'gsk_one' || repeat('h', 40));
	SELECT add_key('groq', 'gsk_two' || repeat('i', 40));
	SELECT mark_key_error(7, 'timeout'), mark_key_error(8, 'timeout');
	SELECT mark_key_error(7, 'timeout'), mark_key_error(8, 'timeout')});
becomes('a provider most of whose keys fail raises one alert, and its keys none',
	'provider_outage provider:groq critical');
sql('SELECT mark_key_success(7)');
becomes('a success ends it', '');

# What was said aloud.
my @heard = heard($listener);
is(events('key_unhealthy', 'key:1', @heard), 'raised critical, cleared critical',
	'a listener hears of the begin and the end, once');
is(events('pool_exhausted', 'provider:openai', @heard), 'raised critical, cleared critical',
	'of pools');
is(events('error_rate', 'key:3', @heard), 'raised warning, cleared warning', 'of rates');
is(events('unused_key', 'key:6', @heard), 'raised info, cleared info', 'of unused keys');
is(events('provider_outage', 'provider:groq', @heard), 'raised critical, cleared critical',
	'and of outages');
is(join(',', sort { $a <=> $b } map { $_->{alert_id} } grep { $_->{event} eq 'raised' } @heard),
	sql('SELECT string_agg(id::text, \',\' ORDER BY id) FROM keypool.alerts'),
	'of every alert by its id');
my @told = grep { $_->{kind} eq 'key_unhealthy' && $_->{subject} eq 'key:1' } @heard;
is($told[0]{message}, sql('SELECT message FROM keypool.alerts WHERE id = 1'), 'in the same words');
unlike(join("\n", map { $_->{message} } @heard), qr/secret|repeat|(.)\1{7}/, 'without a secret');

# One of each kind that lasts, a user's key among them, and then the end of everything.
sql(q{
	SELECT add_key('openai', 'sk-user-' || repeat('j', 40), user_id => 'u1');
	SELECT mark_key_error(9, 'invalid_api_key', 401);
	SELECT mark_key_error(7, 'invalid_api_key', 401), mark_key_error(8, 'insufficient_quota', 429);
	SELECT mark_key_error(3, 'odd', 418) FROM generate_series(1, 30);
	SELECT add_key('deepseek', 'sk-one' || repeat('k', 40));
	SELECT add_key('deepseek', 'sk-two' || repeat('l', 40));
	SELECT mark_key_error(10, 'timeout'), mark_key_error(11, 'timeout');
	SELECT mark_key_error(10, 'timeout'), mark_key_error(11, 'timeout');
	UPDATE keypool.api_keys SET enabled = true WHERE id = 6;
	SELECT length(pick_key('anthropic'))});
my @lasting = ('error_rate key:3 warning', 'key_unhealthy key:7 critical',
	'key_unhealthy key:8 warning', 'key_unhealthy key:9 critical',
	'pool_exhausted provider:groq critical', 'provider_outage provider:deepseek critical',
	'unused_key key:6 info');
becomes('one of each kind is open', @lasting);
# What the pool knows of the keys must have been written down, which happens every second.
ok(KeypoolCluster::await(sub {
	return sql(q{SELECT count(*) FROM keypool.key_state
		WHERE state = 'unhealthy' AND key_id IN (7, 8, 9)}) == 3;
}), 'the worker has written the state of the keys');
my $before = history();
my $worker = KeypoolCluster::worker($node, 'postgres');

sub survives
{
	my ($what) = @_;
	$worker = KeypoolCluster::worker($node, 'postgres', $worker);
	ok($worker, "a worker runs after $what");
	sleep 2.5;
	is(active(), join(', ', @lasting), "$what forgets no alert");
	is(history(), $before, 'and repeats none');
	return;
}

sql("SELECT pg_terminate_backend($worker)");
survives('the end of the worker');
kill 'KILL', $worker;
KeypoolCluster::await(sub { $node->psql('postgres', 'SELECT 1', stderr => \my $e) != 0 });
ok($node->poll_query_until('postgres', 'SELECT true'), 'the server comes back from a crash');
survives('a crash');
$node->restart;
survives('a restart');

sql(q{SELECT revoke_key(9), revoke_key(7)});
sql(q{SELECT rotate_key(8, 'gsk_new' || repeat('m', 40))});
sql(q{SELECT mark_key_success(10)});
sql(q{UPDATE keypool.api_keys SET enabled = false WHERE id = 6});
sql(q{SELECT mark_key_success(3) FROM generate_series(1, 10)});
becomes('all of it still ends', '');
is(history(), $before, 'with the rows that were there');

# Bookkeeping that costs nothing: no row is rewritten while an alert lasts, an idle worker sleeps.
sql(q{SELECT mark_key_error(2, 'invalid_api_key', 401)});
becomes('an alert is open', 'key_unhealthy key:2 critical');
sql(q{SELECT mark_key_success(3)}), sleep 0.5 for 1 .. 5;
is(sql('SELECT bool_and(last_seen_at = raised_at) FROM keypool.alerts'), 't',
	'an alert that lasts is not rewritten at every look');
ok(KeypoolCluster::await(sub {
	my $cycle = sql('SELECT last_cycle_at FROM keypool.worker_status');
	sleep 3;
	return sql('SELECT last_cycle_at FROM keypool.worker_status') eq $cycle;
}), 'nothing wakes the worker while nothing happens');

# A long history.
sql(q{
	INSERT INTO keypool.alerts (kind, subject, severity, message, raised_at, cleared_at)
	SELECT 'key_unhealthy', 'key:' || n % 1000, 'critical', 'of old',
	       now() - n * interval '1 minute', now() - n * interval '1 minute' + interval '30 s'
	FROM generate_series(1, 1000000) n});
for my $state ('unanalyzed', 'analyzed') {
	my $plan = sql(q{EXPLAIN SELECT id FROM keypool.alerts
		WHERE cleared_at IS NULL AND kind = ANY (ARRAY['key_unhealthy', 'error_rate'])});
	unlike($plan, qr/Seq Scan/, "open alerts are found by index among a million, $state");
	$plan = sql('EXPLAIN SELECT * FROM keypool.alert_history LIMIT 20');
	unlike($plan, qr/Seq Scan on alerts/, "and so are the latest, $state");
	sql('ANALYZE keypool.alerts');
}
sql(q{SELECT rotate_key(2, 'sk-again-' || repeat('n', 40))});
my $seconds = KeypoolCluster::seconds(sub { becomes('an alert ends as it did before', '') });
cmp_ok($seconds, '<', 10, 'and as soon');

unlike(slurp_file($node->logfile), qr/transaction rolled back/, 'no transaction of the worker failed');
$node->stop;
done_testing();
