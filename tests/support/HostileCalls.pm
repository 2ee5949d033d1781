# Calls every function of the extension with one hostile argument at a time, and says what came of
# it. What functions there are is read from the catalog, so that a new one is tried as well; one
# whose arguments are of a type that has no values here, or whose ordinary call fails, is told.
#
#   my $calls = HostileCalls->new($node, 'postgres');
#   $calls->run(%HostileCalls::hostile);         # each call is undone
#   my $lines = $calls->outcomes("state LIKE 'XX%'");   # function|argument|number|value|state|told|seconds
#
# Values are kept in a table and fetched by number, so that no statement has them in its text:
# whatever repeats one got it as an argument.
package HostileCalls;

use strict;
use warnings;

use PostgreSQL::Test::Utils;

# What every hostile text has in it, so that it is found wherever it is repeated.
our $MARK = 'hOsTiLe';

# By the name of an argument (or function.argument), else by its type: a value that an ordinary call
# has, as SQL that names nothing. Only for arguments without a default.
our %ordinary = (
	provider => q{'openai'}, secret => q{'sk-proj-oooooooooooooooooooooooo0002'},
	key_id => q{1}, lease_id => q{driver.lease()}, role => q{'driver_role'}, level => q{'reader'},
	config => q{'{"providers": {}}'}, prices => q{'{}'}, requests => q{'[]'}, url => q{'https://127.0.0.1:9'},
	model => q{'gpt-4o'}, input_tokens => q{1}, error_type => q{'rate_limit'}, error_message => q{''},
	source => q{'driver.source'}, grantee => q{'driver_role'}, day => q{'2001-02-03'},
	first_day => q{'2001-02-03'}, last_day => q{'2001-02-04'},
	'revoke_my_key.key_id' => q{2}, 'note_access.action' => q{'grant_keypool'},
	'add_webhook.secret' => q{'a-secret-of-some-length'},
	token => q{'gAAAAABlU_EAAAECAwQFBgcICQoLDA0OD-hYOYtSA8WMC6-dtS5q-ibNzNK2daG1qM18AiwT2CzXm0LwFFAO5BBsP6mv2zBAi7jooYAl42IeYcObWi-ccUYYYPgqETY9CoD-VMXAeCv-'},
	fernet_key => q{'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='},
	sealed => q{'AAECAwQFBgcICQoLfKzREHkrCQyGm2zdEAl83v5WrrYnhUb4ATQ/VduOrtB+UoF9XdMxU86cc9wlFKKcjgWaoA=='},
	password => q{'correct horse'}, which => q{'price'}, period => q{'day'}, time_zone => q{'UTC'},
	columns => q{'{}'}, batch => q{100}, target => q{'model'}, statement => q{'SELECT 1'},
	partition => q{'keypool.chat_completion_requests_default'}, user_id => q{'u1'},
	organization_id => q{'o1'}, importer => q{'postgres'}, attach => q{'SELECT 1'}, spec => q{'"model"'},
	'attach_request_partition.partition' => q{'driver.partition'},
	work => q{keypool.import_order('driver.source', 'postgres', '{}', false, NULL, 1, NULL)});
our %ordinary_type = (
	text => q{'text'}, 'text[]' => q{'{a}'}, name => q{'name'}, integer => '1', bigint => '1',
	'bigint[]' => q{'{1}'}, numeric => '1', 'double precision' => '1', boolean => 'true',
	jsonb => q{'{}'}, 'timestamp with time zone' => q{'2001-02-03 04:05:06+00'},
	interval => q{'1 day'}, date => q{'2001-02-03'}, 'date[]' => q{'{2001-02-03}'},
	regclass => q{'driver.source'}, regrole => q{'driver_role'}, regtype => q{'text'}, xid8 => q{'0'}, bytea => q{'\x00'});

