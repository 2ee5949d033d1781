# A live check understands every row of the failure table, in the words of each provider's dialect,
# and what it finds is what picks heed.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StandIn;
use Test::More;

my $provider = StandIn->start;
my $node = KeypoolCluster::start('verdicts', 'keypool.health_check_interval = 0',
	'keypool.request_timeout = 2s');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
KeypoolCluster::worker($node, 'postgres');

sub sql { return $node->safe_psql('postgres', $_[0]) }

my %secret_of = (
	openai => sub { sprintf 'sk-check-%020d', $_[0] },
	anthropic => sub { sprintf 'sk-ant-check-%012d', $_[0] },
	gemini => sub { sprintf 'AIza%035d', $_[0] },
	deepseek => sub { sprintf 'sk-%032d', $_[0] },
	azure_openai => sub { sprintf '%032d', $_[0] });
sql("UPDATE keypool.providers SET base_url = '" . $provider->base_url($_) . "' WHERE name = '$_'")
  for keys %secret_of;

my $number = 0;

# A new key of that provider: its id and its secret.
sub new_key
{
	my ($name) = @_;
	my $secret = $secret_of{$name}->(++$number);
	return (sql("SELECT add_key('$name', '$secret', name => 'key $number')"), $secret);
}

sub check
{
	my ($id) = @_;
	return sql("SELECT healthy, status, http_status FROM check_key($id)");
}

sub state { return sql("SELECT state FROM keypool.api_keys_overview WHERE key_id = $_[0]") }

