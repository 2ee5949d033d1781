# What is nearly used up is told: a key's limits at 80 %, a budget at 80 % and when it is spent, for
# each user and organization of its own.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use JSON::PP ();
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use StandIn;
use Test::More;
use Time::HiRes qw(sleep);

my $receiver = StandIn->start;
my $node = KeypoolCluster::start('limit_alerts', q{keypool.health_check_interval = 0});
sub sql { return $node->safe_psql('postgres', $_[0]) }

# What is open of limits and budgets, as `kind subject severity`.
sub active
{
	return sql(q{
		SELECT string_agg(concat_ws(' ', kind, subject, severity), ', ' ORDER BY kind, subject)
		FROM keypool.alerts WHERE cleared_at IS NULL AND kind ~ '^(rate_limit|budget)'});
}
sub becomes
{
	my ($name, @alerts) = @_;
	my $wanted = join ', ', @alerts;
	KeypoolCluster::await(sub { active() eq $wanted });
	return is(active(), $wanted, $name);
}
sub spend
{
	my ($who, $id, $dollars) = @_;
	sql("INSERT INTO keypool.chat_completion_requests (provider, model, $who, cost_usd)
		VALUES ('openai', 'gpt-4', '$id', $dollars)");
	return;
}

sql('CREATE EXTENSION pg_keypool');
ok(KeypoolCluster::worker($node, 'postgres'), 'a worker runs');
sql("SELECT add_webhook('" . $receiver->hook_url('money') . "', 'a-secret-of-some-length',
	ARRAY['budget_warning', 'budget_spent'])");
my $listener = PsqlSession->new($node);
$listener->ask('LISTEN keypool_alerts');

# Limits of keys.
sql(q{
	SELECT add_key('openai', 'sk-limited-hour-' || repeat('a', 40), rate_limit => 10);
	SELECT add_key('groq', 'gsk_minute' || repeat('b', 40), requests_per_minute => 10);
	SELECT add_key('mistral', repeat('c0', 16), daily_cost_limit => 5);
	SELECT add_key('openai', 'sk-user-' || repeat('d', 40), user_id => 'u9', rate_limit => 10);
	SELECT count(pick_key('openai')) FROM generate_series(1, 7);
	SELECT count(pick_key('groq')) FROM generate_series(1, 10)});
sleep 2.5;
is(active(), '', 'seven of ten requests an hour raise nothing, nor does a minute that is full');
sql(q{SELECT length(pick_key('openai'))});
becomes('the eighth raises an alert', 'rate_limit key:1 warning');
like(sql(q{SELECT message FROM keypool.active_alerts WHERE kind = 'rate_limit'}),
	qr/^key 1 openai.* has used 8 of its 10 requests an hour \(80 %, .*\); left alone, .* in \d+ minutes$/,
	'that says which limit, how much of it, and until when');
is(sql(q{SELECT key_id, provider, details ->> 'limit_name', details ->> 'used', details ->> 'limit',
		(details ->> 'seconds_until_reset')::int BETWEEN 3400 AND 4000
	FROM keypool.active_alerts WHERE kind = 'rate_limit'}), '1|openai|rate_limit|8|10|t',
	'and has the figures apart');
sql(q{SELECT count(pick_key('openai', 'u9')) FROM generate_series(1, 9)});
becomes("a user's key has limits too", 'rate_limit key:1 warning', 'rate_limit key:4 warning');
sql(q{INSERT INTO keypool.chat_completion_requests (provider, model, api_key_id, cost_usd)
	VALUES ('mistral', 'm', 3, 4.5)});
becomes('so has the money of a day', 'rate_limit key:1 warning', 'rate_limit key:3 warning',
	'rate_limit key:4 warning');
like(sql(q{SELECT message FROM keypool.active_alerts WHERE key_id = 3}),
	qr/has used \$4.5 of its \$5 a day \(90 %/, 'in dollars');
sql('UPDATE keypool.api_keys SET rate_limit = 1000 WHERE id IN (1, 4)');
becomes('a higher limit ends it', 'rate_limit key:3 warning');
sql('UPDATE keypool.api_keys SET daily_cost_limit = NULL WHERE id = 3');
becomes('and so does none', '');

# Budgets.
sql(q{
	INSERT INTO keypool.budgets (id, name, scope, scope_id, period, limit_usd, action) VALUES
		(1, 'each user', 'user', '*', 'day', 10, 'warn'),
		(2, 'each team', 'organization', '*', 'month', 100, 'block'),
		(3, NULL, 'global', NULL, 'total', 1000, 'warn')});
spend('user_id', 'u1', '7.99');
spend('user_id', 'u2', '8.00');
becomes('a budget is told of at 80 %, for the user who has spent it',
	'budget_warning budget:1/user:u2 warning');
like(sql(q{SELECT message FROM keypool.active_alerts WHERE kind = 'budget_warning'}),
	qr/^budget 1 \(each user\) of user u2 is running out: \$8 of \$10 a day \(80 %, .*; it starts anew in /,
	'which says whose it is');
spend('user_id', 'u1', '5');
becomes('one that is spent is told of as spent', 'budget_spent budget:1/user:u1 critical',
	'budget_warning budget:1/user:u2 warning');
spend('organization_id', 'acme', '85');
spend('organization_id', 'zeta', '100');
becomes('organizations have theirs', 'budget_spent budget:1/user:u1 critical',
	'budget_spent budget:2/organization:zeta critical', 'budget_warning budget:1/user:u2 warning',
	'budget_warning budget:2/organization:acme warning');
spend('user_id', 'u2', '4');
becomes('who was warned is told when nothing is left', 'budget_spent budget:1/user:u1 critical',
	'budget_spent budget:1/user:u2 critical', 'budget_spent budget:2/organization:zeta critical',
	'budget_warning budget:1/user:u2 warning', 'budget_warning budget:2/organization:acme warning');
is(sql(q{SELECT details ->> 'scope', details ->> 'subject', details ->> 'spent_usd',
		details ->> 'limit_usd', details ->> 'action'
	FROM keypool.active_alerts WHERE kind = 'budget_spent' AND message ~ 'user u2'}),
	'user|u2|12.0|10.0|warn', 'with the figures apart');
like(sql('SELECT prometheus_metrics()'), qr/keypool_alerts\{kind="budget_spent"[^}]*\} 3\b/,
	'the metrics count them');

my @heard = map { JSON::PP->new->decode($_) }
  $listener->ask('SELECT 1') =~ /with payload "(.*)" received from/g;
is(scalar(grep { $_->{event} eq 'raised' && $_->{subject} eq 'budget:1/user:u2' } @heard), 2,
	'a listener hears of both');
ok((grep { $_->{kind} eq 'rate_limit' && $_->{event} eq 'cleared' } @heard) == 3,
	'and of limits');
$listener->close;

# The same after restarts, and none twice.
my $open = active();
my $told = sql('SELECT count(*) FROM keypool.alerts');
sql('SELECT pg_terminate_backend(pid) FROM keypool.worker_status');
sleep 3;
is(active(), $open, 'another worker forgets none');
$node->restart;
ok(KeypoolCluster::worker($node, 'postgres'), 'a worker runs after a restart');
sleep 3;
is(active(), $open, 'nor does another server');
is(sql('SELECT count(*) FROM keypool.alerts'), $told, 'and none is repeated');
ok(KeypoolCluster::await(sub {
	my $cycle = sql('SELECT last_cycle_at FROM keypool.worker_status');
	sleep 3;
	return sql('SELECT last_cycle_at FROM keypool.worker_status') eq $cycle;
}), 'nothing wakes the worker while nothing is spent');

# An end.
sql('UPDATE keypool.budgets SET limit_usd = 50 WHERE id = 1');
becomes('a larger budget ends its alerts', 'budget_spent budget:2/organization:zeta critical',
	'budget_warning budget:2/organization:acme warning');
sql(q{DELETE FROM keypool.chat_completion_requests WHERE organization_id = 'zeta'});
spend('user_id', 'u3', '0.01');
becomes('so does money that was not spent after all',
	'budget_warning budget:2/organization:acme warning');
sql('DELETE FROM keypool.budgets');
becomes('and the end of the budget', '');

# Posted as well.
ok(KeypoolCluster::await(sub {
	sql('SELECT count(*) FROM keypool.webhook_deliveries WHERE next_attempt_at IS NOT NULL') eq '0'
}), 'all of it was posted');
my @posts = map { JSON::PP->new->decode($_->{body}) } $receiver->posts(hook => 'money');
is(scalar(@posts), sql(q{SELECT count(*) + count(cleared_at) FROM keypool.alerts
	WHERE kind ~ '^budget'}), 'each event once');
is(scalar(grep { $_->{alert}{kind} !~ /^budget/ } @posts), 0, 'to the webhook that wants budgets');

unlike(slurp_file($node->logfile), qr/transaction rolled back/,
	'no transaction of the worker failed');
$node->stop;
done_testing();