# By type: SQL expressions of text, which are cast to the type. NULL is added to each.
our %hostile = (
	text => [
		"''", "' '", "'$MARK'''", "'$MARK''; DROP TABLE keypool.api_keys; --'", "'$MARK'' OR ''1''=''1'",
		"'$MARK\$\$; SELECT 1; \$\$'", "'\$1 \$2 $MARK'", "'$MARK\\'", "'$MARK\\''; --'",
		"'E\\''$MARK\\x00'", "'$MARK\"; DROP SCHEMA keypool CASCADE; --'", "'$MARK/*'", "'*/ $MARK --'",
		"'%s%s%s%n%n%1\$s %$MARK'", "E'$MARK\\x01\\x02\\x1b[31m\\x7f\\r\\n\\t\\b'",
		"E'$MARK\\xe2\\x80\\xae\\xef\\xbc\\x87\\xf0\\x9f\\x92\\xa9\\xcd\\x8f\\xef\\xbf\\xbe'",
		"repeat('$MARK', 40)", "repeat('$MARK ', 131072)", "repeat('\"', 100000)", "repeat('%s', 100000)",
		"'pg_catalog.pg_sleep(9)'", "'keypool.api_keys'", "'../../../../etc/passwd $MARK'",
		"'{\"$MARK\": [1'", "'NaN'", "'-1'", "'1e999999'", "'*'", "'all'", "'\\x'", "'=$MARK'",
		"'$MARK,{}'", "'sk-proj-$MARK' || repeat('z', 40)", "'${MARK}openai'" ],
	jsonb => [
		"'null'", "'true'", "'0'", "'\"$MARK\"'", "'[]'", "'{}'", "'[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]'",
		"repeat('[', 3000) || repeat(']', 3000)",
		"repeat('{\"$MARK\":', 3000) || '1' || repeat('}', 3000)",
		"'{\"$MARK''; DROP TABLE keypool.api_keys; --\": \"%s%n\\\\u0001''\"}'",
		"'{\"retry-after\": 1e10000, \"x-ratelimit-limit-requests\": -1e10000}'",
		"'{\"retry-after\": \"99999999999999999999999\", \"X-RateLimit-Remaining-Requests\": \"-1\", \"x-ratelimit-reset-requests\": \"1e9h\", \"date\": \"$MARK\"}'",
		"'{\"retry-after\": [\"1\", {\"a\": null}, [[2]]], \"\": \"\", \"\\\\n$MARK\": \"\\\\r\\\\nset-cookie: x\"}'",
		"(SELECT jsonb_object_agg('x-ratelimit-$MARK-' || n, n) FROM generate_series(1, 20000) n)::text",
		"jsonb_build_object('retry-after', repeat('9', 1000000))::text",
		"(SELECT jsonb_agg(n) FROM generate_series(1, 100000) n)::text",
		"'{\"providers\": {\"openai\": {\"api_keys\": [{\"key\": \"sk-proj-$MARK\", \"rate_limit\": -1, \"cost_limit\": 1e400, \"name\": \"''\"}, 7, null, []]}, \"$MARK\": 3}, \"global\": []}'",
		"'[{\"provider\": \"$MARK''\", \"model\": \"%n\", \"cost_usd\": 1e131000, \"input_tokens\": 1e30}]'",
		"'[{\"provider\": \"openai\", \"model\": \"m\", \"created_at\": \"infinity\"}]'",
		"'[{\"provider\": \"openai\", \"model\": \"m\", \"metadata\": [[[]]], \"api_key\": \"$MARK\"}]'",
		"'{\"model\": {\"value\": \"$MARK''); DROP TABLE keypool.api_keys; --\"}, \"created_at\": \"c\\\"; --\"}'",
		"'{\"model\": {\"column\": \"created_at\", \"map\": {\"$MARK''\": null}}, \"metadata\": {\"columns\": [1, null]}}'",
		"'{\"x-openai-api-key\": \"sk-proj-$MARK" . 'x' x 30 . "\", \"authorization\": \"Bearer $MARK''\", \"x-anthropic-key\": \"\\\\r\\\\n\"}'",
		"'{\"gpt-4o\": {\"input_cost_per_token\": 1e-400, \"output_cost_per_token\": \"NaN\", \"litellm_provider\": \"$MARK''\"}}'",
		"'{\"$MARK\": {\"input_cost_per_token\": 1e30, \"output_cost_per_token\": -1, \"litellm_provider\": \"openai\"}}'" ],
	integer => [ '0', '-1', '-2147483648', '2147483647' ],
	bigint => [ '0', '-1', '-9223372036854775808', '9223372036854775807' ],
	numeric => [ "'NaN'", "'Infinity'", "'-Infinity'", "'-0.000000001'", "'1e131071'", "'-1e131071'",
		"'1e-16383'", "'9223372036.854775808'", "'0.0000000004'" ],
	'double precision' => [ "'NaN'", "'Infinity'", "'-Infinity'", "'-0'", "'1e308'", "'5e-324'", "'-1'" ],
	boolean => [ "'false'" ],
	'timestamp with time zone' => [ "'infinity'", "'-infinity'", "'4713-01-01 00:00:00+00 BC'",
		"'294276-12-31 23:59:59+00'", "'1970-01-01 00:00:00+00'" ],
	interval => [ "'0'", "'-1 us'", "'178000000 years'", "'-178000000 years'",
		"'2147483647 months 2147483647 days'", "'1000000 hours'" ],
	date => [ "'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'" ],
	regclass => [ "'0'", "'4294967295'", "'pg_class'", "'keypool.api_keys'", "'keypool.api_keys_pkey'",
		"'keypool.api_keys_id_seq'", "'keypool.api_keys_overview'", "'keypool.chat_completion_requests'",
		"'driver.\"$MARK''; DROP TABLE keypool.api_keys; --\"'", "'driver.view'" ],
	regrole => [ "'0'", "'4294967295'", "'pg_monitor'", "'\"$MARK''; DROP TABLE keypool.api_keys; --\"'" ],
	regtype => [ "'0'", "'4294967295'", "'void'", "'bytea'", "'record'", "'driver.source'" ],
	xid8 => [ "'18446744073709551615'", "'1'" ],
	bytea => [ "'\\x'", "'\\x00'", "'\\x' || repeat('ff', 100000)" ]);
