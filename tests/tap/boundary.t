# Every way a C++ function can fail reaches SQL as an ordinary error: destructors run, SQLSTATE,
# detail and hint survive, the session goes on, and the server never restarts.
# Uses the module of tests/support/guard, which fails on purpose.
use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $module = $ENV{KEYPOOL_GUARD_MODULE}
  // abs_path(dirname(__FILE__) . '/../support/guard') . '/keypool_guard.so';
die("$module is not built: make -C tests/support/guard") unless -f $module;

my $node = PostgreSQL::Test::Cluster->new('boundary');
$node->init;
$node->start;

my %functions = (
	'preload()' => 'void', 'throw_core(int, text, text)' => 'void', 'throw_other(text)' => 'void',
	'run(text)' => 'void', 'try_run(text)' => 'text', 'alive()' => 'int',
	'fail_under_lock()' => 'void', 'lock_held()' => 'bool', 'interrupts_held()' => 'bool',
	'act_as(oid, text)' => 'text', 'latest(text)' => 'text', 'spin()' => 'void',
	'warn(text)' => 'void', 'nanos(numeric)' => 'bigint', 'micros(interval)' => 'bigint',
	'spread(texts text[])' => 'TABLE(at int, item text)', 'wrong_width()' => 'TABLE(a int, b int)',
	'bound(text, bigint)' => 'text', 'nanoseconds_a_call(int)' => 'float8',
	'echo(INOUT text, INOUT int, INOUT bigint, INOUT float8, INOUT bool, INOUT numeric, '
	  . 'INOUT interval, INOUT timestamptz, INOUT text[], INOUT bigint[], INOUT jsonb, '
	  . 'INOUT bytea, INOUT oid)' => 'record');
for my $signature (sort keys %functions) {
	my ($name) = $signature =~ /^(\w+)/;
	$node->safe_psql('postgres',
		"CREATE FUNCTION $signature RETURNS $functions{$signature} "
		  . "AS '$module', 'keypool_$name' LANGUAGE C");
}

