# Budgets under 64 sessions at once: what is settled and what is reserved never pass the limit
# together, what is left can be used, and the sums afterwards are the log's to the nano-dollar.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use FastClock;
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Race;
use Test::More;

my @quiet = ('keypool.health_check_interval = 0', 'fsync = off', 'max_connections = 90');
my $log = 'keypool.chat_completion_requests';

my $node = KeypoolCluster::start('budgets', @quiet);
sub sql { return $node->safe_psql('postgres', $_[0]) }
sub ask { return KeypoolCluster::ask($node, $_[0]) }

# A provider of its own with one system key; the key's id.
sub provide
{
	my ($on, $name) = @_;
	$on->safe_psql('postgres', "INSERT INTO keypool.providers (name, display_name, health_check)
		VALUES ('$name', '$name', false)");
	return $on->safe_psql('postgres', "SELECT add_key('$name', 'secret-of-$name-0123456789')");
}

# The most that was settled and reserved, and that was logged, which a session saw that looked all
# the time.
my $watching = q{
CREATE PROCEDURE race.watch(budget bigint, condition text, seconds int,
	INOUT looks int = 0, INOUT most_held numeric = 0, INOUT most_logged numeric = 0)
LANGUAGE plpgsql AS $$
DECLARE
	ends timestamptz := clock_timestamp() + seconds * interval '1 s';
	held numeric;
	logged numeric;
BEGIN
	WHILE clock_timestamp() < ends LOOP
		SELECT max(spent_usd + reserved_usd) INTO held FROM keypool.budget_accounts() a
		WHERE a.budget_id = budget;
		EXECUTE 'SELECT sum(cost_usd) FROM keypool.chat_completion_requests WHERE ' || condition
		INTO logged;
		looks := looks + 1;
		most_held := greatest(most_held, held);
		most_logged := greatest(most_logged, logged);
		COMMIT;
		PERFORM pg_sleep(0.02);
	END LOOP;
END $$;
};

sql('CREATE EXTENSION pg_keypool');
Race::install($node);
sql($watching);

# A session estimates up to 8 cents, and then uses that or less, or nothing. `who`: provider, user,
# organization and model, as SQL; nobody is ''.
sub spending
{
	my ($what, @who) = @_;
	my ($provider, $user, $organization, $model) = @who;
	return qq{
\\set estimate random(1000000, 80000000)
\\set used random(0, :estimate)
\\set n random(1, 4)
SELECT race.take($what, :estimate / 1e9, NULL, :estimate / 1e9, $provider, $user,
	nullif($organization, ''), nullif($model, '')) AS lease \\gset
\\if :lease = 0
\\sleep 10 ms
\\elif :used % 5 = 0
CALL race.release(:lease);
\\else
CALL race.settle(:lease, :used / 1e9, 10, :used / 1e9, $provider, $model, nullif($user, ''),
	nullif($organization, ''));
\\endif
};
}

sub add_budget
{
	my ($scope, $scope_id, $more) = @_;
	$scope_id = defined $scope_id ? "'$scope_id'" : 'NULL';
	return sql("INSERT INTO keypool.budgets (scope, scope_id, period, limit_usd)
		VALUES ('$scope', $scope_id, $more) RETURNING id");
}

sub remove_budget { return sql("DELETE FROM keypool.budgets WHERE id = $_[0]") }

sub logged { return sql("SELECT coalesce(trim_scale(sum(cost_usd)), 0) FROM $log WHERE $_[0]") }

# The budget's sums in shared memory, and what people see, are what the log says.
sub is_exact
{
	my ($budget, $subject, $where, $name) = @_;
	my $of = "budget_id = $budget AND subject = '$subject'";
	my $truth = logged($where) . '|0';
	is(sql("SELECT trim_scale(spent_usd), trim_scale(reserved_usd) FROM keypool.budget_accounts()
		WHERE $of"), $truth, "$name: spent is the log, reserved is nothing");
	is(sql("SELECT spent_usd, reserved_usd FROM keypool.budget_status WHERE $of"), $truth,
		"$name: and people see the same");
	return;
}

# 64 sessions against one blocking budget, beyond what has been spent before.
sub race
{
	my ($scope, $scope_id, $who, $where) = @_;
	my $room = 4;
	my $limit = $room + logged($where);
	my $budget = add_budget($scope, $scope_id, "'total', $limit");
	my $watcher = PsqlSession->new($node);
	$watcher->send("CALL race.watch($budget, \$\$$where\$\$, 3)");
	Race::press($node, 3, spending("'$scope'", @$who));
	my ($looks, $held, $in_log) = split /\|/, $watcher->answer;
	$watcher->close;
	cmp_ok($looks, '>', 20, "$scope: somebody watched");
	cmp_ok($held, '<=', $limit, "$scope: settled and reserved never over");
	cmp_ok($in_log, '<=', $limit, "$scope: nor the log");
	cmp_ok(Race::most_at_once($node, $scope), '<=', $room, "$scope: nor by what sessions know");
	cmp_ok(Race::used($node, $scope), '>=', 0.95 * $room, "$scope: and the limit can be used");
	cmp_ok(Race::refusals($node, $scope), '>', 64, "$scope: the sessions wanted more");
	is(Race::unjust_refusals($node, $scope, $room, '1 day'), 0,
		"$scope: no refusal for what is left");
	is_exact($budget, $scope_id // '', $where, $scope);
	spend_and_raise($scope, $budget, $who, $where);
	remove_budget($budget);
	return;
}

# What is left is spent to the last nano-dollar, without a lease: then nobody gets a key, until more
# is allowed.
sub spend_and_raise
{
	my ($scope, $budget, $who, $where) = @_;
	my ($provider, $user, $organization, $model) = map { $_ eq q{''} ? 'NULL' : $_ } @$who;
	my $pick = "SELECT count(pick_key($provider, $user, $organization, $model))";
	my $acquire = "SELECT count(lease_id) FROM acquire_key($provider, $user, $organization, $model,
		estimated_cost => 0.01)";
	is(ask($pick), 1, "$scope: pick_key is let through while something is left");
	sql("SELECT log_request($provider, $model, $user, $organization,
		api_key_id => (SELECT id FROM keypool.api_keys WHERE provider = $provider),
		cost_usd => left_usd) FROM keypool.budget_status WHERE budget_id = $budget");
	is_exact($budget, sql("SELECT subject FROM keypool.budget_status WHERE budget_id = $budget"),
		$where, "$scope, all spent");
	# A key that is spent is passed over like any that is at its limit.
	my $refusal = $scope eq 'key' ? 'KP001' : 'KP002';
	like(ask($pick), qr/$refusal.*budget $budget /s, "$scope: pick_key is refused once it is spent");
	like(ask($acquire), qr/$refusal.*budget $budget .*spent.*reserved/s, "$scope: and acquire_key");
	sql("UPDATE keypool.budgets SET limit_usd = limit_usd + 1 WHERE id = $budget");
	is(ask($pick), 1, "$scope: a raised limit lets picks through at once");
	is(ask($acquire), 1, "$scope: and leases");
	return;
}

my %key = map { $_ => provide($node, "by_$_") }
  qw(provider organization user each key model anonymous global);
race('provider', 'by_provider', [ q{'by_provider'}, q{'ann'}, q{''}, q{'m'} ],
	q{provider = 'by_provider'});
race('organization', 'acme', [ q{'by_organization'}, q{'ann'}, q{'acme'}, q{'m'} ],
	q{organization_id = 'acme'});
race('user', 'bob', [ q{'by_user'}, q{'bob'}, q{'acme'}, q{'m'} ], q{user_id = 'bob'});
race('key', $key{key}, [ q{'by_key'}, q{'ann'}, q{''}, q{'m'} ], "api_key_id = $key{key}");
race('model', 'dear', [ q{'by_model'}, q{'ann'}, q{''}, q{'dear'} ], q{model = 'dear'});
race('anonymous', undef, [ q{'by_anonymous'}, q{''}, q{''}, q{'m'} ],
	q{user_id IS NULL AND organization_id IS NULL});
race('global', undef, [ q{'by_global'}, q{'ann'}, q{'acme'}, q{'m'} ], 'true');

# A budget of the same size for each user.
my $each = add_budget('user', '*', q{'total', 1.5});
Race::press($node, 4, spending(q{'each-' || :n}, q{'by_each'}, q{'each-' || :n}, q{''}, q{'m'}));
for my $user (map { "each-$_" } 1 .. 4)
{
	cmp_ok(Race::most_at_once($node, $user), '<=', 1.5, "$user: never over");
	cmp_ok(Race::used($node, $user), '>=', 0.94 * 1.5, "$user: and the limit can be used");
	is(Race::unjust_refusals($node, $user, 1.5, '1 day'), 0, "$user: nobody pays for another");
	is_exact($each, $user, "user_id = '$user'", $user);
}
remove_budget($each);

# A reservation that the caller's transaction took stays when that rolls back, as does one whose
# settlement rolls back: until it is released, or its time is over.
my $some = add_budget('user', 'eve', q{'total', 1});
my $reserved = "SELECT trim_scale(reserved_usd) FROM keypool.budget_accounts() WHERE budget_id = $some";
sub acquire { return "SELECT lease_id FROM acquire_key('by_user', 'eve', estimated_cost => $_[0])" }
my $session = PsqlSession->new($node);
my $lease = $session->ask('BEGIN; ' . acquire(0.6) . '; ROLLBACK');
is(sql($reserved), 0.6, 'a rollback does not give a reservation back');
$session->ask("BEGIN; SELECT log_request('by_user', 'm', 'eve', lease_id => $lease,
	cost_usd => 0.5); ROLLBACK");
is(sql($reserved), 0.6, 'nor does that of the request, which settles nothing');
like(ask(acquire(0.5)), qr/KP002.*0\.6.* reserved/s, 'others are told of it');
sql("SELECT release_key($lease)");
is(sql($reserved), 0, 'its release does');
$node->append_conf('postgresql.conf', q{keypool.lease_timeout = '1s'});
$node->reload;
$session->ask('SELECT pg_sleep(0.2)');
$session->ask('BEGIN; ' . acquire(1) . '; ROLLBACK');
like(ask(acquire(0.5)), qr/KP002/, 'a lease that nobody knows any more holds it all');
ok(KeypoolCluster::await(sub { return ask(acquire(0.5)) =~ /^\d+$/ }),
	'until keypool.lease_timeout has passed');
$session->close;
$node->stop;

# Hours and rolling windows that end while sessions race: six hours in three seconds and a half.
my $hours = FastClock::start(6000, 'hours', @quiet, q{keypool.lease_timeout = '1d'});
$hours->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
Race::install($hours);
provide($hours, $_) for qw(by_hour by_rolling);
my $budgets = q{INSERT INTO keypool.budgets (scope, scope_id, period, rolling_window, limit_usd)
	VALUES ('provider', 'by_hour', 'hour', NULL, 1),
	       ('provider', 'by_rolling', 'rolling', '6 hours', 3)};
$hours->safe_psql('postgres', $budgets);
Race::press($hours, 9, spending(q{'hour'}, q{'by_hour'}, q{'ann'}, q{''}, q{'m'}),
	spending(q{'rolling'}, q{'by_rolling'}, q{'ann'}, q{''}, q{'m'}));
my $by_hour = qq{SELECT count(*) > 5, max(cost) <= 1, max(cost) >= 0.95 FROM (
	SELECT sum(cost_usd) AS cost
	FROM $log WHERE provider = 'by_hour' GROUP BY date_trunc('hour', created_at)) AS hours};
is($hours->safe_psql('postgres', $by_hour), 't|t|t', 'no hour passes its budget, many use it');
my $rolling = qq{SELECT max(cost) <= 3, max(cost) >= 0.95 * 3, sum(cost_usd) > 4 FROM (
	SELECT cost_usd, sum(cost_usd) OVER (ORDER BY created_at
	  RANGE BETWEEN CURRENT ROW AND interval '6 hours' FOLLOWING) AS cost
	FROM $log WHERE provider = 'by_rolling') AS windows};
is($hours->safe_psql('postgres', $rolling), 't|t|t', 'nor any six hours theirs');
is($hours->safe_psql('postgres', q{
	SELECT s.subject, s.spent_usd, a.spent_usd, s.reserved_usd, s.period_start, now()
	FROM keypool.budget_status s JOIN keypool.budget_accounts() a USING (budget_id)
	WHERE s.spent_usd <> a.spent_usd OR s.reserved_usd <> 0}), '',
	'and the running sums are what the books and the log say');
$hours->stop;
done_testing();
