# No secret that was ever handed in is found anywhere but sealed: with every kind of logging on, after
# a workload that calls every function of the extension, however a statement was sent and however it
# ended. The scripts are in tests/support/secrets; 091_scanner.t shows that the scanner sees. Left
# out: the development key, which is public; what a pick answers to its caller; memory; data keys,
# which nobody outside the server knows in plain.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use IPC::Run ();
use KeypoolCluster;
use MadeUpSecrets;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use PsqlSession;
use SecretPlaces;
use SecretScanner;
use StandIn;
use Test::More;

my $secrets = MadeUpSecrets->new(5);
my $fernet_key = $secrets->know('fernet key', 'CyhFYn-cudbzEC1KZ4Shvtv4FTJPbImmw-D9GjdUcY4=');
my $password = $secrets->know(password => 'Passwort-kzqwvjxhdymtbrnl');
$secrets->know('in the token', 'sk-proj-SealedAsAFernetTokenHb3Yd8Nf6Rc1');
$secrets->know('under the password', 'sk-proj-SealedUnderAPasswordQm7Zt2Wv9Kx4');
$ENV{OPENAI_API_KEY_1} = $secrets->secret('openai environment');
$ENV{GOLLM_ANTHROPIC_API_KEY_BACKUP} = $secrets->secret('anthropic environment');

my ($provider, $elsewhere) = (StandIn->start, StandIn->start);
my $node = KeypoolCluster::start('leaks',
	q{shared_preload_libraries = 'pg_stat_statements, auto_explain, pg_keypool'},
	'restart_after_crash = on', 'fsync = off', 'wal_level = logical', 'max_wal_senders = 4',
	'autovacuum = on', 'work_mem = 64kB', 'track_activity_query_size = 1MB', 'track_functions = all',
	'pg_stat_statements.track = all', 'pg_stat_statements.track_utility = on',
	'auto_explain.log_nested_statements = on', 'auto_explain.log_verbose = on',
	'auto_explain.log_analyze = on', 'auto_explain.log_triggers = on', 'auto_explain.log_timing = off',
	'logging_collector = on', q{log_destination = 'stderr,csvlog,jsonlog'},
	'keypool.health_check_interval = 0', 'keypool.request_timeout = 3s',
	q{keypool.audit_picks = 'every'});
sub sql { return $node->safe_psql('postgres', $_[0]) }

# Not from the start: at debug3 the postmaster logs its environment before it loads any library.
my %logging = (log_min_messages => 'debug5', log_min_error_statement => 'debug5',
	log_statement => 'all', log_min_duration_statement => 0, log_duration => 'on',
	log_parameter_max_length => -1, log_parameter_max_length_on_error => -1, log_connections => 'on',
	log_disconnections => 'on', log_lock_waits => 'on', log_temp_files => 0,
	log_error_verbosity => 'verbose', 'auto_explain.log_min_duration' => 0,
	backtrace_functions => 'int4div,exec_simple_query,pg_sleep');
sql("ALTER SYSTEM SET $_ = '$logging{$_}'") for sort keys %logging;
$node->reload;

# What clients were told, by script. psql itself points into the line that it was given; the server
# only tells where. `:name` and `:'name'` are psql's variables.
my %told;
my %variable = (provider => $provider->base_url('openai'), hooks => $provider->hook_url('leaks'),
	fernet_key => $fernet_key, password => $password);
sub play
{
	my ($script, $role, $options) = @_;
	my $name = "$script as $role" . ($options ? ", $options" : '');
	my $text = slurp_file("$FindBin::RealBin/../support/secrets/$script.sql");
	my ($out, $err) = ('', '');
	local $ENV{PGOPTIONS} = $options // '';
	$node->psql('postgres', "\\set VERBOSITY verbose\n" . $secrets->fill($text, $name), stdout => \$out,
		stderr => \$err, on_error_stop => 0,
		extra_params => [ '-U', $role, map { ('-v', "$_=$variable{$_}") } sort keys %variable ]);
	$err =~ s/^LINE \d+: .*\n.*\^\n?//gm;
	$told{$name} = "$out\n$err";
	return $err;
}