# Statements in one session that is marked as preloaded; answers output and errors.
sub session {
	my ($sql, %options) = @_;
	my ($out, $err) = ('', '');
	$node->psql('postgres', "SELECT preload();\n$sql", stdout => \$out, stderr => \$err,
		on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose' ], %options);
	$out =~ s/^\n//;
	return ($out, $err);
}
# As session(), for one error: everything the client was told, and the witnesses left alive.
sub failure {
	my ($sql) = @_;
	my ($out, $err) = session("$sql;\nSELECT 'alive=' || alive();");
	like($out, qr/^alive=0$/m, "nothing leaks: $sql");
	return $err;
}

my ($out, $err);
$node->psql('postgres', 'SELECT alive()', stderr => \$err, on_error_stop => 0,
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
like($err, qr/55000: .*is not loaded at server start.*HINT:.*shared_preload_libraries/s,
	'a call without preloading names the setting');

my @states = qw(KP001 KP002 KP003 KP004 KP005 KP006 KP007 KP008
  22023 23505 42501 42704 53400 54000 55000 XX000);
for my $code (0 .. $#states) {
	like(failure("SELECT throw_core($code, NULL, NULL)"), qr/ERROR:  $states[$code]: asked to fail/,
		"core error $code is $states[$code]");
}
like(failure(q{SELECT throw_core(0, '100% detail %s', 'The hint.')}),
	qr/DETAIL:  100% detail %s\n.*HINT:  The hint\./s, 'detail and hint survive, percent signs too');
like(failure(q{SELECT throw_other('bad_alloc')}), qr/53200: out of memory/, 'bad_alloc is 53200');
like(failure(q{SELECT throw_other('std')}), qr/XX000: from the standard library/,
	'a standard exception is XX000');
like(failure(q{SELECT throw_other('int')}), qr/XX000: unexpected exception/, 'so is any other');
like(failure(q{SELECT throw_core(NULL, NULL, NULL)}), qr/22004: argument 1 must not be null/,
	'NULL is refused where a value is needed');
like(failure(q{SELECT * FROM spread(NULL)}), qr/22004: argument "texts" must not be null/,
	'by its name where it has one');

like(failure('SELECT run($$SELECT 1/0$$)'), qr/22012: division by zero.*SQL statement "SELECT 1\/0"/s,
	'a Postgres error keeps its code and context');
like(failure(q{SELECT run($$DO 'BEGIN RAISE EXCEPTION USING ERRCODE = ''KP999'', MESSAGE = ''m'', }
	  . q{DETAIL = ''d'', HINT = ''h''; END'$$)}),
	qr/KP999: m\nDETAIL:  d\nHINT:  h/, 'and its detail and hint');
like(failure(q{SELECT run('SELECT run(''SELECT run(''''SELECT 1/0'''')'')')}),
	qr/22012: division by zero/, 'through any depth of SPI and C++');
like(failure("SET statement_timeout = '200ms'; SELECT spin()"), qr/57014/, 'a C++ loop is cancelled');
like(failure("SET statement_timeout = '200ms'; SELECT run('SELECT pg_sleep(60)')"), qr/57014/,
	'so is a statement it runs');

($out, $err) = session(q{
	CREATE TABLE kept (n int);
	BEGIN;
	INSERT INTO kept VALUES (1);
	SELECT try_run('INSERT INTO kept SELECT n / (n - 2) FROM generate_series(1, 2) n');
	SELECT coalesce(try_run('INSERT INTO kept VALUES (2)'), 'done');
	SELECT try_run('SELECT run(''SELECT 1/0'')');
	COMMIT;
	SELECT string_agg(n::text, ',' ORDER BY n), alive() FROM kept;});
is($out, "division by zero\ndone\ndivision by zero\n1,2|0",
	'a subtransaction turns a failure into data and undoes only its own work');
unlike($err, qr/WARNING/, 'and leaves no session or snapshot behind');
($out, $err) = session("SET statement_timeout = '200ms'; SELECT try_run('SELECT pg_sleep(60)');");
like($err, qr/57014/, 'a cancel is not taken for a bad row');

($out, $err) = session('SELECT fail_under_lock(); SELECT lock_held(), interrupts_held();'
	  . ' SELECT fail_under_lock(); SELECT pg_sleep(0.01);');
like($out, qr/^f\|f$/m, 'a lock is released when an error passes its guard');
unlike($err, qr/PANIC|FATAL/, 'and the session goes on');

($out, $err) = session(q{
	CREATE ROLE owner_role;
	SELECT act_as('owner_role'::regrole, 'SELECT current_user || '' '' || current_setting(''search_path'')');
	SELECT act_as('owner_role'::regrole, 'SET ROLE postgres');
	SELECT act_as('owner_role'::regrole, 'SELECT (1/0)::text');
	SELECT try_run('SELECT act_as(''owner_role''::regrole, ''SELECT (1/0)::text'')');
	SELECT current_user = session_user, current_setting('search_path');
	DROP ROLE owner_role;});
like($out, qr/^owner_role pg_catalog, pg_temp$/m, 'acts as the owner, names resolve in pg_catalog');
like($out, qr/^t\|"\$user", public$/m, 'role and search_path are back after errors');
like($err, qr/42501: cannot set parameter "role"/, 'the role cannot be changed meanwhile');

($out, $err) = session(q{
	BEGIN ISOLATION LEVEL REPEATABLE READ;
	SELECT count(*) > 0 FROM pg_class;
	\! } . "psql -X -q -h '" . $node->host . "' -p " . $node->port
	  . q{ -d postgres -c "INSERT INTO kept VALUES (3)"
	SELECT max(n), latest('SELECT max(n)::text FROM kept') FROM kept;
	SELECT latest('SELECT (1/0)::text');
	COMMIT;});
like($out, qr/^2\|3$/m, 'a latest snapshot sees past REPEATABLE READ');
unlike($err, qr/WARNING/, 'and is gone after an error');

($out, $err) = session(q{SELECT warn('took note'); SELECT 'on';});
like($err, qr/WARNING:  KP004: took note\nDETAIL:  A detail\./, 'a report below ERROR has its code');
like($out, qr/^on$/m, 'and stops nobody');

# Every type there and back, then all NULL.
my $values = q{'text'::text, 1, 2::bigint, 0.5::float8, true, 12.345678901::numeric, interval '90 min', }
  . q{'2024-02-29 12:00+00'::timestamptz, array['a', 'b'], array[1, 2]::bigint[], }
  . q{'{"a": [1, "é"]}'::jsonb, '\x00ff'::bytea, 10::oid};
($out, $err) = session("SET timezone = 'UTC'; SELECT echo($values) = row($values);"
	  . 'SELECT echo(' . join(', ', ('NULL') x 13) . ') IS NULL;'
	  . "CREATE TEMP TABLE wide AS SELECT repeat('x', 3000000) AS item;"
	  . "SELECT length((echo(item, 1, 1, 1, true, 1, '0', now(), '{}', '{}', '{}', '', 0)).column1)"
	  . ' FROM wide;');
like($out, qr/^t\nt\n3000000$/m, 'every type survives the round trip, NULL too') or diag("$out$err");

my %nanos = ('1' => '1000000000', '-0.000000001' => '-1', '0.0000000005' => '1', '1e-12' => '0',
	'-9223372036.854775808' => '-9223372036854775808', '9223372036.854775807' => '9223372036854775807');
for my $amount (sort keys %nanos) {
	($out, $err) = session("SELECT nanos('$amount')");
	is($out, $nanos{$amount}, "\$$amount in nano-dollars");
}
for my $amount (qw(9223372036.854775808 -9223372036.854775809 1e300 NaN Infinity)) {
	($out, $err) = session("SELECT nanos('$amount')");
	like($err, qr/22023: amount of dollars out of range/, "\$$amount is refused");
}
($out, $err) = session("SELECT micros('1 month -1 day 1 s'), micros('-1 us')");
is($out, (29 * 86400 + 1) * 1_000_000 . '|-1', 'an interval in microseconds');
($out, $err) = session("SELECT micros('178000000 years')");
like($err, qr/22023: interval out of range/, 'an interval that does not fit is refused');
($out, $err) = session("SELECT * FROM spread(array['a', 'b', 'c', 'd'])");
is($out, "1|\n2|b\n3|\n4|d", 'a set with NULLs');
like(failure("SELECT * FROM spread(array['a', NULL])"), qr/22023: array must not contain nulls/,
	'a NULL element is refused');
like(failure('SELECT * FROM wrong_width()'), qr/XX000: function made 1 columns/,
	'a row of the wrong width is caught');
($out, $err) = session("SELECT bound('a', 1), bound(NULL, NULL)");
is($out, 'a/1/literal|null/null/literal', 'statements take parameters');

($out, $err) = session('SELECT nanoseconds_a_call(10000000)');
note("a guarded call takes $out ns");

unlike(slurp_file($node->logfile), qr/terminated by signal|PANIC|reinitializing/,
	'no backend crashed');
$node->stop;
done_testing();
