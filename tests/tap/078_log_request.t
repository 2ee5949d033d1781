# A request that was made is logged whatever else is wrong: no root key, no room in the pool, a lease
# long over, a log that somebody has added to. And what was handed in with it shows up nowhere.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('log', 'keypool.health_check_interval = 0',
	'keypool.max_keys = 64', 'keypool.lease_timeout = 1s', 'keypool.lookup_attempts = 0',
	'log_statement = none', 'log_min_error_statement = debug5');
sub sql { return $node->safe_psql('postgres', $_[0]) }
sub ask { return KeypoolCluster::ask($node, @_) }

my $secret = 'sk-proj-pppppppppppppppppppppppp';
sql('CREATE EXTENSION pg_keypool');
my $key = sql("SELECT add_key('openai', '${secret}0001', user_id => 'u')");

# The last row logged: these columns.
sub last_row
{
	return sql("SELECT $_[0] FROM keypool.chat_completion_requests ORDER BY id DESC LIMIT 1");
}

# --- a lease that is over
my $lease = sql(q{SELECT lease_id FROM acquire_key('openai', 'u')});
ok(KeypoolCluster::await(sub { return sql("SELECT in_flight FROM keypool.api_keys_overview") eq '0' }),
	'a lease is ended by the clock');
is(ask("SELECT log_request('openai', 'gpt-4', lease_id => $lease, input_tokens => 9) > 0"), 't',
	'its request comes later, and nothing is wrong');
is(last_row('api_key_id, user_id'), "$key|u", 'it is known whose key it was');
is(sql('SELECT requests, tokens, in_flight FROM keypool.api_keys_overview'), '1|9|0',
	'counted once, and no lease is given back twice');

# --- no root key: a session that has to read it finds none
my $root = $node->data_dir . '/pg_keypool.root_key';
rename $root, "$root.away" or die;
like(ask("SELECT log_request('openai', 'gpt-4', 'u', api_key => '${secret}0001') > 0"),
	qr/WARNING:  KP005: api_key cannot be looked up: .*\nDETAIL:  The request is logged without a key/,
	'without a root key no secret can be looked up, which is said');
is(last_row('user_id, api_key_id, api_key_fingerprint, is_anonymous'), 'u|||f',
	'and the request is logged all the same, as one that lost its key');
is(sql(q{SELECT value FROM keypool.tracking_counts() WHERE kind = 'lookups' AND label = 'error'}),
	1, 'the failed lookup is counted as what it was');
rename "$root.away", $root or die;

# --- a pool without room for one more key
sql(q{SELECT count(add_key('openai', 'sk-proj-' || repeat('q', 24) || to_char(n, 'FM0000')))
	FROM generate_series(1, 64) AS n});
my $other = sql("SELECT add_key('anthropic', 'sk-ant-api03-pppppppppppppppp', user_id => 'v')");
$node->restart;
is(ask("SELECT log_request('anthropic', 'claude-3', api_key_id => $other, input_tokens => 7) > 0"),
	't', 'a key that the pool has no room for serves as well');
is(last_row('key_source, user_id'), 'user|v', 'its row says whose it is');
is(sql("SELECT requests, tokens FROM keypool.api_keys_overview WHERE key_id = $other"), '1|7',
	'and it counts');

# --- a log that somebody has added to
sql(q{CREATE TABLE seen (model text);
CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.seen VALUES (NEW.model);
  RETURN NEW;
END $$;
CREATE TRIGGER see BEFORE INSERT ON keypool.chat_completion_requests
FOR EACH ROW EXECUTE FUNCTION see();
ALTER TABLE keypool.chat_completion_requests ADD CHECK (model <> 'forbidden')});
sql(q{SELECT log_request('openai', 'seen-1'), log_requests('[{"provider": "openai", "model": "seen-2"}]')});
is(sql(q{SELECT string_agg(model, ',' ORDER BY model) FROM seen}), 'seen-1,seen-2',
	"somebody's trigger fires");
like(ask(q{SELECT log_request('openai', 'forbidden')}), qr/ERROR:  23514/, "somebody's check holds");
sql(q{DROP TRIGGER see ON keypool.chat_completion_requests});

# --- what was handed in
my @told;
for my $call (
	"log_request('openai', 'gpt-4', api_key => '${secret}0009', input_tokens => -1)",
	"log_request('opnai', 'gpt-4', api_key => '${secret}0009')",
	"log_request('openai', 'gpt-4', api_key => '${secret}0009', is_anonymous => true)",
	"log_requests('[{\"api_key\": \"${secret}0009\"}]')",
	"log_requests('[{\"${secret}0009\": 1}]')")
{
	push @told, ask("SELECT $call"), ask("DO \$\$ BEGIN PERFORM $call; END \$\$");
	like($told[-1], qr/ERROR:  \w{5}: /, "fails: $call");
}
sql("SELECT log_request('openai', 'gpt-4', api_key => '${secret}0009',
	error_message => 'Incorrect API key: ${secret}0009', http_status => 401)");
unlike(join('', @told), qr/pppppppp/, 'no error says the secret');
unlike(slurp_file($node->logfile), qr/pppppppp/, 'nor does the log');
is(sql(q{SELECT count(*) FROM keypool.chat_completion_requests r WHERE r::text ~ 'pppppppp'}), 0,
	'nor a row');
$node->stop;
done_testing();
