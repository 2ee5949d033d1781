# With every setting that logs texts turned on, no key gets into the server's log, pg_stat_activity
# or pg_stat_statements: whatever the protocol, whatever goes wrong, whichever of the libraries was
# named first. What is no key stays as it is.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use Test::More;

# Of no provider's format: known by where they are handed over alone.
my $mark = 'zq7hidden';
my $secret = "$mark+horse/battery";
my $formatted = "sk-proj-${mark}0123456789";

my $node = PostgreSQL::Test::Cluster->new('redaction');
$node->init;
$node->append_conf('postgresql.conf', <<'CONF');
shared_preload_libraries = 'pg_keypool, pg_stat_statements, auto_explain'
max_worker_processes = 16
restart_after_crash = on
keypool.validate_format = off
logging_collector = on
log_directory = 'log'
log_filename = 'all.log'
log_destination = 'stderr, csvlog, jsonlog'
log_statement = all
log_min_duration_statement = 0
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_min_messages = debug5
log_min_error_statement = debug5
log_error_verbosity = verbose
debug_print_parse = on
debug_print_rewritten = on
debug_print_plan = on
auto_explain.log_min_duration = 0
auto_explain.log_nested_statements = on
auto_explain.log_verbose = on
auto_explain.log_analyze = on
pg_stat_statements.track = all
CONF
$node->start;
$node->safe_psql('postgres', "CREATE EXTENSION pg_keypool; CREATE EXTENSION pg_stat_statements;
	CREATE SCHEMA hidden; CREATE TABLE hidden.held (id int)");

# Everything that has been logged, in every format.
sub logged
{
	return join '', map { -e $_ ? slurp_file($_) : '' }
	  map { $node->data_dir . "/log/all.$_" } qw(log csv json);
}

sub lines_with
{
	my ($pattern) = @_;
	return grep { /$pattern/ } split /\n/, slurp_file($node->data_dir . '/log/all.log');
}

sub shows_nothing
{
	my ($when) = @_;
	my @leaks = grep { /\Q$mark\E/ } split /\n/, logged();
	is(scalar @leaks, 0, "$when: nothing in the log") or diag(join "\n", @leaks[ 0 .. 3 ]);
	# A pattern, so that this very statement does not hold the mark.
	is( $node->safe_psql('postgres', q{SELECT query FROM pg_stat_statements
		WHERE query ~ 'zq7[h]idden'}),
		'', "$when: nothing in pg_stat_statements");
	is( $node->safe_psql('postgres', q{SELECT query FROM pg_stat_activity
		WHERE query ~ 'zq7[h]idden'}),
		'', "$when: nothing in pg_stat_activity");
	return;
}

my $document = qq({"providers":{"openai":{"api_keys":[{"key":"$secret-1","name":"a"}]}}});
my @statements = (
	"SELECT add_key('openai', '$secret-2')",
	"SELECT add_key('openai', '$formatted')",
	"SELECT add_key(secret => E'$secret\\'3', provider => 'openai')",
	"SELECT add_key('openai', \$k\$$secret-4\$k\$, 'named')",
	"SELECT add_key('openai', '$secret ' || upper('$secret')), 'the rest stays'",
	"SELECT rotate_key(1, '$secret-5')",
	"SELECT * FROM validate_key('openai', '$secret-6')",
	"SELECT * FROM import_keys('$document')",
	"SELECT log_request('openai', 'gpt-4', api_key => '$secret-7')",
	qq(SELECT log_requests('[{"provider":"openai","model":"m","api_key":"$secret-7"}]')),
	"SELECT resolve_key('$secret-2') \\; SELECT resolve_key('$secret-3'), 1 / 0",
	"DO \$\$ BEGIN PERFORM add_key('openai', '$secret-8'); END \$\$",
	"DO 'BEGIN EXECUTE ''SELECT resolve_key(''''$secret-8'''')''; PERFORM 1 / 0; END'",
	"DO \$\$ BEGIN EXECUTE 'PREPARE q AS SELECT resolve_key(''$secret-9'')'; END \$\$",
	'PREPARE p AS SELECT add_key($1, $2)',
	"EXECUTE p('openai', '$secret-10')",
	"EXPLAIN (ANALYZE, VERBOSE) EXECUTE p('openai', '$secret-11')",
	"EXPLAIN (VERBOSE) SELECT add_key('openai', '$secret-12')",
	"CREATE FUNCTION hidden.f() RETURNS bigint LANGUAGE plpgsql AS
		\$\$ BEGIN RETURN resolve_key('$secret-13') / 0; END \$\$",
	'SELECT hidden.f()',
	'DROP FUNCTION hidden.f()',
	"COPY (SELECT resolve_key('$secret-14')) TO STDOUT",
	"DECLARE c CURSOR WITH HOLD FOR SELECT resolve_key('$secret-14')",
	"SELECT add_webhook('https://example.com/a', '$secret for a webhook')",
	"INSERT INTO keypool.alert_webhooks (url, secret)
		VALUES ('https://example.com/b', '$secret for a webhook')",
	"UPDATE keypool.alert_webhooks SET secret = '$secret for another' WHERE id = 1",
	"COPY keypool.alert_webhooks (url, secret) FROM STDIN;\n$secret\n\\.\n",
	"SELECT '$formatted', \"$formatted\"",
	# Statements that fail before they are understood.
	"SELECT add_key('openai' '$secret-15')",
	"SELEC add_key('openai', '$secret-15')",
	"SELECT add_key('openai', '$secret-15', rate_limit => 'x')",
	"SELECT add_key('openai', \"$secret-15\")",
	"SELECT * FROM import_keys('[\"$secret-16\"')",
	"SELECT * FROM import_keys('[$mark-17]')",
	"SELECT no_such_function(), resolve_key('$secret-18')");

my @ordinary = (
	q{SELECT md5('x'), 'd41d8cd98f00b204e9800998ecf8427e', 'task-550e8400e29b41d4a716446655440000'},
	q{SELECT 'risk-assessment-20240101', '550e8400-e29b-41d4-a716-446655440000' /* sk-learn */},
	q{SELECT $$it's$$, E'a\\'b', '/var/lib/0123456789abcdef0123456789abcdef' AS a_quite_long_name});

# Over the simple protocol, in one session; whatever is wrong with a statement is part of the test.
sub run_statements
{
	my @told = KeypoolCluster::ask($node, join(";\n", @statements) . ";\n");
	ok(!(grep { /\Q$mark\E/ && !/^(?:LINE|DETAIL)/ } grep { /^psql.*ERROR/ } split /\n/, $told[0]),
		'no error says the secret');
	return;
}

# Over the extended protocol, with the secret in the text and as a parameter.
sub run_extended
{
	my $literal = $node->basedir . '/literal.sql';
	PostgreSQL::Test::Utils::append_to_file($literal,
		"SELECT resolve_key('$secret-20');\nDO \$\$ BEGIN PERFORM resolve_key('$secret-21'); END \$\$;\n"
		  . "SELECT * FROM validate_key('openai', '$secret-22');\n");
	for my $mode (qw(extended prepared))
	{
		$node->command_ok([ 'pgbench', '-n', '-t', 3, '-M', $mode, '-f', $literal, 'postgres' ],
			"statements over the $mode protocol");
	}
	my $parameter = $node->basedir . '/parameter.sql';
	PostgreSQL::Test::Utils::append_to_file($parameter,
		"SELECT resolve_key(:secret), :other::text;\nSELECT resolve_key(:secret) / 0;\n"
		  . "SELECT import_keys(:secret);\n");
	$node->command_fails([
			'pgbench', '-n', '-t', 1, '-M', 'extended', '-D', "secret=$secret-23",
			'-D', 'other=ordinary', '-f', $parameter, 'postgres' ],
		'parameters of statements that fail');
	return;
}

run_statements();
run_extended();
cmp_ok($node->safe_psql('postgres', 'SELECT count(*) FROM keypool.api_keys'), '>=', 6,
	'the keys have been stored');
is($node->safe_psql('postgres', 'SELECT count(*) FROM keypool.alert_webhooks'), 2, 'webhooks too');
shows_nothing('keypool first');

like(logged(), qr/statement: SELECT add_key\('openai', 'sk-proj-…\[redacted\]'\)/,
	'the log says what was called, and with which kind of key');
like(logged(), qr/\[redacted\]'\)\), 'the rest stays'/, 'and all that is no secret');
like(logged(), qr/\$1 = '\[redacted\]', \$2 = 'ordinary'/, 'of parameters only the secret is hidden')
  or diag(join "\n", lines_with(qr/arameters: /));

# Held up in the middle, to be looked at, cancelled and killed.
sub held
{
	my ($sql, $then) = @_;
	my $locker = PsqlSession->new($node);
	$locker->ask('BEGIN; LOCK TABLE keypool.api_keys IN ACCESS EXCLUSIVE MODE');
	my $session = PsqlSession->new($node);
	my $pid = $session->pid;
	$session->send($sql);
	ok( KeypoolCluster::await(sub {
			$node->safe_psql('postgres', qq{SELECT count(*) FROM pg_stat_activity
				WHERE pid = $pid AND wait_event_type = 'Lock'}) eq 1 }),
		'a statement waits');
	my $shown = $node->safe_psql('postgres', "SELECT query FROM pg_stat_activity WHERE pid = $pid");
	$then->($pid, $session);
	eval { $locker->close };
	eval { $session->close };
	return $shown;
}

my $shown = held("SELECT add_key('openai', '$secret-30')",
	sub { $node->safe_psql('postgres', "SELECT pg_cancel_backend($_[0])"); $_[1]->answer });
is($shown, "SELECT add_key('openai', '" . '*' x length("$secret-30") . "')\n;",
	'others see that it runs, without the secret')
  or diag($shown);
held("SET statement_timeout = '1s'; SELECT rotate_key(1, '$secret-31')", sub { $_[1]->answer });
shows_nothing('cancelled');
ok(lines_with(qr/STATEMENT:  SELECT add_key\('openai', '\*+'\)/), 'the log says what was cancelled');

held("SELECT add_key('openai', '$secret-32')", sub { kill 'SEGV', $_[0] });
ok(KeypoolCluster::await(sub { KeypoolCluster::try_sql($node, 'SELECT 1') }), 'up after a crash');
ok(lines_with(qr/Failed process was running: SELECT add_key\('openai', '.*redacted.*'\)/),
	'the postmaster says what crashed');
shows_nothing('crashed');

$node->append_conf('postgresql.conf',
	"shared_preload_libraries = 'auto_explain, pg_stat_statements, pg_keypool'");
$node->restart;
run_statements();
run_extended();
shows_nothing('keypool last');

KeypoolCluster::ask($node, join(";\n", @ordinary) . ';');
my $log = slurp_file($node->data_dir . '/log/all.log');
for my $text (@ordinary)
{
	ok(index($log, "statement: $text") >= 0, "stays as it is: $text");
}

$node->safe_psql('postgres', "SET keypool.redact = off; SELECT resolve_key('$secret-40')");
like(logged(), qr/statement: .*SELECT resolve_key\('\Q$secret\E-40'\)/,
	'turned off, nothing is touched');

done_testing();
