# Names that resolve somewhere else: lookalikes of the server's and our own functions, operators,
# types and tables in a schema that comes first in everybody's search_path, and objects of ours that
# somebody has made before the extension is created. None is ever called, read or taken over.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use HostileCalls;
use KeypoolCluster;
use Plants;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('names', 'log_statement = none', 'log_min_error_statement = panic', 'autovacuum = off',
	'keypool.health_check_interval = 0', "keypool.request_retention = '3d'");
$node->safe_psql('postgres', 'CREATE ROLE mallory LOGIN; CREATE ROLE admin LOGIN; GRANT CREATE ON SCHEMA public TO mallory');

sub ask { return KeypoolCluster::ask($node, @_) }

# ---- before the extension is there ----

$node->safe_psql('postgres', 'CREATE EXTENSION pg_keypool');
my @signatures = split /\n/, $node->safe_psql('postgres', q{
	SELECT format('%s(%s)', proname, pg_get_function_identity_arguments(oid)) FROM pg_proc
	WHERE pronamespace = 'public'::regnamespace AND proname IN ('add_key', 'pick_key', 'log_requests', 'grant_keypool')});
$node->safe_psql('postgres', 'DROP EXTENSION pg_keypool CASCADE');
is(scalar @signatures, 4, 'four functions to be made by somebody else first');
for my $signature (@signatures)
{
	$node->safe_psql('postgres', "SET ROLE mallory; CREATE FUNCTION public.$signature RETURNS text LANGUAGE sql AS 'SELECT 1::text'");
	like(ask('CREATE EXTENSION pg_keypool'), qr/ERROR:  42723: function .* already exists/,
		"a function of ours that is there already is not taken over: $signature");
	$node->safe_psql('postgres', "DROP FUNCTION public.$signature");
}
$node->safe_psql('postgres', 'CREATE SCHEMA keypool AUTHORIZATION mallory');
like(ask('CREATE EXTENSION pg_keypool'), qr/ERROR:  42P06: schema "keypool" already exists/,
	'nor is the schema');
$node->safe_psql('postgres', 'DROP SCHEMA keypool');
is(ask("SELECT count(*) FROM pg_class WHERE relname ~ 'api_keys'"), 0, 'what failed has left nothing');

# What is made while mallory's objects are first in the path is bound to the server's own.
Plants::sow($node, 'postgres', 'mallory');
my $path = 'plants, public, pg_catalog, pg_temp';
$node->safe_psql('postgres', "ALTER DATABASE postgres SET search_path = $path");
like(Plants::reaped($node, sub { ask("SELECT now(), 1 = 1, count(*), 'a' || 'b' FROM pg_class; SELECT 'x'::text") }),
	qr/= integer as postgres.*aggregate as postgres.*now as postgres.*relation pg_class.*\|\| text/s,
	'the lookalikes work: they are called by whoever names them');
my @not_sown = slurp_file($node->logfile) =~ /not sown: (.*)/g;
is(join("\n", @not_sown), '', 'all were planted');
is(Plants::reaped($node, sub { is(ask('CREATE EXTENSION pg_keypool SCHEMA public'), '', 'created') }), '',
	'CREATE EXTENSION calls none of them');

# ---- every function, view and table ----

sub everything
{
	my ($role) = @_;
	my $calls = $role->{calls};
	my %functions = $calls->functions;
	my @statements = map { 'BEGIN; ' . HostileCalls::call($_, $functions{$_}) . '; ROLLBACK' } sort HostileCalls::in_order keys %functions;
	push @statements, map { "SELECT pg_catalog.count(*) FROM keypool.$_" } split /\n/, $role->{views};
	push @statements,
		q{INSERT INTO keypool.chat_completion_requests (provider, model, user_id, cost_usd) VALUES ('openai', 'm', 'u1', 1)},
		q{UPDATE keypool.chat_completion_requests SET model = 'n', input_tokens = 5},
		q{DELETE FROM keypool.chat_completion_requests},
		q{INSERT INTO keypool.budgets (scope, scope_id, period, limit_usd) VALUES ('user', 'u1', 'day', 5), ('key', '1', 'month', 9)},
		q{INSERT INTO keypool.providers (name, display_name, base_url) VALUES ('mine', 'Mine', 'http://127.0.0.1:9') ON CONFLICT DO NOTHING},
		q{UPDATE keypool.providers SET strategy = 'random'},
		q{INSERT INTO keypool.model_prices (provider, model, input_cost, output_cost) VALUES ('openai', 'gpt-4', 1, 1) ON CONFLICT DO NOTHING},
		q{INSERT INTO keypool.caller_limits (scope, name, picks_per_minute) VALUES ('user', '*', 900)},
		q{INSERT INTO keypool.alert_webhooks (url, secret) VALUES ('http://127.0.0.1:9', 'a-secret-of-some-length')},
		q{INSERT INTO keypool.equivalent_models (model, provider, equivalent) VALUES ('a', 'openai', 'b') ON CONFLICT DO NOTHING},
		q{UPDATE keypool.api_keys SET weight = 2, models = '{a*}'},
		q{INSERT INTO driver.source VALUES (7, '2001-02-03', 'm', 'openai') ON CONFLICT DO NOTHING},
		q{DELETE FROM keypool.budgets}, q{DELETE FROM keypool.caller_limits};
	return map { "$_;" } @statements;
}