$hostile{name} = $hostile{text};
$hostile{'text[]'} = [ "'{}'", "'{NULL}'", "'{{a,b},{c,d}}'", "'[5:6]={a,$MARK}'",
	"'{\"\",\"$MARK''; DROP TABLE keypool.api_keys; --\",\"%s%n\",\"*\"}'",
	"array_fill('$MARK*'::text, ARRAY[100000])::text", "ARRAY[repeat('$MARK', 200000)]::text",
	"ARRAY[repeat('*a', 5000)]::text" ];
$hostile{'bigint[]'} = [ "'{}'", "'{NULL}'", "'{{1,2},{3,4}}'", "'[5:6]={1,2}'",
	"'{0,-1,9223372036854775807,-9223372036854775808}'", "array_fill(1, ARRAY[100000])::text" ];
$hostile{'date[]'} = [ "'{}'", "'{NULL}'", "'{{2001-01-01}}'", "'{infinity,-infinity}'" ];

# Takes place in a database that has the extension.
sub new
{
	my ($class, $node, $database) = @_;
	my $self = bless { node => $node, database => $database }, $class;
	$self->_prepare;
	return $self;
}

sub sql { my ($self, $sql) = @_; return $self->{node}->safe_psql($self->{database}, $sql) }

sub _prepare
{
	my ($self) = @_;
	$self->sql(q{
		CREATE SCHEMA driver;
		CREATE TABLE driver.source (id bigint PRIMARY KEY, created_at timestamptz, model text, provider text);
		INSERT INTO driver.source VALUES (1, '2001-02-03', 'm', 'openai');
		CREATE TABLE driver.partition (LIKE keypool.chat_completion_requests INCLUDING ALL);
		CREATE VIEW driver.view AS SELECT * FROM driver.source;
		CREATE TABLE driver."} . $MARK . q{'; DROP TABLE keypool.api_keys; --" (LIKE driver.source INCLUDING ALL);
		CREATE TABLE driver.hostile (number serial PRIMARY KEY, type regtype, value text);
		CREATE TABLE driver.outcome (function regprocedure, argument text, number int, state text, told text, took interval);
		CREATE FUNCTION driver.value(int) RETURNS text LANGUAGE sql AS
			'SELECT value FROM driver.hostile WHERE number = $1';
		CREATE FUNCTION driver.lease() RETURNS bigint LANGUAGE sql SET search_path = public AS
			$$SELECT lease_id FROM acquire_key('openai')$$;
		CREATE FUNCTION driver.attempt(function regprocedure, argument text, number int, statement text)
		RETURNS void LANGUAGE plpgsql AS $$
		DECLARE
			message text; detail text; hint text; context text;
			started timestamptz := clock_timestamp();
		BEGIN
			EXECUTE statement;
			RAISE EXCEPTION USING ERRCODE = 'P0099', MESSAGE = 'done';
		EXCEPTION WHEN OTHERS OR query_canceled THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
				hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
			INSERT INTO driver.outcome VALUES (function, argument, number, SQLSTATE,
				concat_ws(' | ', message, detail, hint, context), clock_timestamp() - started);
		END $$;
		-- Also an ordinary call's plain value, that of a default, is given by name.
		CREATE VIEW driver.functions AS
			SELECT p.oid::regprocedure AS function, p.proname::text AS name, a.place, a.argument, a.type::text,
			       a.place > p.pronargs - p.pronargdefaults AS has_default, p.pronargs AS arguments
			FROM pg_depend d
			JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_keypool'
			JOIN pg_proc p ON p.oid = d.objid
			LEFT JOIN LATERAL (
				SELECT t.place, p.proargnames[t.place] AS argument, t.type::regtype
				FROM unnest(p.proargtypes::oid[]) WITH ORDINALITY AS t (type, place)) a ON true
			WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
			  AND d.deptype = 'e' AND p.prorettype <> 'trigger'::regtype;
		DO $$ BEGIN CREATE ROLE driver_role; EXCEPTION WHEN duplicate_object THEN END $$;
		DO $$ BEGIN CREATE ROLE "} . $MARK . q{'; DROP TABLE keypool.api_keys; --";
		EXCEPTION WHEN duplicate_object THEN END $$;});
	return;
}

