# What somebody with a table, a function and a few grants of his own can do to us, and what our
# functions do in his hands: our trigger functions on his tables, his triggers and views under our
# imports, functions of his inside our arguments, wrappers that run with other rights.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = KeypoolCluster::start('owners', 'log_statement = none', 'keypool.health_check_interval = 0',
	'log_min_error_statement = error');
my $secret = 'sk-proj-wwwwwwwwwwwwwwwwwwwwwwww';
sub sql { return $node->safe_psql('postgres', $_[0]) }
sub ask { return KeypoolCluster::ask($node, @_) }
sub as { my ($role, $sql) = @_; return ask("SET ROLE $role;\n$sql") }

sql(qq{
	CREATE EXTENSION pg_keypool;
	UPDATE keypool.providers SET base_url = 'http://127.0.0.1:9';    -- nothing leaves this machine
	CREATE ROLE nobody; CREATE ROLE mallory; CREATE ROLE reader; CREATE ROLE caller; CREATE ROLE admin;
	SELECT grant_keypool('reader', 'reader'), grant_keypool('caller', 'caller'), grant_keypool('admin', 'admin');
	CREATE SCHEMA theirs; GRANT ALL ON SCHEMA theirs TO mallory, caller, admin; GRANT USAGE ON SCHEMA theirs TO PUBLIC;
	SELECT add_key('openai', '${secret}0001'), add_key('openai', '${secret}0002', user_id => 'u1');
	CREATE TABLE theirs.told (what text, who text); GRANT ALL ON theirs.told TO PUBLIC;});
my $start = sql('SELECT pg_postmaster_start_time()');

# ---- what is ours is nobody's ----

sql('GRANT USAGE ON SCHEMA keypool, public TO nobody');
is(sql(q{SELECT count(*) FROM pg_proc p JOIN pg_depend d ON d.objid = p.oid AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
		JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_keypool'
		WHERE has_function_privilege('nobody', p.oid, 'EXECUTE')}), 0,
	'with USAGE on our schemas alone nobody can call any function');
