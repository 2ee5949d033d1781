# The price list over dumps, beside others who log and import, and with the public map itself.
use strict;
use warnings;

use File::Temp qw(tempdir);
use FindBin;
use lib "$FindBin::RealBin/../support";
use IPC::Run ();
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;

my $folder = tempdir(CLEANUP => 1);
my $node = KeypoolCluster::start('prices');
$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
sub ask { return KeypoolCluster::ask($node, @_) }

sub script
{
	my ($name, $sql) = @_;
	append_to_file("$folder/$name.sql", $sql);
	return "$folder/$name.sql";
}

# ---- a dump carries what people wrote, and nothing that is built in ----
$node->safe_psql('postgres', q{
	INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost, source)
	VALUES ('openai', 'gpt-4o', 7, 8, 'mine'), ('acme', 'own', 1, 2, 'mine');
	UPDATE keypool.model_prices SET input_cost = 9 WHERE provider = 'openai' AND model = 'o3';
	INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost, valid_from)
	VALUES ('openai', 'gpt-5', 3, 4, '2024-01-01 00:00+00')});
my $dump = "$folder/dump.sql";
command_ok([ 'pg_dump', '-h', $node->host, '-p', $node->port, '-f', $dump, 'postgres' ],
	'a database with prices is dumped');
my ($copied) = slurp_file($dump) =~ /^COPY keypool\.model_prices .*?\n(.*?)^\\\.$/ms;
is(scalar(split /\n/, $copied), 4, 'the dump has the four prices that were written');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'restored', '-f', $dump ],
	'it is restored over the built-in prices');
my $list = q{SELECT provider, model, input_cost, output_cost, cached_input_cost, valid_from, source,
	builtin FROM keypool.model_prices ORDER BY 1, 2, 6};
is($node->safe_psql('restored', $list), $node->safe_psql('postgres', $list),
	'and the price lists are the same');
$node->safe_psql('postgres', 'DROP DATABASE restored');