# Whether picks give that secret, once the back-off is over that a busy provider asked for above.
sub is_picked
{
	my ($secret, $more) = @_;
	return KeypoolCluster::await(sub {
		my $code = $node->psql('postgres', "SELECT pick_key('openai'" . ($more // '') . ')',
			stdout => \my $out, stderr => \my $err);
		return $code == 0 && $out eq $secret });
}

# provider, what the stand-in does, status of the check, HTTP status, state of the key afterwards
my @TABLE = (
	[ 'openai', 'ok', 'ok', 200, 'healthy' ],
	[ 'anthropic', 'ok', 'ok', 200, 'healthy' ],
	[ 'gemini', 'ok', 'ok', 200, 'healthy' ],
	[ 'azure_openai', 'ok', 'ok', 200, 'healthy' ],
	[ 'openai', 'bad_request', 'caller_fault', 400, 'healthy' ],
	[ 'anthropic', 'bad_request', 'caller_fault', 400, 'healthy' ],
	[ 'openai', 'refuse', 'credential', 401, 'unhealthy' ],
	[ 'anthropic', 'refuse', 'credential', 401, 'unhealthy' ],
	[ 'gemini', 'refuse', 'credential', 400, 'unhealthy' ],
	[ 'azure_openai', 'refuse', 'credential', 401, 'unhealthy' ],
	[ 'openai', 'permission', 'credential', 403, 'unhealthy' ],
	[ 'anthropic', 'permission', 'credential', 403, 'unhealthy' ],
	# A restricted key is known to the provider: it may chat and not list models.
	[ 'openai', 'restricted', 'ok', 403, 'healthy' ],
	[ 'openai', 'quota', 'quota', 429, 'unhealthy' ],
	[ 'openai', { kind => 'quota', form => 'billing_limit' }, 'quota', 400, 'unhealthy' ],
	[ 'anthropic', 'quota', 'quota', 400, 'unhealthy' ],
	[ 'deepseek', 'quota', 'quota', 402, 'unhealthy' ],
	[ 'openai', 'rate_limit', 'rate_limit', 429, 'cooling' ],
	[ 'anthropic', 'rate_limit', 'rate_limit', 429, 'cooling' ],
	[ 'gemini', { kind => 'rate_limit', retry_after => 34 }, 'rate_limit', 429, 'cooling' ],
	[ 'openai', 'overloaded', 'overloaded', 503, 'healthy' ],
	[ 'anthropic', 'overloaded', 'overloaded', 529, 'healthy' ],
	(map { [ 'openai', { kind => 'error', status => $_ }, 'transient', $_, 'healthy' ] }
		408, 500, 502, 503, 504),
	[ 'openai', 'drop', 'transient', 200, 'healthy' ],
	[ 'openai', 'hang', 'transient', '', 'healthy' ],
	[ 'openai', 'model_not_found', 'model_access', 404, 'healthy' ],
	[ 'openai', 'region_blocked', 'region_blocked', 403, 'unhealthy' ],
	[ 'gemini', 'region_blocked', 'region_blocked', 400, 'unhealthy' ],
	[ 'openai', 'redirect', 'unknown', 302, 'healthy' ],
	[ 'openai', 'garbage', 'unknown', 200, 'healthy' ]);

for my $row (@TABLE)
{
	my ($name, $behaviour, $status, $http, $state) = @$row;
	my $what = "$name: " . (ref $behaviour ? join(' ', %$behaviour) : $behaviour);
	my ($id, $secret) = new_key($name);
	$provider->tell(key => $secret, behaviour => $behaviour);
	my $healthy = $status eq 'ok' ? 't' : 'f';
	is(check($id), "$healthy|$status|$http", $what);
	is(state($id), $state, "$what leaves the key $state");
	is(sql("SELECT check_status FROM keypool.key_state WHERE key_id = $id"), $status,
		"$what is written down");
	# The next row's keys start without the memory of this one's.
	sql("SELECT revoke_key($id)");
}
is($provider->violations, 0, 'no request did what none should');

subtest 'a refused key comes back when it is accepted again' => sub {
	my ($id, $secret) = new_key('openai');
	$provider->tell(key => $secret, behaviour => 'refuse');
	check($id);
	is(state($id), 'unhealthy', 'out');
	isnt($node->psql('postgres', "SELECT pick_key('openai')"), 0, 'and not picked');
	$provider->forget;
	is(check($id), 't|ok|200', 'accepted');
	is(state($id), 'healthy', 'back');
	ok(is_picked($secret), 'and picked');
	sql("SELECT revoke_key($id)");
};

subtest 'a check shows that the credential works, not that there is quota' => sub {
	my ($id, $secret) = new_key('openai');
	$provider->tell(key => $secret, behaviour => 'quota', times => 1);
	check($id);
	is(state($id), 'unhealthy', 'out of quota');
	check($id);
	is(state($id), 'half_open', 'one request may try');
	sql("SELECT revoke_key($id)");
};

subtest 'a check never shortens a cooldown' => sub {
	my ($id, $secret) = new_key('openai');
	$provider->tell(key => $secret, behaviour => { kind => 'rate_limit', retry_after => 100 },
		times => 1);
	check($id);
	my $until = sql("SELECT cooldown_until FROM keypool.api_keys_overview WHERE key_id = $id");
	is(sql("SELECT timestamptz '$until' - now() BETWEEN interval '90 s' AND '101 s'"), 't',
		'the deadline is the provider\'s');
	is(check($id), 't|ok|200', 'the credential works');
	is(state($id), 'cooling', 'but it cools on');
	is(sql("SELECT cooldown_until FROM keypool.api_keys_overview WHERE key_id = $id"), $until,
		'until the same moment');
	sql("SELECT revoke_key($id)");
};

subtest 'keys that are not in the pool are judged alike' => sub {
	my $secret = $secret_of{openai}->(++$number);
	my $id = sql("SELECT add_key('openai', '$secret', user_id => 'idle')");
	$provider->tell(key => $secret, behaviour => 'refuse');
	check($id);
	is(state($id), 'unhealthy', 'a user\'s key that nobody uses');
	isnt($node->psql('postgres', "SELECT pick_key('openai', user_id => 'idle')"), 0,
		'is not picked when its user comes');
	$provider->forget;
	check($id);
	ok(is_picked($secret, q{, user_id => 'idle'}), 'until it is accepted again');
	sql("SELECT revoke_key($id)");
};

subtest 'a key that cannot be asked says why' => sub {
	my $none = sql(q{SELECT add_key('perplexity', 'pplx-abcdefghijkl')});
	like(sql("SELECT healthy IS NULL, status, error FROM check_key($none)"),
		qr/^t\|not_checkable\|.*no check that is free/, 'no free check');
	my ($id) = new_key('openai');
	sql("UPDATE keypool.api_keys SET enabled = false WHERE id = $id");
	is(sql("SELECT status FROM check_key($id)"), 'disabled', 'disabled');
	sql("UPDATE keypool.api_keys SET enabled = true, expires_at = now() WHERE id = $id");
	is(sql("SELECT status FROM check_key($id)"), 'expired', 'expired');
	my ($gone) = new_key('openai');
	sql("SELECT revoke_key($gone)");
	is(sql("SELECT status FROM check_key($gone)"), 'revoked', 'revoked');

	my ($swapped) = new_key('openai');
	my ($other) = new_key('openai');
	sql("SET session_replication_role = replica;
		UPDATE keypool.api_keys SET envelope = (SELECT envelope FROM keypool.api_keys
		WHERE id = $other) WHERE id = $swapped");
	like(sql("SELECT healthy, status, error FROM check_key($swapped)"),
		qr/^f\|decryption_failed\|.*$swapped/, 'an envelope that does not open');
	is(check($other), 't|ok|200', 'which is no trouble for others');
};

done_testing();
