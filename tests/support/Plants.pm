# A schema full of lookalikes: of every function, operator, aggregate, type and table that the
# server or the extension has, as far as an ordinary user can make them. Whatever calls or reads one
# of them writes "planted: NAME" to the server's log, where it stays even if all else is undone.
#
#   Plants::sow($node, 'postgres', 'hostile_role');    # into the schema "plants"
#   like(Plants::reaped($node, sub { ... }), qr/now/); # what was called meanwhile
package Plants;

use strict;
use warnings;

use PostgreSQL::Test::Utils;

# Of pg_catalog's functions those whose types have names that a declaration can use.
my $functions = q{
	SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS arguments, p.prorettype::regtype AS result, p.proretset,
	       p.proargtypes
	FROM pg_catalog.pg_proc p
	WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.provariadic = 0
	  AND NOT EXISTS (SELECT FROM unnest(p.proargtypes::oid[] || p.prorettype) AS t (type)
	                  JOIN pg_catalog.pg_type y ON y.oid = t.type WHERE y.typtype = 'p' AND y.typname <> 'void')
	  AND NOT 'void'::regtype = ANY (p.proargtypes::oid[])};

sub sow
{
	my ($node, $database, $role) = @_;
	$node->safe_psql($database, "CREATE SCHEMA plants AUTHORIZATION $role; GRANT USAGE ON SCHEMA plants TO PUBLIC");
	return $node->safe_psql($database, qq{
		SET ROLE $role;
		SET client_min_messages = error;
		CREATE FUNCTION plants.tell(what text) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog AS
			\$\$BEGIN RAISE LOG 'planted: % as %', what, current_user; END\$\$;
		CREATE FUNCTION plants.told(what text) RETURNS boolean LANGUAGE plpgsql SET search_path = pg_catalog AS
			\$\$BEGIN RAISE LOG 'planted: % as %', what, current_user; RETURN true; END\$\$;
		DO \$sow\$
		DECLARE
			it record;
			sown int := 0;
		BEGIN
			FOR it IN $functions LOOP
				BEGIN
					EXECUTE pg_catalog.format(
						'CREATE FUNCTION plants.%I(%s) RETURNS %s%s LANGUAGE plpgsql AS '
						'\$\$BEGIN PERFORM plants.tell(%L); RETURN%s; END\$\$',
						it.proname, (SELECT pg_catalog.string_agg(t::regtype::text, ', ' ORDER BY n)
						             FROM pg_catalog.unnest(it.proargtypes::oid[]) WITH ORDINALITY AS u (t, n)),
						CASE WHEN it.proretset THEN 'SETOF ' ELSE '' END, it.result, it.proname,
						CASE WHEN it.proretset OR it.result = 'void'::regtype THEN '' ELSE ' NULL' END);
					sown := sown + 1;
				EXCEPTION WHEN OTHERS THEN
					RAISE LOG 'not sown: % % %', it.proname, SQLSTATE, SQLERRM;
				END;
			END LOOP;
			-- Operators over functions of their own.
			FOR it IN
				SELECT o.oprname, o.oprleft::regtype AS l, o.oprright::regtype AS r, o.oprresult::regtype AS result,
				       'operator_' || o.oid AS name, o.oprleft = 0 AS prefix
				FROM pg_catalog.pg_operator o
				WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprresult <> 0
				  AND NOT EXISTS (SELECT FROM pg_catalog.pg_type y
				                  WHERE y.oid IN (o.oprleft, o.oprright, o.oprresult) AND y.typtype = 'p')
			LOOP
				EXECUTE pg_catalog.format('CREATE FUNCTION plants.%I(%s) RETURNS %s LANGUAGE plpgsql AS '
					'\$\$BEGIN PERFORM plants.tell(%L); RETURN NULL; END\$\$', it.name,
					pg_catalog.concat_ws(', ', NULLIF(it.l::oid, 0)::regtype, it.r), it.result, it.oprname || ' ' || it.r);
				EXECUTE pg_catalog.format('CREATE OPERATOR plants.%s (FUNCTION = plants.%I, %s RIGHTARG = %s)',
					it.oprname, it.name,
					CASE WHEN it.prefix THEN '' ELSE pg_catalog.format('LEFTARG = %s,', it.l) END, it.r);
				sown := sown + 1;
			END LOOP;
			-- Aggregates of one argument or none.
			FOR it IN
				SELECT DISTINCT p.proname, a.arguments
				FROM pg_catalog.pg_proc p
				CROSS JOIN LATERAL (SELECT CASE WHEN p.pronargs = 0 THEN '*' ELSE p.proargtypes[0]::regtype::text END) AS a (arguments)
				WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'a' AND p.pronargs < 2
				  AND NOT EXISTS (SELECT FROM pg_catalog.pg_type y WHERE y.oid = p.proargtypes[0] AND y.typtype = 'p')
			LOOP
				EXECUTE pg_catalog.format('CREATE OR REPLACE FUNCTION plants.step(text%s) RETURNS text LANGUAGE plpgsql AS '
					'\$\$BEGIN PERFORM plants.tell(%L); RETURN NULL; END\$\$',
					CASE it.arguments WHEN '*' THEN '' ELSE ', ' || it.arguments END, 'aggregate');
				EXECUTE pg_catalog.format('CREATE AGGREGATE plants.%I(%s) (SFUNC = plants.step, STYPE = text)',
					it.proname, it.arguments);
				sown := sown + 1;
			END LOOP;
			-- Types.
			FOR it IN
				SELECT t.typname FROM pg_catalog.pg_type t
				WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype = 'b' AND t.typelem = 0
			LOOP
				EXECUTE pg_catalog.format('CREATE DOMAIN plants.%I AS pg_catalog.%I CHECK (plants.told(%L))',
					it.typname, it.typname, 'type ' || it.typname);
				sown := sown + 1;
			END LOOP;
			-- Tables and views, of the server and of the extension.
			FOR it IN
				SELECT DISTINCT c.relname FROM pg_catalog.pg_class c
				WHERE c.relnamespace IN ('pg_catalog'::regnamespace, (SELECT n.oid FROM pg_catalog.pg_namespace n WHERE n.nspname = 'keypool'))
				  AND c.relkind IN ('r', 'p', 'v') AND NOT EXISTS (SELECT FROM pg_catalog.pg_type t
				      WHERE t.typnamespace = 'plants'::regnamespace AND t.typname = c.relname)
			LOOP
				EXECUTE pg_catalog.format('CREATE VIEW plants.%I AS SELECT plants.told(%L) AS oid, 1 AS id', it.relname, 'relation ' || it.relname);
				sown := sown + 1;
			END LOOP;
			RAISE LOG 'sown: %', sown;
		END \$sow\$;
		RESET ROLE;
		SELECT count(*) FROM pg_catalog.pg_depend d WHERE d.refobjid = 'plants'::regnamespace;});
}

# What was planted and called while code ran.
sub reaped
{
	my ($node, $code) = @_;
	my $from = -s $node->logfile;
	$code->();
	my $log = substr(slurp_file($node->logfile), $from);
	my %found = map { $_ => 1 } $log =~ /planted: (.*)/g;
	return join "\n", sort keys %found;
}

1;