# ---- logging does not wait for an import, and sees its prices when it is committed ----
my $importer = PsqlSession->new($node, 'postgres');
$importer->ask('BEGIN');
is($importer->ask(q{SELECT import_prices('{"m": {"litellm_provider": "openai",
	"input_cost_per_token": 1e-06}}')}), '(1,0,0)', 'an import adds a price');
is(ask(q{SET statement_timeout = '10s'; SELECT log_request('openai', 'm', input_tokens => 1000000,
	request_id => 'before') > 0}), 't', 'others log meanwhile');
$importer->ask('COMMIT');
is(ask(q{SELECT pricing_source FROM keypool.chat_completion_requests}), 'unknown',
	'at the prices that are committed');
is(ask(q{SELECT estimate_cost('openai', 'm', 1000000)}), '1', 'a new price counts once it is');
is(ask(q{SELECT string_agg(step || ' ' || rows, ', ') FROM reprice_requests()}),
	'priced 1, repriced 0', 'what was logged before it is priced afterwards');
$importer->close;

# ---- imports at once ----
my $half = join ', ', map { qq("n$_": {"litellm_provider": "openai", "input_cost_per_token": $_}) } 1 .. 50;
my $import = script('import', "SELECT import_prices('{$half}');\n");
$node->command_ok([ 'pgbench', '-n', '-c', 4, '-j', 2, '-t', 10, '-f', $import, 'postgres' ],
	'many imports at once all come through');
is(ask(q{SELECT count(*), count(DISTINCT model) FROM keypool.model_prices WHERE model ~ '^n\d+$'}),
	'50|50', 'and set each price once');

# ---- pricing anew while others log ----
my $log = script('log', <<'SQL');
\set n random(1, 60)
\set tokens random(1, 100000)
SELECT log_request('openai', 'p' || :n, input_tokens => :tokens, output_tokens => :n,
	cached_tokens => :tokens / 3, user_id => 'u' || :n % 5, session_id => 's' || :n,
	cost_usd => CASE WHEN :n = 60 THEN 0.123456789 END);
SQL
$node->safe_psql('postgres', q{
	INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost, cached_input_cost)
	SELECT 'openai', 'p' || n, n * 0.333333333, n, n * 0.1 FROM generate_series(1, 40) AS n});
my $bench = IPC::Run::start([ 'pgbench', '-n', '-c', 3, '-T', 6, '-f', $log, '-h', $node->host, '-p',
	$node->port, 'postgres' ], '>', \my $out, '2>', \my $err);
for my $round (1 .. 5)
{
	ask("UPDATE keypool.model_prices SET input_cost = input_cost + 0.000000007 WHERE model ~ '^p';
		SELECT reprice_requests(batch => 500)");
	sleep 1;
}
ask(q{INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost)
	SELECT 'openai', 'p' || n, 0.000001, 1 FROM generate_series(41, 60) AS n});
ok($bench->finish, 'nobody who logs fails') or diag $err;
ask('SELECT reprice_requests()');
is(ask(q{SELECT string_agg(step || ' ' || rows, ', ') FROM reprice_requests()}),
	'priced 0, repriced 0', 'a second time changes nothing');
cmp_ok(ask(q{SELECT count(*) FROM keypool.chat_completion_requests WHERE model ~ '^p'}), '>', 100,
	'much was logged');
is( ask(q{SELECT count(*) FROM keypool.chat_completion_requests r
	JOIN keypool.model_prices p USING (provider, model)
	WHERE model ~ '^p' AND cost_usd IS DISTINCT FROM CASE model WHEN 'p60' THEN 0.123456789 ELSE
		round(((input_tokens - cached_tokens) * p.input_cost
			+ cached_tokens * coalesce(p.cached_input_cost, p.input_cost)) * 0.000001, 9)
		+ round(output_tokens * p.output_cost * 0.000001, 9) END}),
	0, 'every cost is the one of the price list, or the given one');
my $wrong = q{SELECT count(*) FROM (VALUES ((SELECT sum(cost_usd) FROM keypool.%1$s)))
	AS v (cost), (SELECT sum(cost_usd) AS cost FROM keypool.chat_completion_requests %2$s) l
	WHERE v.cost IS DISTINCT FROM l.cost};
for my $view (qw(request_costs key_source_usage model_comparison))
{
	is(ask(sprintf($wrong, $view, '')), 0, "$view equals the log to the nano-dollar");
}
is(ask(sprintf($wrong, 'session_costs', 'WHERE session_id IS NOT NULL')), 0, 'so does session_costs');
KeypoolCluster::await(
	sub { ask('SELECT sum(requests) IS NULL FROM keypool.unfolded_requests()') eq 't' });
is(ask(sprintf($wrong, 'request_costs', '')), 0, 'and it still does when all is folded');

# ---- the public map ----
SKIP:
{
	my $map = ($ENV{KEYPOOL_TEST_DATA} // '') . '/litellm_model_prices.json';
	skip "no price map: set KEYPOOL_TEST_DATA to the test data's folder", 6 unless -r $map;
	my $quoted = slurp_file($map) =~ s/'/''/gr;
	my $file = script('map', "SELECT import_prices('$quoted');\n");
	my $run = sub { return $node->safe_psql('postgres', slurp_file($file)) };
	my $added = $node->safe_psql('postgres',
		q{SELECT count(*) FROM keypool.model_prices WHERE builtin});
	my $answer;
	my $seconds = KeypoolCluster::seconds(sub { $answer = $run->() });
	cmp_ok($seconds, '<', 30, sprintf 'the public map is imported in %.2f s', $seconds);
	my ($new, $changed, $skipped) = $answer =~ /\d+/g;
	is($new + $changed, 1451, 'every entry with token prices is');
	is($skipped, 250, 'the rest is skipped and counted');
	is($run->(), '(0,0,1701)', 'once more changes nothing');
	is( ask(q{SELECT string_agg(trim_scale(estimate_cost(provider, model, 1000000, 1000000))::text,
			' ' ORDER BY place)
		FROM (VALUES (1, 'openai', 'gpt-4o-mini'), (2, 'anthropic', 'claude-opus-4-1'),
			(3, 'gemini', 'gemini/gemini-2.0-flash-lite'), (4, 'azure', 'us/gpt-4o-2024-11-20'),
			(5, 'together', 'meta-llama/Llama-3.3-70B-Instruct-Turbo'), (6, 'groq', 'qwen/qwen3-32b'),
			(7, 'fireworks', 'accounts/fireworks/models/glm-4p5'), (8, 'mistral', 'mistral-embed'),
			(9, 'xai', 'grok-code-fast-1'), (10, 'cohere', 'command-r7b-12-2024'),
			(11, 'perplexity', 'sonar-pro'), (12, 'cerebras', 'openai/gpt-oss-120b'))
			AS v (place, provider, model)}),
		'0.75 90 0.375 13.75 1.76 0.88 2.74 0.1 1.7 0.1875 18 0.94', 'a dozen prices are exact');
	is(ask(q{SELECT input_cost, output_cost FROM keypool.model_prices WHERE provider = 'vertex_ai'
			AND model = 'claude-opus-4-1@20250805'}), '15.000000000|75.000000000',
		'providers of others are kept by their name');
}

done_testing();