is(sql(q{SELECT count(*) FROM pg_class c WHERE relnamespace = 'keypool'::regnamespace AND relkind IN ('r', 'p', 'v', 'S')
		AND (has_table_privilege('nobody', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
		     OR relkind <> 'S' AND has_any_column_privilege('nobody', c.oid, 'SELECT, INSERT, UPDATE, REFERENCES'))}), 0,
	'or touch any table');

# ---- our trigger functions on his tables ----

# With EXECUTE on them, which only our owner could have given him: tables with other columns, with
# ours under other types, and with none.
my @functions = split /\n/, sql(q{SELECT p.proname FROM pg_proc p
	WHERE p.pronamespace = 'keypool'::regnamespace AND p.prorettype = 'trigger'::regtype ORDER BY 1});
cmp_ok(scalar @functions, '>', 10, 'there are trigger functions: ' . @functions);
my $ours = sql(q{SELECT string_agg(DISTINCT quote_ident(attname) || ' int', ', ') FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
	WHERE c.relnamespace = 'keypool'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND NOT attisdropped});
my $log = sql(q{SELECT string_agg(quote_ident(attname) || ' int', ', ' ORDER BY attnum) FROM pg_attribute
	WHERE attrelid = 'keypool.chat_completion_requests'::regclass AND attnum > 0});
sql("GRANT EXECUTE ON FUNCTION keypool.$_() TO mallory") for @functions;
sql('GRANT USAGE ON SCHEMA keypool TO mallory');
as('mallory', qq{
	CREATE TABLE theirs.other (a int, b text, id text);
	CREATE TABLE theirs.named ($ours);
	CREATE TABLE theirs.log ($log);
	CREATE TABLE theirs.empty ();
	CREATE TABLE theirs.numbers (}
	  . join(', ', map { "c$_ int" } 1 .. 40) . qq{)});
my @script;
my $before = sql('SELECT count(*), md5(string_agg(k::text, chr(10))) FROM keypool.api_keys k');
for my $function (@functions)
{
	for my $table (qw(other named log numbers empty))
	{
		# UPDATE needs a row that the trigger has not seen.
		push @script, "INSERT INTO theirs.$table DEFAULT VALUES";
		for my $when ('BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW', 'AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW',
			'BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s', 'AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s')
		{
			my $column = $table eq 'other' ? 'a' : $table eq 'named' || $table eq 'log' ? 'id' : 'c1';
			my $values = $table eq 'other' ? "(a, b, id) VALUES (7, 'b', 'c')" : 'DEFAULT VALUES';
			if ($table ne 'other' && $table ne 'empty')
			{
				my $count = $table eq 'named' ? 1 + ($ours =~ tr/,//) : $table eq 'log' ? 1 + ($log =~ tr/,//) : 40;
				$values = 'VALUES (' . join(', ', map { $_ * 7 } 1 .. $count) . ')';
			}
			push @script, 'CREATE TRIGGER t ' . sprintf($when, "theirs.$table") . " EXECUTE FUNCTION keypool.$function('1')",
				"INSERT INTO theirs.$table $values", "DELETE FROM theirs.$table", "TRUNCATE theirs.$table",
				"DROP TRIGGER t ON theirs.$table", "INSERT INTO theirs.$table $values";
			next if $table eq 'empty';
			push @script, 'CREATE TRIGGER t ' . sprintf($when, "theirs.$table") . " EXECUTE FUNCTION keypool.$function('1')",
				"UPDATE theirs.$table SET $column = $column", "DROP TRIGGER t ON theirs.$table";
		}
		push @script, "TRUNCATE theirs.$table";
	}
}
my $answers = as('mallory', join(";\n", @script) . ';');
is(join(' ', $answers =~ /ERROR:  (?:XX|P0001)\w*.*/g), '', 'on foreign tables they are refused, or do nothing there');
is(sql('SELECT pg_postmaster_start_time()'), $start, '(' . @script . ' statements) and no server went down');
is(sql('SELECT count(*), md5(string_agg(k::text, chr(10))) FROM keypool.api_keys k'), $before, 'or key changed');
is(join(' ', grep { as('mallory', "SELECT keypool.$_()") !~ /ERROR:  (0A000|22023|42501): / } @functions), '',
	'nor can they be called like functions');
sql("REVOKE EXECUTE ON FUNCTION keypool.$_() FROM mallory") for @functions;
is(join(' ', map { as('mallory', "CREATE TRIGGER t BEFORE INSERT ON theirs.other FOR EACH ROW EXECUTE FUNCTION keypool.$_()")
		  =~ /ERROR:  42501/ ? () : $_ } @functions), '', 'without that grant he cannot even put them there');

# ---- wrappers that run with other rights ----

as('caller', qq{
	CREATE FUNCTION theirs.lend(provider text) RETURNS text LANGUAGE sql SECURITY DEFINER AS 'SELECT public.pick_key(provider)';
	CREATE FUNCTION theirs.store() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS \$\$SELECT public.add_key('openai', '${secret}0009')\$\$;
	CREATE FUNCTION theirs.become() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS \$\$
		BEGIN PERFORM public.pick_key('openai'); RETURN current_user; END\$\$;
	GRANT EXECUTE ON FUNCTION theirs.lend, theirs.store, theirs.become TO nobody});
is(as('nobody', q{SELECT right(theirs.lend('openai'), 4)}), '0001', 'a caller can lend what he may');
like(as('nobody', 'SELECT theirs.store()'), qr/ERROR:  42501/, 'and nothing more');
is(as('nobody', 'SELECT theirs.become(), current_user'), 'caller|nobody', 'the role is what it was, inside and after');

# ---- functions of his in our arguments ----

# A superuser calls them: they run with his rights, as anywhere, but never with our secrets in hand.
as('mallory', qq{
	CREATE FUNCTION theirs.secret(how text) RETURNS text LANGUAGE plpgsql AS \$\$
	BEGIN
		IF how = 'raise' THEN RAISE EXCEPTION 'no secret today'; END IF;
		IF how = 'pick' THEN RETURN right(public.pick_key('openai'), 0) || '${secret}0003'; END IF;
		IF how = 'again' THEN RETURN '${secret}' || public.add_key('openai', '${secret}0004'); END IF;
		RETURN how;
	END\$\$;
	CREATE FUNCTION theirs.provider() RETURNS text LANGUAGE plpgsql AS
		\$\$BEGIN RETURN CASE WHEN public.pick_key('openai') IS NOT NULL THEN 'openai' END; END\$\$});
like(ask(q{SELECT add_key('openai', theirs.secret('raise'))}), qr/ERROR:  P0001: no secret today/, 'one that raises');
like(ask(q{SELECT add_key('openai', theirs.secret('pick'))}), qr/^\d+$/, 'one that picks meanwhile');
like(ask(q{SELECT add_key('openai', theirs.secret('again') || 'xxxx', 'nested')}), qr/^\d+$/, 'one that adds another key');
is(ask(q{SELECT right(pick_key(theirs.provider(), user_id => 'u1'), 4)}), '0002', 'a pick inside a pick');
is(ask(q{SELECT count(*) FROM acquire_key(theirs.provider()) a, LATERAL explain_pick(a.provider) WHERE pick_key(a.provider) IS NOT NULL}) > 1,
	1, 'and inside of sets');

# The comparison of a type of his own, which a superuser's query with our functions in it calls.
as('admin', qq{
	CREATE TYPE theirs.pair AS (a text);
	CREATE FUNCTION theirs.compare(theirs.pair, theirs.pair) RETURNS int LANGUAGE plpgsql IMMUTABLE AS
		\$\$BEGIN PERFORM public.pick_key('openai'); RETURN 0; END\$\$;});
is(sql(q{CREATE OPERATOR CLASS theirs.pairs FOR TYPE theirs.pair USING btree AS FUNCTION 1 theirs.compare(theirs.pair, theirs.pair);
	SELECT count(*) FROM (SELECT right(pick_key('openai'), 4) FROM generate_series(1, 20) n
	ORDER BY row(n::text)::theirs.pair) s}), 20, 'an operator class that picks');

# What explains or fails around a secret does not say it.
my $told = ask("EXPLAIN (ANALYZE, VERBOSE) SELECT pick_key('openai')") . ask("SELECT pick_key('openai')::int")
  . ask("SELECT 1 / (length(pick_key('openai')) - length(pick_key('openai')))")
  . ask("DO \$\$ DECLARE k text := pick_key('openai'); BEGIN RAISE division_by_zero; END \$\$");
# A cast that fails quotes what it was given: that is the caller's own doing with his own key.
$told =~ s/invalid input syntax for type integer: "[^"]*"//;
unlike($told, qr/wwwwww/, 'EXPLAIN, errors and their contexts hold no secret');

# ---- his tables under our imports and our worker ----

as('mallory', q{
	CREATE FUNCTION theirs.note(what text) RETURNS text LANGUAGE plpgsql AS
		$$BEGIN INSERT INTO theirs.told VALUES (what, current_user); RETURN what; END$$;
	CREATE FUNCTION theirs.fine(what text) RETURNS boolean LANGUAGE plpgsql AS
		$$BEGIN INSERT INTO theirs.told VALUES (what, current_user); RETURN true; END$$;
	CREATE TABLE theirs.requests (id bigint PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now(), provider text DEFAULT 'openai',
		model text CHECK (theirs.fine('check')), user_id text DEFAULT theirs.note('default'));
	INSERT INTO theirs.requests (id, model) VALUES (1, 'm'), (2, 'm');
	ALTER TABLE theirs.requests ENABLE ROW LEVEL SECURITY;
	CREATE POLICY p ON theirs.requests USING (theirs.fine('policy'));
	CREATE VIEW theirs.view AS SELECT id, created_at, provider, theirs.note('view') AS model FROM theirs.requests;
	GRANT SELECT, INSERT ON theirs.requests, theirs.view TO admin;
	TRUNCATE theirs.told;});
like(as('admin', q{SELECT import_requests('theirs.requests'); SELECT import_requests('theirs.view')}), qr/^2$/m,
	'an admin imports from a hostile table and view');
is(sql(q{SELECT string_agg(DISTINCT what || ' as ' || who, ', ' ORDER BY what || ' as ' || who) FROM theirs.told}),
	'policy as admin, view as admin', 'whose functions run as him, never as our owner');

# The worker reads a plain table as whoever asked for the import, and what a cast of the owner's tries
# meanwhile comes to nothing.
as('mallory', q{
	CREATE TYPE theirs.mood AS ENUM ('good', 'bad');
	CREATE FUNCTION theirs.rise(theirs.mood) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		attempt text;
	BEGIN
		FOREACH attempt IN ARRAY ARRAY['RESET ROLE', 'RESET SESSION AUTHORIZATION', 'SET ROLE postgres', 'ALTER ROLE mallory SUPERUSER',
				'CREATE TEMP TABLE trap ()', 'SELECT envelope FROM keypool.api_keys', 'DELETE FROM keypool.api_keys'] LOOP
			BEGIN
				EXECUTE attempt;
				INSERT INTO theirs.told VALUES (attempt, current_user);
			EXCEPTION WHEN OTHERS THEN NULL;
			END;
		END LOOP;
		INSERT INTO theirs.told VALUES ('cast', current_user);
		RETURN 'moody';
	END$$;
	CREATE CAST (theirs.mood AS text) WITH FUNCTION theirs.rise(theirs.mood);
	CREATE TABLE theirs.moods (id bigint PRIMARY KEY, created_at timestamptz NOT NULL DEFAULT now(), provider text DEFAULT 'openai', model theirs.mood);
	INSERT INTO theirs.moods (id, model) VALUES (1, 'good'), (2, 'bad');
	GRANT SELECT ON theirs.moods TO admin;
	TRUNCATE theirs.told;});
like(as('admin', q{SELECT import_requests('theirs.moods')}), qr/background worker copies 2 rows/, 'the worker imports a hostile table');
like(sql(q{SELECT coalesce(string_agg(DISTINCT what || ' as ' || who, ', '), '') FROM theirs.told}), qr/^(cast as admin)?$/,
	'a cast in it has the importer\'s rights and not one more');
is(sql(q{SELECT rolsuper FROM pg_roles WHERE rolname = 'mallory'}), 'f', 'its owner is who he was');

# The follow trigger: whoever inserts pays with his own rights, and the log is written all the same.
is(ask(q{SELECT import_requests('theirs.requests', follow => true)}) =~ /ERROR/, '', 'a superuser follows it');
sql('TRUNCATE theirs.told');
as('mallory', q{
	CREATE FUNCTION theirs.spy() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN INSERT INTO theirs.told VALUES ('trigger', current_user); RETURN NEW; END$$;
	CREATE TRIGGER a_spy BEFORE INSERT ON theirs.requests FOR EACH ROW EXECUTE FUNCTION theirs.spy();
	CREATE TRIGGER z_spy AFTER INSERT ON theirs.requests FOR EACH ROW EXECUTE FUNCTION theirs.spy();
	INSERT INTO theirs.requests (id, model, user_id) VALUES (3, 'followed', theirs.note('value'));
	ALTER TABLE theirs.requests ALTER COLUMN model TYPE int USING 5;
	INSERT INTO theirs.requests (id, model, user_id) VALUES (4, 6, 'u');
	ALTER TABLE theirs.requests DROP COLUMN provider;
	INSERT INTO theirs.requests (id, model) VALUES (5, 7)});
is(sql(q{SELECT string_agg(DISTINCT who, ', ') FROM theirs.told}), 'mallory', 'his triggers run as him');
is(sql(q{SELECT count(*) FROM keypool.chat_completion_requests WHERE model = 'followed'}), 1, 'the row is in the log');
like(as('mallory', q{SELECT * FROM keypool.chat_completion_requests}), qr/ERROR:  42501/, 'which he cannot read for that');

# ---- a trigger on our own tables, which only their owner can make ----

as('mallory', 'GRANT EXECUTE ON FUNCTION theirs.spy TO PUBLIC');
for my $table (qw(api_keys chat_completion_requests alert_webhooks providers))
{
	like(as('admin', "CREATE TRIGGER spy BEFORE INSERT ON keypool.$table FOR EACH ROW EXECUTE FUNCTION theirs.spy()"),
		qr/ERROR:  42501/, "an admin cannot put a trigger on keypool.$table");
}
sql(q{CREATE TABLE theirs.rows (t text);
	CREATE FUNCTION theirs.copy() RETURNS trigger LANGUAGE plpgsql AS
		$$BEGIN INSERT INTO theirs.rows VALUES (NEW::text); RETURN NEW; END$$;
	CREATE TRIGGER spy BEFORE INSERT OR UPDATE ON keypool.api_keys FOR EACH ROW EXECUTE FUNCTION theirs.copy();
	CREATE TRIGGER spy AFTER INSERT OR UPDATE ON keypool.alert_webhooks FOR EACH ROW EXECUTE FUNCTION theirs.copy();
	CREATE TRIGGER spy AFTER INSERT OR UPDATE ON keypool.chat_completion_requests FOR EACH ROW EXECUTE FUNCTION theirs.copy()});
sql(qq{SELECT add_key('openai', '${secret}0005', 'spied'); SELECT rotate_key(1, '${secret}0006');
	SELECT add_webhook('https://127.0.0.1:9', '$secret-webhook');
	SELECT log_request('openai', 'm', api_key => '${secret}0005', error_message => 'key ${secret}0005 was refused')});
cmp_ok(sql('SELECT count(*) FROM theirs.rows'), '>=', 4, 'a trigger of the owner sees every row');
is(sql(q{SELECT count(*) FROM theirs.rows WHERE t ~ 'wwwwww' OR t ~ encode('wwwwww', 'hex')}), 0, 'but no secret in plain');

is(sql('SELECT pg_postmaster_start_time()'), $start, 'the server is the one that was started');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'and is well');
done_testing();