# By the extended protocol, as applications do.
sub send_parameters
{
	my ($mode) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . "/$mode.sql";
	my $lines = slurp_file("$FindBin::RealBin/../support/secrets/parameters.sql");
	local $ENV{PGOPTIONS} = '-c statement_timeout=1s';
	for my $line (grep { !/^--/ } split /\n/, $lines)
	{
		my @values;
		$line =~ s/<<([^<>]+)>>/push @values, $secrets->secret("$1, $mode"); ":s$#values"/ge;
		unlink $file;
		append_to_file($file, "$line\n");
		IPC::Run::run([ 'pgbench', '-n', '-t', 1, '-M', $mode, '-f', $file,
			(map { ('-D', "s$_=$values[$_]") } 0 .. $#values), $node->connstr('postgres') ],
			'<', \undef, '>&', \my $said);
		$told{"parameters, $mode"} .= $said;
	}
	return;
}

# Waits until a session's statement sleeps, and looks at it from outside.
sub asleep
{
	my ($session) = @_;
	my $pid = KeypoolCluster::await(sub { sql("SELECT pid FROM pg_stat_activity
		WHERE wait_event = 'PgSleep' AND pid = $session->{pid}") });
	$told{activity} .= sql("SELECT query FROM pg_stat_activity WHERE pid = $session->{pid}") . "\n";
	return $pid;
}

# Ends a statement half way.
sub cancel_while
{
	my ($statement) = @_;
	my $session = PsqlSession->new($node);
	$session->send($secrets->fill($statement));
	sql('SELECT pg_cancel_backend(' . asleep($session) . ')');
	my $answer = $session->answer;
	$told{cancelled} .= $answer;
	$session->close;
	return like($answer, qr/57014.*user request/, 'cancelled');
}

# Kills a process while it runs a statement: the postmaster then logs what that was.
sub crashes
{
	return scalar map { slurp_file($_) =~ /reinitializing/g } glob $node->data_dir . '/log/*.log';
}
sub kill_while
{
	my ($signal, $statement, $victim) = @_;
	my $session = PsqlSession->new($node);
	$session->send($secrets->fill($statement));
	my $pid = $victim ? KeypoolCluster::await(sub { sql($victim) }) : asleep($session);
	my $before = crashes();
	kill $signal, $pid;
	my $back = KeypoolCluster::await(sub {
		crashes() > $before && KeypoolCluster::try_sql($node, 'SELECT 1') });
	eval { $session->close };    # which has ended by itself
	return ok($back, "recovered from a crash by $signal");
}

# Checks of keys at providers that tell them back or send them elsewhere.
sub check_at_mischief
{
	for my $name (qw(openai anthropic gemini))
	{
		my $secret = $secrets->secret("$name checked");
		my $address = $provider->base_url($name);
		my $key = sql("SELECT add_key('$name', '$secret', base_url => '$address')");
		my $redirect = { kind => 'redirect', to => $elsewhere->url('/redirect-target/') };
		for my $behaviour ('echo', 'refuse', $redirect)
		{
			$provider->tell(key => $secret, behaviour => $behaviour);
			$told{"checks of $name"} .= sql("SELECT * FROM check_key($key)") . "\n";
		}
	}
	$provider->forget;
	return;
}

# Every function with a key in each text that it takes, right or wrong. Not those whose texts are
# columns that people fill: what is written into a log by hand or kept as a price is kept.
my %columns = map { $_ => 1 } qw(log_request log_requests import_prices keypool.set_prices);
my %value = (text => "'%s'", name => "'%s'", 'text[]' => "ARRAY['%s']", 'name[]' => "ARRAY['%s']",
	jsonb => q('{"%1$s": "%1$s", "key": "%1$s", "source": "%1$s"}'), regclass => "'%s'",
	regrole => "'%s'", boolean => 'false');
sub sweep
{
	my $functions = sql(q{
		SELECT p.oid::regproc, (SELECT string_agg(t::regtype::text, ';' ORDER BY n)
			FROM unnest(p.proargtypes) WITH ORDINALITY u (t, n))
		FROM pg_proc p
		JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
		JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
		WHERE e.extname = 'pg_keypool' AND p.prorettype <> 'trigger'::regtype ORDER BY 1});
	my ($statements, $out, $err) = ('', '', '');
	for my $line (split /\n/, $functions)
	{
		my ($function, $types) = split /\|/, $line;
		next if $columns{$function} || $types !~ /text|name|jsonb|reg/;
		my @arguments = map { sprintf $value{$_} // 'NULL', "<<openai in $function>>" } split /;/, $types;
		$statements .= "SELECT count(*) FROM $function(" . join(', ', @arguments) . ");\n";
	}
	$node->psql('postgres', $secrets->fill($statements), stdout => \$out, stderr => \$err,
		on_error_stop => 0, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	$err =~ s/^LINE \d+: .*\n.*\^\n?//gm;
	$told{sweep} = "$out\n$err";
	return;
}

sql(q{CREATE EXTENSION pg_keypool; CREATE EXTENSION pg_stat_statements;
	CREATE ROLE keeper LOGIN; CREATE ROLE caller LOGIN; CREATE ROLE onlooker LOGIN;
	CREATE ROLE stranger LOGIN; CREATE ROLE member LOGIN;
	GRANT CREATE ON SCHEMA public TO keeper, caller;
	SELECT grant_keypool('keeper', 'admin'), grant_keypool('caller', 'caller'),
		grant_keypool('onlooker', 'reader'), grant_keypool('member', 'member')});
sql(q{SELECT pg_create_logical_replication_slot('leaks', 'test_decoding')});
ok(KeypoolCluster::worker($node, 'postgres'), 'a worker runs');

# Crashes first: they take the statistics with them.
kill_while('SEGV', q{SELECT add_key('openai', '<<openai crash>>'), pg_sleep(60)});
kill_while('KILL', q{SELECT pg_sleep(60), add_key('gateway', '<<none before a crash>>')});
kill_while('KILL', q{DO $$ BEGIN PERFORM add_key('gateway', '<<none crash in a block>>');
	PERFORM pg_sleep(60); END $$});
my $hanging = $secrets->secret('openai hanging');
$provider->tell(key => $hanging, behaviour => 'hang');
my $hangs = sql("SELECT add_key('openai', '$hanging', base_url => '$variable{provider}')");
kill_while('KILL', "SELECT check_key($hangs)",
	'SELECT pid FROM keypool.worker_status WHERE checks_in_flight > 0');
$provider->forget;
ok(KeypoolCluster::worker($node, 'postgres'), 'and a worker runs again');

cancel_while(q{SELECT add_key('openai', '<<openai cancelled>>'), pg_sleep(60)});
cancel_while(q{SELECT pg_sleep(60), add_key('gateway', '<<none cancelled>>')});
cancel_while(q{DO $$ BEGIN PERFORM add_key('gateway', '<<none cancelled in a block>>');
	PERFORM pg_sleep(60); END $$});
my $listening = PsqlSession->new($node);
$listening->ask('LISTEN keypool_alerts');
play('ways', 'keeper');
play('ways', 'postgres',
	'-c debug_print_parse=on -c debug_print_rewritten=on -c debug_print_plan=on');
play('formats', $_) for qw(keeper caller);
play('errors', $_) for qw(keeper stranger);
send_parameters($_) for qw(extended prepared);
is(play('functions', 'postgres'), '', 'all functions do what they are for');
check_at_mischief();
sweep();
sql($secrets->fill(q{CREATE TABLE planted AS SELECT '<<none planted>>' AS secret}));
sql($secrets->fill(q{INSERT INTO planted VALUES ('<<none planted>>')}));

# A sort that does not fit, of all that is shown of keys, lasts while the files are looked through.
my $sorting = PsqlSession->new($node);
$sorting->ask("BEGIN; DECLARE c CURSOR FOR SELECT o.*, a.* FROM keypool.api_keys_overview o
	CROSS JOIN keypool.alert_history a, generate_series(1, 3) ORDER BY random(); FETCH c");
my @sorts = glob $node->data_dir . '/base/pgsql_tmp/*';
cmp_ok(scalar @sorts, '>', 0, 'sorts went to files');
ok(KeypoolCluster::await(sub { $provider->posts > 0 }), 'a webhook was told');
$told{listener} = $listening->ask('SELECT 1');
like($told{listener}, qr/keypool_alerts/, 'as were listeners');

my %all = $secrets->all;
my @root_keys = slurp_file($node->data_dir . '/pg_keypool.root_key') =~ /^([0-9a-f]{64})$/mg;
is(scalar @root_keys, 2, 'there are two root keys, one of them new');
$all{"root key $_"} = pack 'H*', $root_keys[$_] for 0, 1;
my $scanner = SecretScanner->new(%all);
$scanner->text("told by $_", $told{$_}) for sort keys %told;
sql('CHECKPOINT');
SecretPlaces::files($scanner, $node);
$_->close for $sorting, $listening;
# From here on nothing is told that was not told before: the log may rest.
sql('ALTER SYSTEM RESET ALL');
$node->reload;
SecretPlaces::views($scanner, $node, 'postgres');
SecretPlaces::changes($scanner, $node, 'postgres', 'leaks');
SecretPlaces::posts($scanner, $provider);
SecretPlaces::dumps($scanner, $node, 'postgres');
my @lines = split /\n/, $scanner->report(4000);
is(join("\n", grep { !/: none planted / } @lines), '', 'nothing was found');
my $planted = join "\n", grep { /: none planted / } @lines;
like($planted, $_, "but for what was planted: $_")
  for map { qr/^\Q$_\E/m } qw(base/ pg_wal/ log/ dumpall.sql postgres.dump backup changes),
  'postgres: public.pg_stat_statements', 'postgres: public.planted';
cmp_ok($scanner->bytes, '>', 50e6, 'in ' . $scanner->bytes . ' bytes');

cmp_ok($provider->count, '>', 5, 'the provider was asked');
is($provider->violations, 0, 'with keys in headers only');
is($elsewhere->record->{total} + $elsewhere->record->{redirect_target}{hits}, 0,
	'nobody followed a redirect');

is( sql(q{
	SELECT string_agg(p.oid::regprocedure::text, ', ') FROM pg_proc p
	JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
	JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid
	WHERE e.extname = 'pg_keypool'
	AND NOT EXISTS (SELECT FROM pg_stat_user_functions f WHERE f.funcid = p.oid AND f.calls > 0)}),
	'keypool.guard_audit_log()', 'every function was called, and returned but for one that refuses');
done_testing();