# Prepared in an ordinary path.
$node->safe_psql('postgres', 'ALTER DATABASE postgres RESET search_path');
my $calls = HostileCalls->new($node, 'postgres');
$node->safe_psql('postgres', q{
	GRANT USAGE ON SCHEMA driver TO PUBLIC; GRANT ALL ON ALL TABLES IN SCHEMA driver TO PUBLIC;
	ALTER TABLE driver.source OWNER TO admin;
	UPDATE keypool.providers SET base_url = 'http://127.0.0.1:9';    -- nothing leaves this machine
	SELECT grant_keypool('admin', 'admin');
	SELECT add_key('openai', 'sk-proj-' || repeat('o', 24) || '0001');
	SELECT add_key('openai', 'sk-proj-' || repeat('o', 24) || 'user', user_id => 'u1')});
my $views = $node->safe_psql('postgres', q{SELECT relname FROM pg_class
	WHERE relnamespace = 'keypool'::regnamespace AND relkind IN ('v', 'r', 'p') ORDER BY 1});

# In one session each: with a path in which our own names come last, and without pg_catalog.
for my $role (qw(postgres admin))
{
	my @script = everything({ calls => $calls, views => $views });
	quiet("SELECT public.add_key('openai', 'sk-proj-oooooooooooooooooooooooo$role')");    # that does not cool yet
	my $answers = '';
	my $planted = Plants::reaped($node, sub {
		$answers = ask("SET keypool.user_id = 'u1'; SET ROLE $role; SET search_path = $path;\n" . join("\n", @script));
	});
	is($planted, '', "none is called by what $role calls, reads and writes (" . @script . ' statements)');
	note($answers);
	my @failed = $answers =~ /ERROR:  (\w{5})/g;
	# Much is not for an admin, and by then the provider is left alone for a moment.
	is(join(' ', grep { $role eq 'postgres' || !/42501|KP001/ } @failed), '', 'and nothing breaks');
}

# Also where the names come from one's own temporary schema.
is(Plants::reaped($node, sub {
	ask(q{CREATE TEMP TABLE api_keys (id bigint); CREATE TEMP TABLE providers (name text); CREATE TEMP TABLE pg_class (oid oid);
		CREATE TEMP VIEW chat_completion_requests AS SELECT plants.told('temporary') AS id;
		SET search_path = pg_temp, plants, public;
		SELECT public.pick_key('openai'); SELECT public.log_request('openai', 'm', 'u1');
		SELECT public.add_key('openai', 'sk-proj-oooooooooooooooooooooooo0009');
		INSERT INTO keypool.chat_completion_requests (provider, model) VALUES ('openai', 'm');})
}), '', 'nor from a temporary schema');

# ---- the worker ----

# In a session that has no part in it.
sub quiet
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', "SET search_path = pg_catalog; $sql");
}

# A database's owner decides on its path, for the worker too.
my $old = KeypoolCluster::worker($node, 'postgres');
$node->safe_psql('postgres', "ALTER DATABASE postgres SET search_path = $path");
is(Plants::reaped($node, sub {
	$node->safe_psql('postgres', "SELECT pg_catalog.pg_terminate_backend($old)");
	ok(KeypoolCluster::await(sub {
		my $new = quiet(q{SELECT pid FROM keypool.worker_status WHERE state = 'running'});
		$new ne '' && $new ne $old }), 'a worker starts with that path');
	quiet(q{
		SELECT public.log_request('openai', 'm', 'u1', api_key => 'sk-proj-oooooooooooooooooooooooo0009') FROM generate_series(1, 50);
		SELECT public.log_request('openai', 'm', 'u1', api_key => 'sk-proj-oooooooooooooooooooooooo0099');
		SELECT public.import_requests('driver.source');
		SELECT public.mark_key_error(1, 'invalid_api_key', 401);
		SELECT FROM public.check_keys();
		SELECT public.revoke_key(max(id)) FROM keypool.api_keys});
	ok(KeypoolCluster::await(sub { quiet(q{SELECT count(*) > 0 FROM keypool.alert_history}) eq 't' }),
		'it does its rounds');
	ok(KeypoolCluster::await(sub { quiet(q{SELECT count(*) = 0 FROM keypool.unfolded_requests()}) eq 't' }),
		'it folds');
}), '', 'the worker calls none of them');

unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal|ERROR:  XX/, 'the server is well');
done_testing();
