# Beside Supabase: its roles and default privileges as they are there, the setup script, requests as
# PostgREST makes them, and nothing in reach that is not listed here.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

# The superuser is supabase_admin there, and postgres is none.
local $ENV{PGUSER} = 'supabase_admin';
my $node = PostgreSQL::Test::Cluster->new('supabase');
$node->init(extra => ['--username=supabase_admin']);
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_keypool'\n");
$node->start;

# What supabase/postgres sets up in its first migrations, and more than that in extensions.
my $defaults = join '', map {
	my $kind = $_;
	map {"ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin IN SCHEMA $_ GRANT ALL ON $kind TO
		postgres, anon, authenticated, service_role;"} qw(public extensions)
} qw(TABLES SEQUENCES FUNCTIONS);
$node->safe_psql('postgres', qq{
	CREATE ROLE postgres NOSUPERUSER CREATEDB CREATEROLE LOGIN REPLICATION BYPASSRLS;
	CREATE SCHEMA extensions;
	CREATE SCHEMA auth;
	CREATE ROLE anon NOLOGIN;
	CREATE ROLE authenticated NOLOGIN;
	CREATE ROLE service_role NOLOGIN BYPASSRLS;
	CREATE ROLE authenticator LOGIN NOINHERIT;
	GRANT anon, authenticated, service_role TO authenticator;
	GRANT USAGE ON SCHEMA public TO postgres, anon, authenticated, service_role;
	GRANT USAGE ON SCHEMA extensions TO anon, authenticated, service_role;
	GRANT ALL ON SCHEMA extensions TO postgres;
	$defaults
	-- For every schema, which theirs are not: also what the worker makes must not be handed out.
	ALTER DEFAULT PRIVILEGES FOR ROLE supabase_admin GRANT ALL ON TABLES TO anon, authenticated;
	CREATE ROLE mallory LOGIN;
	GRANT authenticated TO mallory;
});
my $script = "$FindBin::RealBin/../../examples/supabase/setup.sql";
sub set_up
{
	return run_log([ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-f', $script ]);
}
ok(set_up(), 'the setup script runs');

# What a statement, run as that login role, prints or fails with.
sub ask_as
{
	my ($login, $sql) = @_;
	my ($out, $err) = ('', '');
	local $ENV{PGUSER} = $login;
	$node->psql('postgres', $sql, stdout => \$out, stderr => \$err,
		extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
	return $err ne '' ? $err : $out;
}

# As PostgREST runs a request.
sub request
{
	my ($role, $claims, $sql) = @_;
	my $answer = ask_as('authenticator', qq{
		BEGIN;
		SELECT set_config('search_path', 'public, extensions', true),
			set_config('role', '$role', true), set_config('request.jwt.claims', '$claims', true) \\g /dev/null
		$sql;
		COMMIT;});
	return $answer;
}
my $ann = '{"sub": "5f2c-ann", "role": "authenticated"}';
my $bob = '{"sub": "91d0-bob", "role": "authenticated"}';

# Two users, each with keys of his own.
is(request('authenticated', $ann, q{SELECT add_my_key('openai', 'sk-proj-aaaaaaaaaaaaaaaaaaaaaaaa', 'a')}),
	1, 'a signed-in user stores a key');
is(request('authenticated', $bob, q{SELECT add_my_key('openai', 'sk-proj-bbbbbbbbbbbbbbbbbbbbbbbb', 'b')}),
	2, 'so does another');
is(request('authenticated', $ann, 'SELECT key_id, name FROM my_keys()'), '1|a', 'one sees his own');
is(request('authenticated', $bob, 'SELECT key_id, name FROM my_keys()'), '2|b', 'and the other his');
is(request('authenticated', $ann, 'SELECT id FROM keypool.api_keys'), 1, 'in the table, too');
is(request('authenticated', $ann, 'SELECT key_id FROM keypool.user_api_keys'), 1, 'and in the view');
like(request('authenticated', $ann, 'SELECT revoke_my_key(2)'), qr/42704/, 'the other\'s is not there');
like(request('authenticated', $ann, 'SELECT revoke_my_key(3)'), qr/42704/, 'no more than none is');
is(request('authenticated', '{"role": "authenticated"}', 'SELECT count(*) FROM my_keys()'), 0,
	'without a subject there are none');
like(request('anon', '{"role": "anon"}', 'SELECT * FROM my_keys()'), qr/42501/, 'anon has no part in it');
like(request('service_role', '{"role": "service_role"}', 'SELECT * FROM my_keys()'), qr/42501/,
	'nor is it for servers');

# Servers pick and log for anybody.
is(request('service_role', '{}', q{SELECT right(pick_key('openai', user_id => '5f2c-ann'), 4)}), 'aaaa',
	'the service role picks a user\'s key');
is(request('service_role', '{}', q{INSERT INTO keypool.chat_completion_requests
	(provider, model, user_id, api_key_id) VALUES ('openai', 'gpt-4', '5f2c-ann', 1),
	('openai', 'gpt-4', '91d0-bob', 2) RETURNING id}), "1\n2", 'and logs requests');
is(request('authenticated', $bob, 'SELECT sum(requests) FROM my_usage()'), 1, 'each sees his own usage');
is(request('authenticated', $bob, 'SELECT id FROM keypool.chat_completion_requests'), 2,
	'and requests of his own');
like(request('authenticated', $ann, q{SELECT pick_key('openai')}), qr/42501/, 'users do not pick');

# Whose word counts.
like(request('authenticated', $ann, q{SELECT set_config('keypool.user_id', '91d0-bob', true)}), qr/42501/,
	'a user cannot say who he is');
my $claim = "SELECT set_config('request.jwt.claims', '$bob', false) \\g /dev/null\n";
is(ask_as('mallory', "$claim SELECT extensions.current_keypool_user() IS NULL"), 't',
	'claims of a role that has set them itself are not believed');
is(ask_as('mallory', "$claim SET ROLE authenticated; SELECT count(*) FROM my_keys()"), 0,
	'nor after it has switched');
like(ask_as('mallory', q{SET keypool.user_id = '91d0-bob'}), qr/42501/, 'nor can it set the setting');
like(ask_as('mallory', q{ALTER ROLE mallory SET keypool.user_id = '91d0-bob'}), qr/42501/,
	'not even for later');
{
	local $ENV{PGOPTIONS} = '-c keypool.user_id=91d0-bob';
	like(ask_as('mallory', 'SHOW keypool.user_id'), qr/FATAL|42501/, 'or with its connection');
}
$node->safe_psql('postgres', q{
	CREATE FUNCTION public.definer() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = ''
	AS 'SELECT extensions.current_keypool_user()'});
is(ask_as('mallory', "$claim SELECT public.definer() IS NULL"), 't',
	'a function that runs as somebody else does not make them believed');
is(ask_as('authenticator', q{SET keypool.user_id = '91d0-bob'; SET ROLE authenticated;
	SELECT key_id FROM my_keys()}), 2, 'the login role itself may say for whom it acts');
$node->safe_psql('postgres', q{ALTER ROLE mallory SET keypool.user_id = '5f2c-ann'});
is(ask_as('mallory', "$claim RESET ALL; SELECT extensions.current_keypool_user()"), '5f2c-ann',
	'a role with SQL of its own is whom a superuser has made it, whatever it resets');
$node->safe_psql('postgres', q{ALTER ROLE mallory RESET keypool.user_id; DROP FUNCTION public.definer()});

# Everything of the extension, and every privilege there is on it.
my $reach = q{
	WITH members AS (
		SELECT classid, objid FROM pg_depend
		WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
		AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'pg_keypool')),
	functions AS (
		SELECT oid FROM pg_proc WHERE pronamespace IN ('keypool'::regnamespace, 'public'::regnamespace)
		UNION SELECT objid FROM members WHERE classid = 'pg_proc'::regclass),
	relations AS (
		SELECT oid, relkind FROM pg_class
		WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
		AND (relnamespace = 'keypool'::regnamespace
			OR oid IN (SELECT objid FROM members WHERE classid = 'pg_class'::regclass))),
	found AS (
		SELECT 'EXECUTE ' || oid::regprocedure AS what FROM functions
		WHERE has_function_privilege('ROLE', oid, 'EXECUTE')
		UNION ALL
		SELECT p || ' ' || oid::regclass FROM relations,
			unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) p
		WHERE relkind <> 'S' AND has_table_privilege('ROLE', oid, p)
		UNION ALL
		SELECT p || ' ' || r.oid::regclass || ' (' || string_agg(attname, ' ' ORDER BY attnum) || ')'
		FROM relations r JOIN pg_attribute a ON attrelid = r.oid AND NOT attisdropped,
			unnest('{SELECT,INSERT,UPDATE,REFERENCES}'::text[]) p
		WHERE relkind <> 'S' AND NOT has_table_privilege('ROLE', r.oid, p)
		AND has_column_privilege('ROLE', r.oid, attnum, p)
		GROUP BY r.oid, p
		UNION ALL
		SELECT p || ' ' || oid::regclass FROM relations, unnest('{USAGE,SELECT,UPDATE}'::text[]) p
		WHERE relkind = 'S' AND has_sequence_privilege('ROLE', oid, p)
		UNION ALL
		SELECT p || ' SCHEMA keypool' FROM unnest('{USAGE,CREATE}'::text[]) p
		WHERE has_schema_privilege('ROLE', 'keypool', p)
		UNION ALL
		SELECT p || ' ' || name FROM pg_settings, unnest('{SET,ALTER SYSTEM}'::text[]) p
		WHERE name LIKE 'keypool.%' AND has_parameter_privilege('ROLE', name, p))
	SELECT what FROM found ORDER BY what COLLATE "C"};

sub reach
{
	my ($role) = @_;
	return $node->safe_psql('postgres', 'SET search_path = pg_catalog;' . $reach =~ s/ROLE/$role/gr);
}

# A partition that the worker made, after the script ran.
$node->safe_psql('postgres', q{DO $$ BEGIN
	WHILE (SELECT count(*) FROM keypool.request_partitions()) = 0 LOOP
		PERFORM pg_sleep(0.05), pg_stat_clear_snapshot(); COMMIT; END LOOP; END $$});

is(reach('anon'), '', 'anon reaches nothing');
is(reach('authenticator'), 'SET keypool.user_id', 'the login role may say for whom it acts, and no more');
my $texts = 'text,text,text,text[],text,timestamp with time zone';
is(reach('authenticated'), <<"END" =~ s/\n\z//r, 'signed-in users reach what is theirs, and no more');
EXECUTE extensions.add_my_key($texts)
EXECUTE extensions.current_keypool_user()
EXECUTE extensions.my_keys()
EXECUTE extensions.my_usage(integer)
EXECUTE extensions.revoke_my_key(bigint,text)
EXECUTE keypool.pool_keys()
EXECUTE keypool.sees_all_users()
EXECUTE public.add_my_key($texts)
EXECUTE public.my_keys()
EXECUTE public.my_usage(integer)
EXECUTE public.revoke_my_key(bigint,text)
SELECT keypool.api_keys (id provider name user_id key_source hint models region expires_at enabled created_at rotated_at revoked_at revoke_reason)
SELECT keypool.chat_completion_requests (id created_at provider model user_id api_key_id key_source input_tokens output_tokens cached_tokens cost_usd input_cost_usd output_cost_usd pricing_source processing_time_ms status http_status error_type request_id attempt session_id trace_id)
SELECT keypool.user_api_keys
USAGE SCHEMA keypool
END

# Servers reach what the level caller gives, which tests/pgtap/access.sql lists, and nothing by
# default privileges.
$node->safe_psql('postgres', q{CREATE ROLE plain_caller;
	SELECT extensions.grant_keypool('plain_caller', 'caller')});
is(reach('service_role'), reach('plain_caller'), 'the service role reaches what a caller does, and no more');
my @servers = split /\n/, reach('service_role');
is_deeply([ grep { !/^(EXECUTE|SELECT|USAGE) / } @servers ],
	[ 'INSERT keypool.chat_completion_requests', 'SET keypool.user_id' ],
	'of which nothing writes, but the log');
is_deeply([ grep {/envelope|fingerprint|wrapped|data_keys|audit_log|(add|rotate|revoke|import)_key|forget|grant_/} @servers ],
	[], 'and nothing manages keys or has to do with ciphertext');

my %before = map { $_ => reach($_) } qw(anon authenticated service_role authenticator);
ok(set_up(), 'the script runs again');
is_deeply({ map { $_ => reach($_) } keys %before }, \%before, 'and changes nothing');

done_testing();
