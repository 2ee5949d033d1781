# What a provider tells of its own limits, through the headers of its answers, under sixteen sessions
# at once: never more picks than were told, and most of what it allows is used.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Race;
use Test::More;
use Time::HiRes qw(sleep);

my $node = KeypoolCluster::start('told', 'keypool.health_check_interval = 0', 'fsync = off',
	'synchronous_commit = off', 'max_connections = 60');
sub sql { return $node->safe_psql('postgres', $_[0]) }
$Race::SESSIONS = 16;

sql('CREATE EXTENSION pg_keypool');
Race::install($node);

# The same words for a header's name and value, whatever is counted.
sql(q{CREATE FUNCTION said(kind text, remaining bigint, reset text) RETURNS jsonb LANGUAGE sql AS $$
	SELECT jsonb_build_object('x-ratelimit-remaining-' || kind, remaining,
		'x-ratelimit-reset-' || kind, reset) $$});

sub say_left
{
	my ($key, $kind, $remaining, $reset) = @_;
	return sql("SELECT mark_key_success($key, headers => said('$kind', $remaining, '$reset'))");
}

# So many requests.
my $key = Race::add_key($node, 'requests', 'weight => 1');
say_left($key, 'requests', 700, '1h');
Race::press($node, 2, q{SELECT race.pick('requests')});
is(Race::used($node, 'requests'), 700, 'as many picks as were told, and no more');

# So many tokens, by what is estimated; what is used beyond that counts too.
$key = Race::add_key($node, 'tokens', 'weight => 1');
say_left($key, 'tokens', 10000, '1h');
Race::press($node, 2, q{SELECT race.take('tokens', 70, 70)});
is(Race::most_at_once($node, 'tokens'), 70 * int(10000 / 70), 'as many tokens as were told');
$key = Race::add_key($node, 'beyond', 'weight => 1');
say_left($key, 'tokens', 10000, '1h');
Race::press($node, 2, q{SELECT race.take('beyond', 10, 10) AS lease \gset
\if :lease
CALL race.settle(:lease, 25, 25, NULL);
\endif
});
my $used = Race::used($node, 'beyond');
cmp_ok($used, '>=', 10000 - 10, 'what was told is used up');
cmp_ok($used, '<=', 10000 + 16 * 15, 'and by no more than what was under way beyond its estimate');

# Nothing that is told meanwhile, or done to the key, lifts what was told before.
$key = Race::add_key($node, 'louder', 'requests_per_minute => 100000');
say_left($key, 'requests', 400, '1h');
my $race = Race::begin($node, 3, q{SELECT race.pick('louder')},
	qq{SELECT mark_key_success($key, headers => said('requests', 5000, '2h'))},
	qq{SELECT mark_key_success($key, headers => said('requests', 9000, '1s'))},
	qq{SELECT mark_key_error($key, 'bad_request', 400, headers => said('requests', 8000, '3s'))});
for my $round (1 .. 40)
{
	sql("UPDATE keypool.api_keys SET weight = 1 + $round % 3 WHERE id = $key");
	sleep 0.05;
}
Race::finish($race, 'louder words come all the time');
is(Race::used($node, 'louder'), 400, 'the tightest word counts');
say_left($key, 'requests', 9000, '1h');
Race::press($node, 1, q{SELECT race.pick('louder')});
is(Race::used($node, 'louder'), 400, 'to the end');

# A reset ends what was told: five at once, then five more.
$key = Race::add_key($node, 'again', 'weight => 1');
say_left($key, 'requests', 5, '2s');
Race::press($node, 1, q{SELECT race.pick('again')});
is(Race::used($node, 'again'), 5, 'before its reset');
sleep 2;
say_left($key, 'requests', 5, '1h');
Race::press($node, 1, q{SELECT race.pick('again')});
is(Race::used($node, 'again'), 10, 'and after it');

# A provider that counts itself, whose word comes with each logged request. What was under way when
# it first said a word it cannot have counted.
my $limit = 600;
Race::add_key($node, 'counting', 'weight => 1');
sql('CREATE SEQUENCE served');
Race::press($node, 4, qq{SELECT race.take('counting', 1) AS lease \\gset
\\if :lease
SELECT nextval('served') AS n \\gset
SELECT log_request('openai', 'race-model', lease_id => :lease,
	headers => said('requests', greatest($limit - :n, 0), '1h'));
\\endif
});
my $served = sql('SELECT last_value FROM served');
cmp_ok($served, '<=', $limit + 15, 'a provider is asked no more than it said');
cmp_ok($served, '>=', 0.95 * $limit, 'and most of what it allows is used');

# Two keys of one owner, told apart.
my @keys = map { sql("SELECT add_key('openai', 'sk-proj-' || repeat('k', 24) || 'two$_',
	user_id => 'two')") } 1 .. 2;
say_left($keys[0], 'requests', 100, '1h');
say_left($keys[1], 'requests', 250, '1h');
Race::press($node, 2, q{SELECT race.pick('two')});
is(sql(q{SELECT string_agg(picks::text, ' ' ORDER BY key_id)
	FROM keypool.api_keys_overview WHERE owner = 'two'}),
	'100 250', 'each key as much as it was told');
is(sql(q{SELECT count(*) FROM explain_pick('openai', 'two')
	WHERE reason LIKE 'told by the provider that no requests are left until %'}), 2,
	'and each says why it is out');

$node->stop;
done_testing();
