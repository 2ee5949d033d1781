# Without shared_preload_libraries CREATE EXTENSION and every function say in the same words which
# setting is missing; tables can still be read and psql goes on working.
use strict;
use warnings;

use FindBin;
use lib "$FindBin::RealBin/../support";
use KeypoolCluster;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $refusal =
  qr/ERROR:  55000: [^\n]*not loaded at server start\nHINT:  [^\n]*shared_preload_libraries/;

my $node = PostgreSQL::Test::Cluster->new('preload');
$node->init;
$node->start;

# What a session prints, or what it is told.
sub ask { return KeypoolCluster::ask($node, @_) }

sub preload
{
	my ($libraries) = @_;
	$node->append_conf('postgresql.conf', "shared_preload_libraries = '$libraries'");
	$node->restart;
	return;
}

like(ask('CREATE EXTENSION pg_keypool'), $refusal, 'CREATE EXTENSION names the setting');
is(ask(q{SELECT count(*) FROM pg_namespace WHERE nspname = 'keypool'}), 0, 'and leaves nothing');
preload('pg_keypool');
is(ask('CREATE EXTENSION pg_keypool'), '', 'preloaded: CREATE EXTENSION');
is(ask(q{SELECT add_key('openai', 'sk-proj-' || repeat('k', 24) || 'aaaa')}), 1, 'add_key');

# The setting gets lost: in the move to another server, say.
preload('');

# Every C function, called with as many NULLs as it takes, each in a session of its own: the first
# call is the one that loads the library.
my @functions = split /\n/, $node->safe_psql('postgres', q{
	SELECT format('%s(%s)', p.oid::regproc,
	              (SELECT string_agg(format('NULL::%s', t::regtype), ', ')
	               FROM unnest(p.proargtypes) AS t))
	FROM pg_depend d JOIN pg_proc p ON p.oid = d.objid
	JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'pg_keypool'
	JOIN pg_language l ON l.oid = p.prolang AND l.lanname = 'c'
	WHERE d.classid = 'pg_proc'::regclass AND p.prorettype <> 'trigger'::regtype
	  AND NOT p.proisstrict
	ORDER BY 1});
cmp_ok(scalar @functions, '>=', 12, 'there are functions to call');
like(ask("SELECT $_"), $refusal, "$_ names the setting") for @functions;
my @strict = (q{resolve_key('x')}, 'release_key(1)', q{get_usage_stats('openai')});
like(ask("SELECT $_"), $refusal, "$_ names the setting") for @strict;

# Tables and views.
like(ask('SELECT * FROM keypool.api_keys_overview'), $refusal, 'a view on the pool says so, too');
is(ask('SELECT count(*) > 10 FROM keypool.providers'), 't', 'tables can be read');
like(ask(q{UPDATE keypool.providers SET enabled = false WHERE name = 'groq'}), $refusal,
	'but not changed behind the back of the pool');
for my $command ('\d', '\d keypool.api_keys', '\d+ keypool.api_keys_overview', '\dx+ pg_keypool',
	'\df+ pick_key', '\dn+ keypool', '\dp keypool.*')
{
	my $answer = ask($command);
	unlike($answer, qr/ERROR/, "psql's $command works");
}
is(ask(q{LOAD 'pg_keypool'; SHOW keypool.default_strategy}), 'round_robin', 'settings can be seen');
like(ask(q{LOAD 'pg_keypool'; SELECT pick_key('openai')}), $refusal,
	'loading it by hand helps nothing');
my $dump = $node->data_dir . '/../dump.sql';
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'pg_dump works');
is(ask('BEGIN; DROP EXTENSION pg_keypool; ROLLBACK'), '', 'so does DROP EXTENSION');

# With the setting, all is as it was.
preload('pg_keypool');
is(ask(q{SELECT right(pick_key('openai'), 4)}), 'aaaa', 'pick_key');
unlike(slurp_file($node->logfile), qr/PANIC|terminated by signal/, 'nobody died');
$node->stop;
done_testing();
