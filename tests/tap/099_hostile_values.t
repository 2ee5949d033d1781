# Hostile texts that are allowed, as names, users, models and providers are: they are stored as they
# are, found again by it, and do no harm where they come out: in views, reports, metrics, alerts, the
# worker's rounds. In a database of UTF-8 and in one where any bytes are text.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use HostileCalls;
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('values', 'log_statement = none', 'log_min_error_statement = panic',
	'keypool.health_check_interval = 0', "keypool.unused_key_alert = '1s'");
my $start = $node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()');

# What a query answers, undef when it fails.
sub readable
{
	my ($database, $sql) = @_;
	my ($out, $err) = ('', '');
	my $status = $node->psql($database, $sql, stdout => \$out, stderr => \$err);
	diag($err) if $err ne '';
	return $status == 0 ? $out : undef;
}

# What is short enough for a name, in each encoding.
my @texts = @{ $HostileCalls::hostile{text} };
my %more = (
	UTF8 => [ "U&'\\202E\\FEFF\\0085\\2028$HostileCalls::MARK'" ],
	SQL_ASCII => [ "E'$HostileCalls::MARK\\xff\\xfe\\x80'", "E'\\xc3'", "E'\\xed\\xa0\\x80'" ]);

for my $encoding (sort keys %more)
{
	my $database = lc $encoding;
	$node->safe_psql('postgres', "CREATE DATABASE $database ENCODING '$encoding' LOCALE 'C' TEMPLATE template0");
	my $sql = sub { return $node->safe_psql($database, $_[0]) };
	$sql->(q{
		CREATE EXTENSION pg_keypool;
		UPDATE keypool.providers SET base_url = 'http://127.0.0.1:9';    -- nothing leaves this machine
		CREATE TABLE hostile (n serial PRIMARY KEY, t text)});
	$sql->("INSERT INTO hostile (t) SELECT t FROM (VALUES "
		  . join(', ', map { "(($_)::text)" } @texts, @{ $more{$encoding} })
		  . ") AS v (t) WHERE octet_length(t) BETWEEN 1 AND 47 AND t !~ '^\\s*\$'");
	my $count = $sql->('SELECT count(*) FROM hostile');
	cmp_ok($count, '>', 20, "$encoding: $count texts");

	# As the name and the owner of a key; the key is found by that owner, and by no other.
	is($sql->(q{
		DO $$ DECLARE h record; BEGIN
			FOR h IN SELECT * FROM hostile LOOP
				BEGIN
					PERFORM add_key('openai', format('sk-proj-%s%s', repeat('v', 24), lpad(h.n::text, 4, '0')), name => h.t,
						user_id => h.t, models => ARRAY['m', h.t]);
				EXCEPTION WHEN OTHERS THEN RAISE WARNING '% %: %', h.n, SQLSTATE, SQLERRM; END;
			END LOOP;
		END $$;
		SELECT count(*) FROM hostile h JOIN keypool.api_keys k ON k.user_id = h.t AND k.name = h.t AND k.models = ARRAY['m', h.t]}),
		$count, "$encoding: names, users and models are stored as they are");
	is($sql->(q{SELECT count(*) FROM hostile h
			WHERE right(pick_key('openai', user_id => h.t, model => h.t), 4) <> lpad(h.n::text, 4, '0')}), 0,
		"$encoding: each finds its own key");

	# As everything that a request says of itself.
	is($sql->(q{
		SELECT count(log_request('openai', h.t, h.t, h.t, session_id => h.t, trace_id => h.t, request_id => h.t,
			metadata => jsonb_build_object(h.n::text, 'x'), headers => jsonb_build_object('x-' || h.n, 'y'),
			status => 'error', error_type => 'server_error', error_message => h.t)) FROM hostile h;
		SELECT count(*) FROM hostile h JOIN keypool.chat_completion_requests r ON r.model = h.t AND r.user_id = h.t
			AND r.organization_id = h.t AND r.session_id = h.t AND r.trace_id = h.t AND r.request_id = h.t}),
		"$count\n$count", "$encoding: so is what a request says of itself");
	$sql->(q{
		INSERT INTO keypool.budgets (scope, scope_id, period, limit_usd, action)
			SELECT 'user', t, 'day', 0.000001, 'fallback' FROM hostile;
		INSERT INTO keypool.caller_limits (scope, name, picks_per_minute) SELECT 'user', t, 1000 FROM hostile;
		INSERT INTO keypool.providers (name, display_name, base_url) SELECT 'p' || n, t, 'http://127.0.0.1:9' FROM hostile;
		INSERT INTO keypool.chat_completion_requests (provider, model, user_id, cost_usd, input_tokens)
			SELECT t, t, t, 1, 1 FROM hostile;
		SELECT mark_key_error(k.id, 'quota', 429, headers => jsonb_build_object('retry-after', k.id, 'x', 'y'), message => k.name)
			FROM keypool.api_keys k});

	# Where a budget or the keys themselves say no, the refusal names them.
	is($sql->(q{
		CREATE TABLE refusals (code text);
		DO $$ DECLARE h record; BEGIN
			FOR h IN SELECT * FROM hostile LOOP
				BEGIN
					PERFORM acquire_key('openai', user_id => h.t, model => h.t, fallback => true);
					PERFORM count(*) FROM explain_pick('openai', user_id => h.t, model => h.t, fallback => true);
				EXCEPTION WHEN OTHERS THEN INSERT INTO refusals VALUES (SQLSTATE); END;
			END LOOP;
		END $$;
		SELECT count(*) FROM refusals WHERE code NOT IN ('KP001', 'KP002')}), 0, "$encoding: a refusal is an ordinary one");

	# What would only fill a table is cut.
	is($sql->(q{
		SELECT revoke_key(max(id), repeat('because ', 1000000)) FROM keypool.api_keys;
		SELECT max(octet_length(revoke_reason)) BETWEEN 1000 AND 1024 FROM keypool.api_keys;
		SELECT log_request('openai', 'long', error_message => repeat('because ', 1000000)) IS NOT NULL;
		SELECT octet_length(error_message) <= 8192 FROM keypool.chat_completion_requests WHERE model = 'long'}) =~ s/^\n//r,
		"t\nt\nt", "$encoding: a long reason or message is kept in part");

	# What comes out again.
	my $views = $sql->(q{SELECT string_agg(format('SELECT %L, count(t::text) FROM keypool.%I t', relname, relname), ' UNION ALL ')
		FROM pg_class WHERE relnamespace = 'keypool'::regnamespace AND relkind = 'v'});
	ok(defined readable($database, $views), "$encoding: every view can be read");
	ok(defined readable($database, q{SELECT api_key_tracking_quality_report(), api_key_tracking_trend_report(),
		get_usage_stats('openai') FROM keypool.api_keys_overview}), "$encoding: and every report");
	my $lines = $sql->('SELECT prometheus_metrics()');
	is(join("\n", grep { !/^(#.*|\w+(\{(\w+="([^"\\\n]|\\.)*",?)*\})? \S+)$/ } split /\n/, $lines), '',
		"$encoding: the metrics are well-formed");

	# The worker's rounds: alerts about such keys, folding, state.
	ok(KeypoolCluster::await(sub { $sql->(q{SELECT count(*) = 0 FROM keypool.unfolded_requests()}) eq 't' }), "$encoding: the worker folds");
	ok(KeypoolCluster::await(sub { $sql->(q{SELECT count(*) > 5 FROM keypool.alert_history}) eq 't' }), "$encoding: and raises alerts");
	is($sql->(q{SELECT coalesce(string_agg(last_error, ', '), '') FROM keypool.worker_status}), '', "$encoding: with no error");
}
unlike(slurp_file($node->logfile), qr/PANIC|FATAL|terminated by signal|(?<!WARNING): .*internal error/, 'the server is well');
is($node->safe_psql('postgres', 'SELECT pg_postmaster_start_time()'), $start, 'and the one that was started');
done_testing();