sub functions
{
	my ($self) = @_;
	my %functions;
	for (split /\n/, $self->sql('SELECT * FROM driver.functions ORDER BY function, place'))
	{
		my ($function, $name, $place, $argument, $type, $default, $count) = split /\|/;
		$functions{$function} //= { name => $name, count => $count, arguments => [] };
		push @{ $functions{$function}{arguments} },
			{ name => $argument, type => $type, default => $default eq 't' } if $count > 0;
	}
	return %functions;
}

# The value of an argument in an ordinary call; dies of a type that has none.
sub _ordinary
{
	my ($function, $argument) = @_;
	my $type = $argument->{type};
	my $value = $ordinary{"$function->{name}.$argument->{name}"} // $ordinary{ $argument->{name} }
	  // $ordinary_type{$type} // die "no value for $function->{name}($argument->{name} $type)";
	return "$argument->{name} => ($value)::" . _qualified($type);
}

# So that no other type of that name is meant, whatever the search_path; those of several words, and
# a few more, are part of the grammar and cannot be qualified.
sub _qualified
{
	my ($type) = @_;
	return $type =~ / |^(integer|bigint|boolean|numeric|interval)\b/ ? $type : "pg_catalog.$type";
}

# An order of signatures: what marks a key as failing comes last. Counters are not undone, and a key
# that cools is not picked.
sub in_order($$)
{
	my ($first, $second) = @_;
	return ($first =~ /mark_/) <=> ($second =~ /mark_/) || $first cmp $second;
}

# The call as SQL: with the ordinary values, but one given by number.
sub call
{
	my ($signature, $function, $given, $number) = @_;
	my @arguments;
	for my $argument (@{ $function->{arguments} })
	{
		if (defined $given && $argument->{name} eq $given)
		{
			push @arguments, "$given => driver.value($number)::" . _qualified($argument->{type});
		}
		elsif (!$argument->{default}) { push @arguments, _ordinary($function, $argument) }
	}
	my $name = $signature =~ s/\(.*//sr;
	return "SELECT FROM $name(" . join(', ', @arguments) . ')';
}

# Every function, with each of its arguments in turn, and once as it should be called. In one
# session, so that what one call leaves behind meets the next.
sub run
{
	my ($self, %values) = @_;
	for my $type (sort keys %values)
	{
		$self->sql("INSERT INTO driver.hostile (type, value) VALUES "
			  . join(', ', map { "('$type', ($_)::text)" } @{ $values{$type} }, 'NULL'));
	}
	my %numbers;
	for (split /\n/, $self->sql('SELECT type, number FROM driver.hostile'))
	{
		my ($type, $number) = split /\|/;
		push @{ $numbers{$type} }, $number;
	}
	my %functions = $self->functions;
	my @script = ("SET statement_timeout = '20s'", "SET keypool.user_id = 'u1'");
	for my $signature (sort in_order keys %functions)
	{
		my $function = $functions{$signature};
		my $attempt = sub {
			my ($argument, $number) = @_;
			push @script, sprintf("SELECT FROM driver.attempt('%s', %s, %s, %s)", $signature,
				defined $argument ? "'$argument'" : 'NULL', $number // 'NULL',
				"\$call\$" . call($signature, $function, $argument, $number) . "\$call\$");
		};
		$attempt->();
		for my $argument (@{ $function->{arguments} })
		{
			$hostile{ $argument->{type} } // die "no hostile values for $signature, $argument->{type}";
			$attempt->($argument->{name}, $_) for @{ $numbers{ $argument->{type} } // [] };
		}
	}
	$self->sql(join(";\n", @script));
	return scalar(@script) - 2;    # without the settings
}

sub outcomes
{
	my ($self, $where) = @_;
	return $self->sql(qq{
		SELECT o.function, coalesce(o.argument, '-'), o.number, coalesce(left(h.value, 30), 'NULL'), o.state,
		       left(o.told, 300), round(extract(epoch FROM o.took), 1)
		FROM driver.outcome o LEFT JOIN driver.hostile h USING (number) WHERE $where ORDER BY 1, 2, 3});
}

1;
